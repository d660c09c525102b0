"""The commands: help, doctor, completion, and what is imported when."""

import json
import subprocess
import sys

import pytest

from evalkit.cli import COMMANDS, main


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(capsys, command):
    try:
        code = main([command, "--help"])
    except SystemExit as exit_:
        code = exit_.code
    assert code == 0
    assert f"evalkit {command}" in capsys.readouterr().out.partition("example:")[2]


def test_an_unknown_command_ends_with_2_and_the_nearest(capsys):
    assert main(["rnu"]) == 2
    assert "did you mean 'run'" in capsys.readouterr().err


def test_a_port_that_is_none_is_refused_before_a_server_starts(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("EVALKIT_HOME", str(tmp_path))
    assert main(["ui", "--port", "99999"]) == 2
    assert "a port is a number from 1 to 65535" in capsys.readouterr().err


def test_help_imports_neither_litellm_nor_mlflow_nor_hydra():
    script = (
        "import sys; from evalkit.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "print(sorted({'litellm', 'mlflow', 'hydra', 'scipy', 'rich'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_importing_evalkit_is_silent_and_touches_nothing(tmp_path):
    script = "import evalkit, evalkit.wiring, evalkit.cli.run, evalkit.adapters.litellm_model as m; m.count_tokens('x')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert (done.stdout, done.stderr, list(tmp_path.iterdir())) == ("", "", [])


def test_hydras_own_flags_work(home):
    job = home.evalkit("run", "--cfg", "job", "ladder=single", "max_attempts=3")
    assert (job.returncode, "max_attempts: 3" in job.stdout) == (0, True)
    assert home.evalkit("run", "--info", "searchpath").returncode == 0


def test_completion_knows_groups_and_options(home):
    line = "evalkit run ladder=si"
    found = home.evalkit("-sc", "query=bash", COMP_LINE=line, COMP_POINT=str(len(line)))
    assert found.stdout.split() == ["ladder=single"], found.stderr
    assert "complete" in home.evalkit("-sc", "install=bash").stdout


def test_doctor_says_line_by_line_what_is_there(home):
    home.write("answers.yaml", "default: right\n")
    home.write("conf/ladder/mine.yaml", "rungs: {only: {model: scripted/answers.yaml}}\n")
    found = home.evalkit("doctor", *home.dataset(3), "ladder=mine")
    assert (found.returncode, "all is there" in found.stdout) == (0, True), found.stdout
    assert "ok  dataset: 3 of 3 instances" in found.stdout


def test_doctor_says_what_is_missing_and_how_to_mend_it(home):
    overrides = [*home.dataset(1), "ladder=local", "tracker=none"]
    found = home.evalkit("doctor", *overrides, EVALKIT_CACHE=str(home.path / "none"))
    assert found.returncode == 2
    assert "no  rung smollm" in found.stdout
    assert "evalkit models fetch smollm2-135m" in found.stdout


def test_compare_refuses_what_cannot_be_compared(home):
    home.write("answers.yaml", "default: right\n")
    home.write("conf/ladder/mine.yaml", "rungs: {only: {model: scripted/answers.yaml}}\n")
    for size in (2, 3):
        home.evalkit("run", *home.dataset(4), "ladder=mine", f"sample.size={size}", f"name=of{size}", "tracker=none")
    refused = home.evalkit("compare", "of2", "of3")
    assert (refused.returncode, "--shared-only" in refused.stderr) == (2, True)
    allowed = home.evalkit("compare", "of2", "of3", "--shared-only", "--format", "json")
    assert json.loads(allowed.stdout)["comparisons"][0]["instances"] == 2
    unknown = home.evalkit("compare", "of2", "of9")
    assert (unknown.returncode, "of3" in unknown.stderr) == (2, True)
