"""The worked example of docs/plugins.md, installed by pip: a plug-in with one of each kind."""

import json
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.e2e.command import Home

EXAMPLE = Path(__file__).parents[1] / "plugins" / "evalkit-house"


def wheel(folder):
    """What its build backend would make of it, which is not installed everywhere."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    facts = f"evalkit_house-{project['version']}.dist-info"
    points = "".join(
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in named.items())
        for group, named in project["entry-points"].items()
    )
    path = folder / f"evalkit_house-{project['version']}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted((EXAMPLE / "evalkit_house").rglob("*")):
            if file.is_file() and file.suffix != ".pyc":
                archive.write(file, file.relative_to(EXAMPLE))
        named = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
        archive.writestr(f"{facts}/METADATA", named)
        archive.writestr(
            f"{facts}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{facts}/entry_points.txt", points)
        archive.writestr(f"{facts}/RECORD", "")
    return path


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    home = Home(tmp_path_factory.mktemp("home"))
    site = home.path / "site"
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--target", site]
    done = subprocess.run([*command, wheel(home.path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = [
        {"id": "loud", "prompt": "Say:\nyes", "rubric": "loud", "good": ["YES"], "metadata": {"answer": "YES"}},
        {"id": "never", "prompt": "Say:\nmaybe", "rubric": "loud", "good": ["NO"], "metadata": {"answer": "NO"}},
    ]
    home.write("tasks.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    path = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH", "")]))

    def evalkit(*args):
        began = home.start(*args, PYTHONPATH=path)
        out, err = began.communicate(timeout=280)
        return began.returncode, out, err

    home.plugged = evalkit
    return home


DATA = ["dataset=jsonl", "dataset.path=tasks.jsonl", "tracker=none"]


@pytest.mark.slow
def test_a_run_with_a_plug_ins_model_strategy_verifier_and_sandbox(project):
    chosen = ["ladder=echo", "strategy=bare", "verifier=exact", "sandbox=noting"]
    code, out, err = project.plugged("run", *DATA, *chosen, "--json")
    assert code == 0, err
    summary = json.loads(out)
    assert [(one["instance_id"], one["solved"], one["rung"]) for one in summary["instances"]] == [
        ("loud", True, "loud"),
        ("never", False, None),
    ]
    assert (summary["simulated"], summary["tags"]["evalkit.sandbox"]) == (True, "unconfined")
    assert (project.path / "commands.txt").read_text().startswith("python 0 ")
    (folder,) = project.runs
    assert json.loads((folder / "lock.json").read_text())["plugins"] == {"evalkit-house": "0.1.0"}
    (facts,) = (project.path / "site").glob("*.dist-info/METADATA")
    was = facts.read_text()
    facts.write_text(was.replace("Version: 0.1.0", "Version: 0.2.0"))  # its verdicts may be others now
    try:
        assert project.plugged("run", *DATA, *chosen)[0] == 0
    finally:
        facts.write_text(was)
    assert len(project.runs) == 2


@pytest.mark.slow
def test_a_plug_ins_rule_kind_and_rubric_are_found_and_doctor_names_it(project):
    code, out, err = project.plugged("rubric", "test", "loud", "--format", "json")
    rule = json.loads(out)["rubrics"][0]["rules"][0]
    assert (code, rule["id"], rule["failed_examples"]) == (0, "capitals", []), err
    code, out, err = project.plugged(
        "doctor", *DATA, "ladder=echo", "sandbox=noting", "ladder.rungs.loud.model=echo/lod"
    )
    assert code == 2
    assert "ok  plug-ins: evalkit-house 0.1.0" in out
    assert "echo/lod: there is echo/loud, echo/quiet" in out


def test_what_no_plug_in_brings_is_refused(home):
    home.write("conf/verifier/mine.yaml", "_target_: os.path.join\n")
    done = home.evalkit("run", "ladder=scripted", "verifier=mine", "tracker=none")
    assert (done.returncode, "neither evalkit's nor an installed plug-in's" in done.stderr) == (2, True)
