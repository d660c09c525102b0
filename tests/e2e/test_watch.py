"""evalkit watch: a run from outside, while it goes and when it was killed: one process runs, two watch."""

import json
import os
import pty
import subprocess
import sys
import time

import pytest

from tests.e2e.command import Home

RULES = [{"id": "right", "kind": "regex", "pattern": "right", "message": "Say the right word."}]
ANSWERS = {
    "default": [{"text": "wrong"}, {"text": "right"}],
    "instances": {
        "i0": "wrong",
        "i1": {"error": "connection", "message": "nobody answers"},
        "i9": {"text": "right", "delay_s": 800},
    },
}
RUNG = "{model: scripted/answers.yml, attempts: 1, timeout_s: 900}"


def wait_for(seen, began):
    until = time.monotonic() + 250
    while not seen():
        assert began.poll() is None, began.communicate()
        assert time.monotonic() < until
        time.sleep(0.1)


def read_all(end):
    shown = b""
    try:
        while part := os.read(end, 65536):
            shown += part
    except OSError:  # Linux says so when the other side is closed
        return shown.decode(errors="replace")
    return shown.decode(errors="replace")


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """A home whose one run was watched while it went, and was killed then; what was seen."""
    home = Home(tmp_path_factory.mktemp("home"))
    rows = [{"id": f"i{n}", "prompt": "Task.", "rubric": {"rules": RULES}, "good": ["right"]} for n in range(10)]
    home.write("tasks.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    home.write("answers.yml", json.dumps(ANSWERS))
    home.write("conf/ladder/mine.yaml", f"rungs:\n  small: {RUNG}\n  big: {RUNG}\n")
    asked = ["dataset=jsonl", "dataset.path=tasks.jsonl", "ladder=mine", "tracker=none", "name=mine"]
    began = home.start("run", *asked, "retry.attempts=1", "retry.timeout_s=1000", "limits.concurrency=2")
    wait_for(lambda: len(list(home.path.glob("mlruns/runs/*/instances/*/summary.json"))) == 9, began)
    home.pid, (home.folder,) = began.pid, home.runs
    home.seen = json.loads(home.evalkit("watch", "--json").stdout)
    home.page = home.evalkit("watch", "mine", "--once", COLUMNS="80").stdout
    lines = home.start("watch", "--every", "0.2")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "evalkit", "watch", "--every", "0.2"]
    drawn = subprocess.Popen(command, env=home.environment(TERM="xterm"), cwd=home.path, stdout=theirs)
    os.close(theirs)
    first = lines.stdout.readline()  # both have looked, or are about to
    began.kill()
    began.communicate()
    home.drawn, home.lines = read_all(ours), first + lines.communicate()[0]
    home.codes = (drawn.wait(), lines.returncode)
    return home


@pytest.mark.slow
def test_a_running_run_shows_how_far_it_is_and_what_failed(watched):
    seen = watched.seen
    assert (seen["state"], seen["process"], seen["simulated"]) == ("running", watched.pid, True)
    assert (seen["climbs"], seen["ended"]) == (10, 9)
    assert seen["counts"] == {"solved": 7, "unsolved": 1, "unfinished": 1, "quarantined": 0}
    rungs = [(rung["name"], rung["attempts"], rung["solved"]) for rung in seen["rungs"]]
    assert rungs == [("small", 8, 0), ("big", 8, 7)]
    assert (seen["per_minute"] > 0, seen["seconds_left"] > 0, seen["concurrency"]) == (True, True, "2")
    assert (seen["failures"][0]["instance_id"], seen["failures"][0]["failure"]) == ("i1", "connection")
    assert "9 of 10 (90 %) climbs" in watched.page
    assert max(map(len, watched.page.splitlines())) <= 80


@pytest.mark.slow
def test_what_watches_ends_when_the_run_is_killed_and_says_so(watched):
    assert watched.codes == (0, 0)
    assert "running 9 of 10 (90 %)" in watched.lines.splitlines()[0]
    for said in (watched.lines, watched.drawn):
        assert "killed" in said
        assert "the same command continues" in said


def test_a_killed_run_is_told_from_its_folder_and_its_journal_stays_as_it_is(watched):
    folder = watched.folder
    journal = folder / "journal.jsonl"
    before = journal.read_bytes(), journal.stat().st_mtime_ns
    page = watched.evalkit("watch", folder, "--once")
    assert (page.returncode, "mine  " in page.stdout, "killed" in page.stdout) == (0, True, True)
    assert before == (journal.read_bytes(), journal.stat().st_mtime_ns)


def test_a_run_that_is_over_is_as_its_summary_says(watched):
    watched.write("quick.yml", "default: right\n")
    watched.write("conf/ladder/quick.yaml", "rungs: {only: {model: scripted/quick.yml, price: {prompt: 1}}}\n")
    data = ["dataset=jsonl", "dataset.path=tasks.jsonl", "ladder=quick", "tracker=none", "name=quick", "sample.size=2"]
    assert watched.evalkit("run", *data).returncode == 0
    seen = json.loads(watched.evalkit("watch", "quick", "--json").stdout)
    assert (seen["state"], seen["process"], seen["ended"], seen["climbs"]) == ("complete", None, 2, 2)
    assert (seen["counts"]["solved"], seen["rungs"][0]["solved"], seen["seconds_left"]) == (2, 2, None)


def test_a_torn_and_a_damaged_journal_are_read_as_far_as_they_go(watched, tmp_path):
    lines = (watched.folder / "journal.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "journal.jsonl").write_bytes(b"".join(lines[:5]) + b'{"crc":"0' + b"\xff\n" + lines[5] + lines[6][:40])
    seen = json.loads(watched.evalkit("watch", tmp_path, "--json").stdout)
    assert (seen["state"], seen["climbs"], 0 < seen["attempts"] <= 4) == ("killed", None, True)


def test_what_is_not_there_is_said(home):
    none = home.evalkit("watch")
    assert (none.returncode, "no run in" in none.stderr) == (2, True)
    assert home.evalkit("watch", "--every", "0").returncode == 2
