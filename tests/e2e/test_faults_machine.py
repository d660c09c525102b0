"""Runs on a machine that misbehaves: kills, a full disk, clocks that jump, damaged journals."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from zlib import crc32

import pytest

from tests.e2e.test_run import remote
from tests.servers.threaded import serving

# A run in a process of its own for each line of stdin, forked from one that has imported and composed already.
RUNS = """
import asyncio, os, sys, time
from evalkit.cli.execute import Session
from evalkit.cli.hydra_app import composed
from evalkit.settings import read
from evalkit.wiring import Wired
import evalkit.adapters.jsonl_dataset, evalkit.adapters.rubric_files, evalkit.adapters.template_strategy
import evalkit.run.rubric_verifier, evalkit.run.auto_sandbox, litellm
found = composed(sys.argv[1:])
assert len(os.listdir("/proc/self/task")) == 1, "a process with threads must not fork"
print("ready", flush=True)
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        try:
            wired = Wired(found.config, found.choices, read(found.config))
            asyncio.run(Session(wired, found.overrides, {}, time.perf_counter()).run())
            os._exit(0)
        except BaseException as error:
            print(repr(error), file=sys.stderr)
            os._exit(1)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
POINTS, ONCE = int(os.environ.get("EVALKIT_KILLS", "25")), 4  # how often it is killed; climbs at once


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_kill_9_at_random_points_loses_nothing_and_repeats_at_most_what_was_in_flight(home):
    chance, kills, kept = random.Random(11), 0, b""
    with serving(latency_s=0.005) as server:
        arguments = remote(home, 3 * POINTS, server, preflight="false", report_up_to=0)
        runs = subprocess.Popen(
            [sys.executable, "-c", RUNS, *arguments],
            env=home.environment(OPENBLAS_NUM_THREADS="1", LITELLM_LOCAL_MODEL_COST_MAP="True"),
            cwd=home.path,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        assert runs.stdout.readline() == "ready\n"
        for _ in range(POINTS):
            child = begun(runs)
            killed_after(child, server, chance)
            kills += int(runs.stdout.readline()) == -signal.SIGKILL
            for path in home.path.glob("mlruns/runs/*/journal.jsonl"):
                journal = path.read_bytes()
                assert journal.startswith(kept)
                kept = journal[: journal.rfind(b"\n") + 1]
        begun(runs)
        assert runs.stdout.readline() == "0\n"
        runs.communicate()
    assert kills > POINTS // 2, "most came while it ran"
    assert home.summary()["counts"] == {"solved": 3 * POINTS, "unsolved": 0, "unfinished": 0, "quarantined": 0}
    assert sum(server.answered.values()) <= 3 * POINTS + ONCE * kills
    keys = [json.loads(line)["record"]["key"] for line in (home.runs[0] / "journal.jsonl").open()]
    assert len(keys) == len(set(keys)) == 1 + 2 * 3 * POINTS


def begun(runs):
    runs.stdin.write("run\n")
    return int(runs.stdout.readline())


def killed_after(child, server, chance):
    """Kill it after some answers, at a moment between two of them; or while it starts, where it is to have none."""
    wanted, before = chance.randrange(7), sum(server.answered.values())
    deadline = time.monotonic() + 20
    while sum(server.answered.values()) - before < wanted and alive(child) and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(chance.uniform(0, 0.02 if wanted else 0.3))
    if alive(child):
        os.kill(child, signal.SIGKILL)


def alive(child):
    try:
        with open(f"/proc/{child}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture
def small_disk(home):
    """mlruns/ on a disk of its own, of 1 MB; call it with another size."""
    place = home.path / "mlruns"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", place], capture_output=True, text=True, check=False
    )
    if made.returncode:
        pytest.skip(f"no small disk can be mounted here: {made.stderr.strip()}")
    yield lambda size: subprocess.run(["mount", "-o", f"remount,size={size}", place], check=True)
    subprocess.run(["umount", "-l", place], check=True)


def test_a_full_disk_stops_the_run_and_with_space_the_same_command_goes_on(home, small_disk):
    with serving() as server:
        server.texts = {f"i{n}": "right " + "x" * 60_000 for n in range(20)}
        arguments = remote(home, 20, server)
        first = home.evalkit("run", *arguments)
        assert (first.returncode, "Traceback" in first.stderr) == (3, False), first.stderr
        assert "No space left on device. What was recorded is intact; free space" in first.stderr.splitlines()[-1]
        paid = sum(server.answered.values())
        kept = (home.runs[0] / "journal.jsonl").read_bytes()
        assert paid < 20
        small_disk("64m")
        assert home.evalkit("run", *arguments).returncode == 0
        assert (home.runs[0] / "journal.jsonl").read_bytes().startswith(kept[: kept.rfind(b"\n") + 1])
    assert home.summary()["counts"] == {"solved": 20, "unsolved": 0, "unfinished": 0, "quarantined": 0}
    assert sum(server.answered.values()) <= 20 + 4


def test_a_file_of_kept_answers_that_is_no_use_is_told_once_and_the_run_is_tagged(home):
    home.write("mlruns/answers.sqlite", "this is no database, whatever its name says. " * 50)
    with serving() as server:
        done = home.evalkit("run", *remote(home, 8, server, cache="all"))
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert done.stderr.count("models are asked. Delete the file, or set cache=never.") == 1
    assert home.summary()["tags"]["evalkit.cache"] == "no use: file is not a database"
    assert set(server.answered.values()) == {1}


JUMPS = """
import itertools, time
real, real_ns, turns = time.time, time.time_ns, itertools.count()
def jump(): return (-86_400, 86_400, 0, 3_600)[next(turns) % 4]
time.time = lambda: real() + jump()
time.time_ns = lambda: real_ns() + jump() * 1_000_000_000
"""


def test_a_clock_that_jumps_by_a_day_changes_no_result_and_no_duration(home):
    home.write("jumping/sitecustomize.py", JUMPS)
    path = os.pathsep.join(filter(None, [str(home.path / "jumping"), os.environ.get("PYTHONPATH")]))
    with serving() as server:
        began = time.monotonic()
        process = home.start("run", *remote(home, 8, server), PYTHONPATH=path)
        _, err = process.communicate(timeout=120)
        assert (process.returncode, "Traceback" in err) == (0, False), err
    summary = home.summary()
    assert summary["counts"]["solved"] == 8
    assert 0 < summary["wall_seconds"] < time.monotonic() - began
    assert all(0 <= row["time_seconds"] < 60 for row in summary["instances"])


def lined(record):
    text = json.dumps(record, separators=(",", ":")).encode()
    return b'{"crc":"%08x","record":%s}\n' % (crc32(text), text)


def flipped(data, place):
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


# What became of the journal of four climbs; exit code and words of the same command then, and how many were paid again.
DAMAGES = {
    "another version": (lambda j: lined({"key": "run", "value": {"journal": 99, "run": "x"}}) + j[j.index(b"\n") + 1 :],
                        2, "written by another version of evalkit's journal (99", 0),
    "a bit flipped in the middle": (lambda j: flipped(j, len(j) // 2), 2, "not a record (checksum). Restore", 0),
    "only half of it": (lambda j: j[: len(j) // 2], 0, "", 3),
}  # fmt: skip


def test_a_journal_that_was_damaged_is_told_or_costs_no_more_than_what_is_missing(home):
    with serving() as server:
        arguments = remote(home, 4, server)
        assert home.evalkit("run", *arguments).returncode == 0
        (run,) = home.runs
        whole = (run / "journal.jsonl").read_bytes()
        for name, (damage, code, says, again) in DAMAGES.items():
            server.answered.clear()
            (run / "summary.json").unlink(missing_ok=True)
            (run / "journal.jsonl").write_bytes(damaged := damage(whole))
            found = home.evalkit("run", *arguments)
            assert (found.returncode, "Traceback" in found.stderr) == (code, False), (name, found.stderr)
            assert says in found.stderr, name
            assert sum(server.answered.values()) <= again, name
            if code:
                assert len(found.stderr.strip().splitlines()[-1].split("\n")) == 1
                assert (run / "journal.jsonl").read_bytes() == damaged, name
            else:
                assert home.summary()["counts"]["solved"] == 4, name
