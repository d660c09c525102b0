"""limits.processes: a run's workers as processes, killed and interrupted as people and machines do it."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from tests.e2e.test_faults_signals import said
from tests.e2e.test_run import remote
from tests.servers.threaded import serving

COUNT = 24


def workers(process):
    """The run's worker processes."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [int(one) for one in children if b"execute_sharded_worker" in Path(f"/proc/{one}/cmdline").read_bytes()]


def until(so, process):
    began = time.monotonic()
    while not so():
        time.sleep(0.02)
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < began + 300


def is_gone(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_workers_are_replaced_killed_runs_leave_none_and_any_number_of_them_continues(home):
    with serving() as server:
        arguments = remote(home, COUNT, server, **{"ladder.rungs.only.timeout_s": 600})
        server.hold = {f"i{n}" for n in range(8, COUNT)}
        process = home.start("run", *arguments, "limits.processes=2")
        until(lambda: len(server.held) == 4, process)  # four at once, whatever the number of workers
        assert sum(server.answered.values()) == 8
        victim, other = workers(process)
        os.kill(victim, signal.SIGKILL)
        until(lambda: len(workers(process)) == 2 and victim not in workers(process), process)
        server.hold -= {"i8", "i9", "i10", "i11"}  # two of them are asked for again
        until(lambda: len(server.held) == 8, process)
        process.kill()
        told = process.communicate()[1]
        assert "is gone: killed by SIGKILL" in told
        began = time.monotonic()
        while not is_gone(other):
            time.sleep(0.02)
            assert time.monotonic() < began + 120, "a worker outlived its run"

        server.hold, server.held = {f"i{n}" for n in range(16, COUNT)}, set()
        process = home.start("run", *arguments, "limits.processes=3")
        until(lambda: len(server.held) == 4, process)
        hands = workers(process)
        for one in [process.pid, *hands]:  # as a terminal does: to all of them
            os.kill(one, signal.SIGINT)
        said(process)
        server.hold = set()
        _, err = process.communicate(timeout=240)
        assert (process.returncode, "Traceback" in err) == (130, False)
        assert all(map(is_gone, hands))
        assert home.summary()["counts"]["solved"] == 20

    (run,) = home.runs
    keys = [json.loads(line)["record"]["key"] for line in (run / "journal.jsonl").open()]
    assert len(keys) == len(set(keys)) == 1 + 2 * 20


@pytest.mark.parametrize(
    ("setting", "hint"),
    [
        ("limits.processes=0", "must be at least 1"),
        ("limits.over=rey", "did you mean 'ray'?"),
    ],
)
def test_what_can_never_work_is_refused(home, setting, hint):
    refused = home.evalkit("run", *home.dataset(1), "ladder=local", setting)
    assert (refused.returncode, hint in refused.stderr) == (2, True)
