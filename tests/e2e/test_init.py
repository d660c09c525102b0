"""evalkit init: a project that works at once."""

import json
import subprocess
from pathlib import Path

import pytest

from evalkit.cli import main
from evalkit.cli.init import template


def test_a_new_project_passes_its_own_checks_and_runs_at_once(home):
    made = home.evalkit("init", "p")
    assert (made.returncode, "unset EVALKIT_HOME" in made.stdout) == (0, True), made.stderr
    home.path /= "p"
    assert {"README.md", ".gitignore", "tasks.jsonl"} <= {path.name for path in home.path.iterdir()}
    checked = home.evalkit("dataset", "check", "mine", "--format", "json")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert home.evalkit("rubric", "test", "house").returncode == 0
    ran = home.evalkit("run", "dataset=mine", "ladder=scripted", "tracker=none", "--json")
    counts = json.loads(ran.stdout)["counts"]
    assert (counts["solved"], counts["unsolved"]) == (3, 1), "one at once, two after feedback, one never"
    other = home.evalkit("run", "--cfg", "job", "dataset=mine", "ladder=mine")
    assert "local/smollm2-135m" in other.stdout


def test_its_sweep_composes(home):
    home.evalkit("init", home.path)
    shown = home.evalkit("plan", "+sweeps=attempts", "--format", "json")
    assert (shown.returncode, len(json.loads(shown.stdout)["cells"])) == (0, 4), shown.stderr


@pytest.mark.parametrize("name", ["README.md", ".gitignore", "conf/ladder/mine.yaml"])
def test_init_writes_nothing_where_a_file_of_its_own_is_there(tmp_path, monkeypatch, capsys, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    assert main(["init"]) == 2
    assert f"has {name} already" in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before


def test_init_refuses_a_file_as_folder_and_a_folder_that_cannot_be_written(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    assert main(["init", "file"]) == 2
    assert main(["init", "file/inside"]) == 3
    assert "Traceback" not in capsys.readouterr().err


def test_git_carries_every_file_of_it():
    root = Path(__file__).parents[2]
    listed = subprocess.run(
        ["git", "ls-files", "evalkit/cli/project"], check=False, capture_output=True, text=True, cwd=root
    )
    if listed.returncode or not listed.stdout:  # an unpacked copy
        pytest.skip("no git checkout here")
    assert len(listed.stdout.split()) == len(template())
