"""What a run says at its end, and what the same command says and does again."""

import json

import pytest

from evalkit.cli import main
from tests.e2e.command import Home

LADDER = "rungs:\n  small: {model: scripted/s.yaml, on: {empty_response: skip}}\n  big: {model: scripted/b.yaml}\n"


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run in a home of one's own without a tracker; returns stdout, stderr and the run's record."""
    home = Home(tmp_path)
    home.write("s.yaml", "default: ''\n")
    home.write("b.yaml", "default: right\n")
    home.write("conf/ladder/mine.yaml", LADDER)
    monkeypatch.setenv("EVALKIT_HOME", str(tmp_path))
    common = [*home.dataset(2), "ladder=mine", "tracker=none", "limits.concurrency=1"]

    def call(*overrides):
        assert main(["run", *common, *overrides]) == 0
        said = capsys.readouterr()
        (folder,) = home.runs
        return said.out, said.err, json.loads((folder / "record.json").read_text())

    return call


def test_a_run_without_a_tracker_says_how_to_publish_it_and_its_repeat_changes_nothing(run):
    out, err, record = run("name=mine")
    assert "next: evalkit publish mlruns/runs/" in out
    assert "evalkit ui" not in out
    assert err.count("rung small is skipped: given up for the whole run") == 1
    assert err.splitlines()[0].endswith(": 2 climbs")
    assert err.splitlines()[-1].startswith("2/2 · 2 solved · 3 attempts · ")
    assert "left" not in err

    out, err, again = run()  # without the name: who gives none takes none away
    assert "complete already; nothing to do" in out
    assert (again, err) == (record, "")

    out, _, renamed = run("name=other")
    assert "complete already; it is called 'other' now." in out
    assert renamed == record | {"name": "other", "tags": renamed["tags"]}


def test_one_climb_is_no_climbs(run):
    _, err, _ = run("sample.size=1")
    assert err.splitlines()[0].endswith(": 1 climb")
    assert err.splitlines()[-1].startswith("1/1 · 1 solved · 2 attempts")


def test_doctors_help_is_its_own(capsys):
    assert main(["doctor", "--help"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("evalkit doctor [OVERRIDE…]")
    assert "example: evalkit doctor" in said
    assert "evalkit run [OVERRIDE" not in said
