"""evalkit run in CI: the gate on the solved rate, JUnit XML, and the summary on stdout."""

import json
from xml.etree import ElementTree as ET

import pytest

from evalkit.cli import main

RULES = [{"id": "right", "kind": "regex", "pattern": "right", "message": "Say the \x1b[31mright\x1b[0m <word>."}]
ANSWERS = """
default: right
instances:
  lost: ["<b>wrong</b> \\a & wrong"]
  down: [{error: connection, message: "nobody \\a answers"}]
"""


@pytest.fixture
def project(home):
    def tasks(*names, **good):
        rows = [{"id": one, "prompt": f"Task {one}.", "rubric": {"rules": RULES}} for one in names]
        rows = [{**row, "good": [good.get(row["id"], "right")]} for row in rows]
        home.write("tasks.jsonl", "".join(json.dumps(row) + "\n" for row in rows))

    home.tasks = tasks
    tasks("one", "two", "lost")
    home.write("answers.yaml", ANSWERS)
    home.write("conf/ladder/mine.yaml", "rungs: {only: {model: scripted/answers.yaml}}\n")
    fixed = ["run", "dataset=jsonl", "dataset.path=tasks.jsonl", "tracker=none", "retry.attempts=1", "ladder=mine"]
    home.run = lambda *args: home.evalkit(*fixed, *args)
    return home


def test_a_run_under_its_rate_ends_with_4_and_says_why_also_when_asked_again(project):
    first = project.run("--fail-under", "60%", "--format", "json")
    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout)["counts"] == {"solved": 2, "unsolved": 1, "unfinished": 0, "quarantined": 0}
    again = project.run("--fail-under=0.7", "--json")  # complete already
    assert again.returncode == 4
    assert "--fail-under 0.7 is not met: 2 of 3 solved: 67 %" in again.stderr
    assert json.loads(again.stdout) == json.loads(first.stdout)


def test_junit_tells_unsolved_outage_and_quarantine_apart_and_an_outage_is_no_low_rate(project):
    project.tasks("one", "lost", "down", "sick", sick="never accepted")
    project.write("junit.xml", "of an earlier run")
    done = project.run("--junit", "junit.xml", "--fail-under", "1")
    assert (done.returncode, "not met" in done.stderr) == (3, False)

    suite = ET.parse(project.path / "junit.xml").getroot().find("testsuite")
    assert [suite.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["4", "1", "1", "1"]
    cases = {case.get("name"): case for case in suite.iter("testcase")}
    assert cases["lost"].get("classname") == "tasks"
    assert cases["lost"].find("failure").get("type") == "rule_violation"
    assert "- right: Say the \ufffd[31mright\ufffd[0m <word>." in cases["lost"].find("failure").text
    assert cases["down"].find("error").get("type") == "connection"
    assert cases["sick"].find("skipped").get("message").startswith("quarantined: ")
    assert [part.tag for part in cases["one"]] == ["system-out"]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--fail-under", "2"], "share of 0 to 1"),
        (["--fail-under", "many"], "share of 0 to 1"),
        (["--fail-under"], "needs a value"),
        (["--junit", "no/such/folder.xml"], "there is no folder"),
        (["--junit", "."], "it is a folder"),
        (["--junit=a.xml", "-m"], "holds one run"),
        (["--format", "xml"], "table or json"),
        (["--junit=a", "--junit=b"], "given 2 times"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_spent(tmp_path, monkeypatch, capsys, flags, said):
    monkeypatch.chdir(tmp_path)
    assert main(["run", "ladder=scripted", *flags]) == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
