"""How a run ends by signals, and what must hold then: nothing recorded is lost, unfinished is not unsolved."""

import json
import signal
import time

import pytest

from tests.e2e.test_run import remote
from tests.servers.threaded import serving

COUNT = 12


def started(home, server, arguments):
    """A run with four calls under way, which wait until the server is told otherwise."""
    server.hold = {f"i{n}" for n in range(4, COUNT)}
    process = home.start("run", *arguments)
    while len(server.held) < 4:
        time.sleep(0.01)
        assert process.poll() is None, process.communicate()
    return process


def statuses(home):
    return {row["instance_id"]: row["status"] for row in home.summary()["instances"]}


@pytest.mark.parametrize("one", [signal.SIGINT, signal.SIGTERM])
def test_once_what_is_under_way_is_waited_for_and_paid_once(home, one):
    with serving() as server:
        arguments = remote(home, COUNT, server)
        process = started(home, server, arguments)
        process.send_signal(one)
        assert "Ctrl-C again ends the run at once" in said(process)
        server.hold = set()
        _, err = process.communicate(timeout=60)
        assert (process.returncode, "Traceback" in err) == (130, False)
        assert "the same command continues" in err
        assert sum(server.answered.values()) == 8
        assert statuses(home) == {f"i{n}": "solved" if n < 8 else "unfinished" for n in range(COUNT)}
        assert home.summary()["status"] == "paused"
        assert home.evalkit("run", *arguments).returncode == 0
        assert home.summary()["counts"]["solved"] == COUNT
        assert set(server.answered.values()) == {1}, "nothing is paid twice"


def said(process):
    """stderr up to the line that says that the run is stopping."""
    told = ""
    while "stopping" not in told:
        told += process.stderr.readline()
        assert process.poll() is None, told
    return told


@pytest.mark.slow
def test_twice_the_run_ends_at_once_and_repeats_only_what_was_under_way(home):
    with serving() as server:
        arguments = remote(home, COUNT, server)
        process = started(home, server, arguments)
        process.send_signal(signal.SIGINT)
        said(process)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert server.hold, "it did not wait for the calls"
        assert (process.returncode, "Traceback" in err) == (130, False)
        assert statuses(home) == {f"i{n}": "solved" if n < 4 else "unfinished" for n in range(COUNT)}
        server.hold = set()
        assert home.evalkit("run", *arguments).returncode == 0
        assert home.summary()["counts"]["solved"] == COUNT
        recorded = [json.loads(line)["record"]["key"] for line in (home.runs[0] / "journal.jsonl").open()]
        assert len(recorded) == len(set(recorded)) == 1 + 2 * COUNT
        assert sum(server.answered.values()) <= COUNT + 4
