"""Runs over a provider that misbehaves: nothing recorded is lost or paid twice, and unfinished is not unsolved."""

import json
import time

import pytest

from tests.e2e.test_run import remote
from tests.servers.faulty import FAULTS, ODD, faulty
from tests.servers.threaded import serving
from tests.servers.wire import Wire

EVERY = [*FAULTS, *ODD, "hang", "drip"]


def faulted(home, server, **more):
    home.write(
        "conf/ladder/faulted.yaml",
        f"rungs: {{only: {{model: openai/m, api_base: '{server.url}/v1', attempts: 1, timeout_s: 4}}}}\n",
    )
    return [*remote(home, len(EVERY), server, **more), "ladder=faulted", "limits.identical_errors=0"]


def rows(home):
    return {row["instance_id"]: row for row in home.summary()["instances"]}


def recorded_once(home, climbs):
    """Each completion and verdict stands in the journal once."""
    keys = [json.loads(line)["record"]["key"] for line in (home.runs[0] / "journal.jsonl").open()]
    return len(keys) == len(set(keys)) == 1 + 2 * climbs


def test_whatever_fails_once_is_tried_again_and_recorded_once(home):
    with faulty() as server:
        server.faults = {f"i{n}": [word] for n, word in enumerate(EVERY)}
        done = home.evalkit("run", *faulted(home, server))
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    found = {word: rows(home)[f"i{n}"] for n, word in enumerate(EVERY)}
    assert {row["status"] for word, row in found.items() if word != "huge"} == {"solved"}
    assert "too long: 52428806 characters" in found["huge"]["final_error"]
    assert set(server.answered.values()) == {1}
    assert recorded_once(home, len(EVERY))
    huge = home.runs[0] / f"instances/i{EVERY.index('huge')}/attempt_1.txt"
    assert huge.stat().st_size > 50 * 2**20


def test_whatever_lasts_is_unfinished_and_asked_again_by_the_same_command(home):
    failing = [word for word in EVERY if word not in (*ODD, "hang", "drip")]
    with faulty() as server:
        arguments = faulted(home, server)
        server.faults = {f"i{EVERY.index(word)}": [word] * 100 for word in failing}
        first = home.evalkit("run", *arguments)
        assert (first.returncode, "Traceback" in first.stderr + first.stdout) == (3, False), first.stderr
        lost = {f"i{EVERY.index(word)}" for word in failing}
        # Others too, where their turn came while the provider was taken for down.
        assert {name for name, row in rows(home).items() if row["status"] == "unfinished"} >= lost
        assert home.summary()["counts"]["unsolved"] == 0
        assert all(row["final_error"].isprintable() for row in rows(home).values() if row["final_error"])
        server.faults = {}
        assert home.evalkit("run", *arguments).returncode == 0
    assert home.summary()["counts"]["solved"] == len(EVERY)
    assert set(server.answered.values()) == {1}
    assert recorded_once(home, len(EVERY))


def test_a_storm_of_rate_limits_leaves_everything_answered_once(home):
    with faulty() as server:
        server.faults = {f"i{n}": ["429"] * (n % 4) for n in range(40)}
        settings = {"limits.concurrency": 20, "retry.attempts": 4}
        done = home.evalkit("run", *remote(home, 40, server, **settings))
    assert done.returncode == 0, done.stderr
    assert home.summary()["counts"] == {"solved": 40, "unsolved": 0, "unfinished": 0, "quarantined": 0}
    assert set(server.answered.values()) == {1}
    assert recorded_once(home, 40)


@pytest.mark.parametrize("word", ["hang", "drip"])
def test_a_time_out_is_no_wrong_answer(home, word):
    with faulty() as server:
        server.faults = {"i1": [word] * 2}
        arguments = [*remote(home, 3, server), "ladder.rungs.only.timeout_s=1", "retry.attempts=1"]
        assert home.evalkit("run", *arguments).returncode == 3
    assert rows(home)["i1"]["error_type"] == "provider_timeout"
    assert home.summary()["counts"] == {"solved": 2, "unsolved": 0, "unfinished": 1, "quarantined": 0}


GONE = {"cut": (Wire.cut, Wire.mend), "silent": (lambda wire: wire.frozen.set(), lambda wire: wire.frozen.clear())}


@pytest.mark.parametrize("how", GONE)
def test_a_network_that_goes_and_comes_back_costs_no_more_than_what_was_on_its_way(home, how):
    gone, back = GONE[how]
    with serving(latency_s=0.01) as server, Wire(server.port) as wire:
        settings = {"limits.identical_errors": 0, "limits.probe_s": 0.2, "retry.attempts": 1}
        arguments = remote(home, 60, server, **settings)
        arguments += [f"ladder.rungs.only.api_base={wire.url}/v1", "ladder.rungs.only.timeout_s=2"]
        process = home.start("run", *arguments)
        while sum(server.answered.values()) < 10:
            time.sleep(0.01)
            assert process.poll() is None, process.communicate()
        gone(wire)
        told = ""
        while "outages in a row" not in told:
            told = process.stderr.readline()
            assert process.poll() is None, told
        back(wire)
        _, err = process.communicate(timeout=60)
        assert (process.returncode, "Traceback" in err, "answers again" in err) == (3, False, True), err
        lost = 60 - home.summary()["counts"]["solved"]
        assert home.summary()["counts"] == {"solved": 60 - lost, "unsolved": 0, "unfinished": lost, "quarantined": 0}
        assert 3 <= lost <= 3 + 10, "the outages in a row, and the probes that failed"
        assert home.evalkit("run", *arguments).returncode == 0
    assert home.summary()["counts"]["solved"] == 60
    assert sum(server.answered.values()) <= 60 + 4, "answered, and the answer was lost on its way"
    assert recorded_once(home, 60)


def test_a_network_that_stays_away_stops_the_run_and_the_same_command_goes_on(home):
    with serving(latency_s=0.01) as server, Wire(server.port) as wire:
        settings = {"limits.probe_s": 0.05, "retry.attempts": 1}
        arguments = [*remote(home, 40, server, **settings), f"ladder.rungs.only.api_base={wire.url}/v1"]
        process = home.start("run", *arguments)
        while sum(server.answered.values()) < 10:
            time.sleep(0.01)
            assert process.poll() is None, process.communicate()
        wire.cut()
        _, err = process.communicate(timeout=60)
        assert (process.returncode, "Traceback" in err) == (3, False), err
        assert "the same error 5 times in a row" in err.splitlines()[-1]
        assert home.summary()["counts"]["unsolved"] == 0
        wire.mend()
        assert home.evalkit("run", *arguments).returncode == 0
    assert home.summary()["counts"]["solved"] == 40
    assert recorded_once(home, 40)
