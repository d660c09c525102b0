"""evalkit run, as a user starts it: what it leaves behind, how it goes on, and what it says."""

import json
import signal
import time

import jsonschema
import msgspec
import pytest

from evalkit.core.summary import Summary
from evalkit.places import PACKAGE
from tests.e2e.command import SECRET
from tests.servers.threaded import serving

LADDER = """
rungs:
  small: {model: scripted/small.yaml, attempts: 2}
  big: {model: scripted/big.yaml, attempts: 2, temperature: 0.5, on: {rule_violation: retry}}
"""
SMALL = """
default: wrong
instances:
  i0: right
  i1: [wrong, right]
  i2: ["", wrong]
"""
BIG = """
default: [wrong, wrong, the right word]
instances: {i3: [wrong, wrong, never, never]}
"""


@pytest.fixture
def scripted(home):
    home.write("conf/ladder/mine.yaml", LADDER)
    home.write("small.yaml", SMALL)
    home.write("big.yaml", BIG)
    return [*home.dataset(5), "ladder=mine", "sandbox.seconds=5", "tracker=none"]


@pytest.fixture
def tracked(scripted):
    """With MLflow, which takes seconds to load: for what it shows."""
    return [setting for setting in scripted if setting != "tracker=none"]


def test_a_run_leaves_what_the_interface_names_and_the_same_command_again_does_nothing(home, tracked):
    first = home.evalkit("run", *tracked)
    assert (first.returncode, first.stderr.count("Traceback")) == (0, 0)
    assert "solved 4 of 5" in first.stdout
    assert "simulated" in first.stdout

    (run,) = home.runs
    made = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
    assert made >= {
        "config.yaml", "lock.json", "journal.jsonl", "summary.json", "rubric.yaml",
        "instances/i0/attempt_1.txt", "instances/i0/attempt_1.json", "instances/i0/summary.json",
        "instances/i3/attempt_4.txt",
    }  # fmt: skip
    assert (run / "instances/i4/attempt_3.txt").read_text() == "the right word"
    attempt = json.loads((run / "instances/i2/attempt_1.json").read_text())
    assert (attempt["rung"], attempt["failure"], attempt["accepted"]) == ("small", "empty_response", False)

    summary = home.summary()
    schema = json.loads((PACKAGE / "schemas" / "summary.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(summary)
    assert summary["counts"] == {"solved": 4, "unsolved": 1, "unfinished": 0, "quarantined": 0}
    assert summary["simulated"] is True
    assert {row["name"]: row["solved"] for row in summary["by_rung"]} == {"small": 2, "big": 2}
    needed = {row["instance_id"]: row["attempts_needed"] for row in summary["instances"]}
    assert needed == {"i0": 1, "i1": 2, "i2": 3, "i3": None, "i4": 3}

    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    again = home.evalkit("run", *tracked)
    assert (again.returncode, "complete already" in again.stdout) == (0, True)
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before


def test_the_summary_schema_is_the_summarys():
    made = json.loads(json.dumps(msgspec.json.schema(Summary)))
    shipped = json.loads((PACKAGE / "schemas" / "summary.json").read_text())
    assert {key: shipped[key] for key in made} == made


def test_a_changed_config_is_another_run_and_a_user_can_compare_the_two(home, scripted):
    assert home.evalkit("run", *scripted, "name=whole").returncode == 0
    assert home.evalkit("run", *scripted, "name=one", "max_attempts=1").returncode == 0
    assert len(home.runs) == 2
    found = home.evalkit("compare", "one", "whole", "--format", "json")
    (comparison,) = json.loads(found.stdout)["comparisons"]
    assert (comparison["both"], comparison["only_a"], comparison["only_b"], comparison["neither"]) == (1, 0, 3, 1)
    assert comparison["conclusion"] == "cannot_show"
    shown = home.evalkit("compare", "one", "whole")
    assert "uplift B - A: +60 points (95 % " in shown.stdout


def test_outages_leave_instances_unfinished_and_the_same_command_tries_only_them_again(home):
    with serving() as server:
        server.broken = {"i1"}
        arguments = remote(home, 4, server)
        first = home.evalkit("run", *arguments)
        assert first.returncode == 3
        assert "1 unfinished; the same command tries them again" in first.stderr
        assert home.summary()["counts"] == {"solved": 3, "unsolved": 0, "unfinished": 1, "quarantined": 0}
        server.broken = set()
        second = home.evalkit("run", *arguments)
        assert second.returncode == 0
        assert home.summary()["counts"]["solved"] == 4
        assert {name: server.answered[name] for name in ("i0", "i1", "i2", "i3")} == dict.fromkeys(
            ("i0", "i1", "i2", "i3"), 1
        )


def remote(home, count, server, **more):
    home.write(
        "conf/ladder/remote.yaml",
        f"rungs: {{only: {{model: openai/m, api_base: '{server.url}/v1', attempts: 1, timeout_s: 20}}}}\n",
    )
    settings = {"limits.concurrency": 4, "retry.attempts": 2, "retry.wait_initial_s": 0.01} | more
    settings = {"tracker": "none"} | settings
    return [*home.dataset(count), "ladder=remote", *(f"{key}={value}" for key, value in settings.items())]


@pytest.mark.slow
def test_kill_9_loses_nothing_recorded_and_repeats_at_most_the_calls_in_flight(home):
    """With processes as users start them; test_faults_machine.py kills at many more moments."""
    with serving(latency_s=0.05) as server:
        arguments = remote(home, 60, server)
        process = home.start("run", *arguments)
        while sum(server.answered.values()) < 13:
            time.sleep(0.01)
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
        journal = (home.runs[0] / "journal.jsonl").read_bytes()
        last = home.evalkit("run", *arguments)
        assert last.returncode == 0
        assert (home.runs[0] / "journal.jsonl").read_bytes().startswith(journal[: journal.rfind(b"\n") + 1])
        assert home.summary()["counts"]["solved"] == 60
        assert sum(server.answered.values()) <= 60 + 4
        recorded = [json.loads(line)["record"]["key"] for line in (home.runs[0] / "journal.jsonl").open()]
        assert len(recorded) == len(set(recorded)) == 1 + 2 * 60


def test_ctrl_c_stops_with_130_and_the_same_command_continues(home):
    with serving(latency_s=0.2) as server:
        arguments = remote(home, 12, server)
        process = home.start("run", *arguments)
        while sum(server.answered.values()) < 4:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 130
        assert "the same command continues" in err
        assert "Traceback" not in err
        assert home.summary()["status"] == "paused"
        assert home.evalkit("run", *arguments).returncode == 0
        assert home.summary()["counts"]["solved"] == 12
        assert sum(server.answered.values()) <= 12 + 4


def test_invariant_12_no_file_holds_the_key_also_where_the_server_repeats_it(home):
    with serving() as server:
        server.broken = {"i1"}
        server.says = f"bad key Bearer {SECRET}"
        home.evalkit("run", *remote(home, 3, server, tracker="local"))
    assert server.keys == {f"Bearer {SECRET}"}
    holding = [path for path in home.path.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    assert holding == []


def test_two_processes_on_one_run_are_refused(home):
    with serving() as server:
        arguments = remote(home, 8, server)
        server.hold = {"i7"}
        process = home.start("run", *arguments)
        while not server.held:
            time.sleep(0.01)
        second = home.evalkit("run", *arguments)
        server.hold = set()
        process.communicate(timeout=60)
    assert second.returncode == 2
    assert "another evalkit process works on this run" in second.stderr
    assert process.returncode == 0


BAD = {
    "an unknown option": (["ladder=lokal"], "Did you mean 'local'"),
    "an unknown key": (["max_atempts=2"], "Did you mean 'max_attempts'"),
    "an unknown provider": (["ladder.rungs.only.model=opnai/gpt"], "openai"),
    "no model of that name here": (["ladder.rungs.only.model=local/smollm2-135n"], "smollm2-135m"),
    "a server that is not there": (["++ladder.rungs.only.api_base=http://127.0.0.1:9/v1"], "127.0.0.1:9"),
    "a dataset that is not there": (["dataset.path=nothing.jsonl"], "nothing.jsonl"),
    "a sample that is too large": (["sample.size=500"], "sample"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_ends_with_2_and_a_line_that_helps_before_anything_is_spent(home, case):
    overrides, says = BAD[case]
    home.write("conf/ladder/remote.yaml", "rungs: {only: {model: openai/m, attempts: 1}}\n")
    found = home.evalkit("run", *home.dataset(2), "ladder=remote", "tracker=none", *overrides)
    assert (found.returncode, "Traceback" in found.stderr) == (2, False)
    assert says in found.stderr
    assert home.runs == []


def test_a_missing_key_is_found_before_the_first_instance(home):
    home.write("conf/ladder/remote.yaml", "rungs: {only: {model: openai/m}}\n")
    found = home.evalkit("run", *home.dataset(2), "ladder=remote", "tracker=none", OPENAI_API_KEY="")
    assert (found.returncode, "OPENAI_API_KEY" in found.stderr) == (2, True)


def test_a_dataset_with_five_faults_reports_all_five(home):
    good = {
        "id": "a",
        "prompt": "p",
        "rubric": {"rules": [{"id": "r", "kind": "regex", "pattern": "x", "message": "m"}]},
    }
    faulty = [
        {**good, "id": "a/b"},
        {**good, "id": "c", "promt": "p"},
        {"id": "d", "prompt": "p"},
        {**good, "id": "e", "rubric": {"rules": [{"id": "r", "kind": "regx", "pattern": "x", "message": "m"}]}},
        {**good, "id": "f", "rubric": {"rules": [{"id": "r", "kind": "regex", "pattern": "(", "message": "m"}]}},
    ]
    home.write("tasks.jsonl", "".join(json.dumps(row) + "\n" for row in faulty))
    found = home.evalkit("run", "dataset=jsonl", "dataset.path=tasks.jsonl", "ladder=scripted", "tracker=none")
    assert found.returncode == 2
    assert all(f"tasks.jsonl:{line}" in found.stderr for line in range(1, 6))


def test_attempts_that_no_rung_makes_are_told(home, scripted):
    found = home.evalkit("run", *scripted, "max_attempts=5")
    assert "max_attempts=5 changes nothing: the rungs make 4 at most; ladder.rungs.big.attempts=3" in found.stderr
    assert "max_attempts" not in home.evalkit("run", *scripted, "max_attempts=1").stderr


def test_invariant_5_an_instance_whose_good_answer_fails_is_quarantined_and_shown(home, scripted):
    rows = [json.loads(line) for line in (home.path / "tasks.jsonl").open()]
    rows[0]["good"] = ["wrong"]
    home.write("tasks.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    found = home.evalkit("run", *scripted)
    assert "quarantined: i0" in found.stderr
    assert "not counted: 1 quarantined" in found.stdout
    assert home.summary()["counts"] == {"solved": 3, "unsolved": 1, "unfinished": 0, "quarantined": 1}
    again = home.evalkit("run", *scripted)  # what kept it out may be mended by now
    assert "quarantined: i0" in again.stderr
    assert "nothing to do" not in again.stdout
    assert home.summary()["counts"] == {"solved": 3, "unsolved": 1, "unfinished": 0, "quarantined": 1}


def test_a_run_without_a_healthy_instance_ends_with_2_before_a_model_is_asked(home, scripted):
    rows = [json.loads(line) | {"good": ["wrong"]} for line in (home.path / "tasks.jsonl").open()]
    home.write("tasks.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    for _ in range(2):  # the same again: no half a run is left behind that would count as complete
        found = home.evalkit("run", *scripted)
        assert found.returncode == 2, found.stderr
        last = found.stderr.strip().splitlines()[-1]
        assert "none of the 5 instances is healthy: good answer 1 is rejected" in last
        assert "`evalkit dataset check`" in last
        assert "solved" not in found.stdout


def test_invariant_11_a_run_without_a_sandbox_says_so_and_is_tagged(home, scripted):
    found = home.evalkit("run", *scripted, "sandbox=unconfined")
    assert "UNCONFINED" in found.stderr
    assert "unconfined" in found.stdout
    record = json.loads((home.runs[0] / "record.json").read_text())
    assert record["tags"]["evalkit.sandbox"] == "unconfined"


def test_invariant_8_a_simulated_run_is_not_compared_with_a_live_one_unless_asked_for(home, scripted):
    home.evalkit("run", *scripted, "name=scripted")
    with serving() as server:
        home.evalkit("run", *remote(home, 5, server), "name=live")
    refused = home.evalkit("compare", "scripted", "live")
    assert (refused.returncode, "simulated" in refused.stderr) == (2, True)
    allowed = json.loads(home.evalkit("compare", "scripted", "live", "--allow-simulated", "--format", "json").stdout)
    assert allowed["allow_simulated"] is True


def test_a_finished_run_takes_another_name_without_being_run_again(home, tracked):
    home.evalkit("run", *tracked, "name=first")
    again = home.evalkit("run", *tracked, "name=second")
    assert "complete already" in again.stdout
    (listed,) = json.loads(home.evalkit("runs", "--format", "json").stdout)
    assert (listed["name"], listed["simulated"]) == ("second", True)
    assert home.evalkit("compare", listed["key"][:8], listed["id"][:8]).returncode == 0


def test_a_template_that_does_not_fit_is_found_before_the_first_call(home, scripted):
    home.write(
        "conf/strategy/broken.yaml", "defaults: [direct]\nuser: '{% if attempt > 1 %}{{ nothing }}{% endif %}'\n"
    )
    found = home.evalkit("run", *scripted, "strategy=broken")
    assert (found.returncode, "'nothing' is undefined" in found.stderr) == (2, True)


def test_an_unwritable_home_is_said_at_once(home, scripted):
    home.write("mlruns", "a file in the way")
    found = home.evalkit("run", *scripted)
    assert found.returncode in (2, 3)
    assert "mlruns" in found.stderr
    assert "Traceback" not in found.stderr


@pytest.mark.weights
def test_the_smallest_real_model_climbs(home):
    found = home.evalkit(
        "run", "ladder=smallest", "dataset=starter", "sample.size=2", "ladder.rungs.smollm.max_tokens=48"
    )
    assert found.returncode == 0, found.stderr
    summary = home.summary()
    assert (summary["simulated"], summary["counts"]["unfinished"]) == (False, 0)
    assert summary["by_rung"][0]["attempts"] == 2
    assert summary["tokens"]["completion"] > 0
    assert summary["cost_usd"] == 0
