"""evalkit ramp, as a user starts it: phases, gates, what is frozen and recorded, and that nothing is paid twice."""

import json
import signal
import sqlite3
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass

import jsonschema
import msgspec
import pytest

from evalkit.cli import main
from evalkit.cli.hydra_app import composed, options
from evalkit.core.phase import PhaseResults
from evalkit.core.ramp import planned
from evalkit.places import PACKAGE
from evalkit.settings import RampSettings, read
from tests.e2e.command import SECRET
from tests.e2e.test_run import remote
from tests.servers.threaded import serving

PHASES = ["ramp.phases.p30.size=12", "~ramp.phases.p100", "~ramp.phases.p300"]  # 5, 10, 12
QUICK = ["tracker=none", "sandbox=unconfined"]


@dataclass
class Ended:
    """As a process ends."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def evalkit(home, monkeypatch, capsys):
    """The command line in this process: each one of its own would load litellm again, for seconds."""
    monkeypatch.setenv("EVALKIT_HOME", str(home.path))
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    monkeypatch.chdir(home.path)

    def run(*args):
        capsys.readouterr()
        code = main([str(one) for one in args])
        out, err = capsys.readouterr()
        return Ended(code, out, err)

    return run


@pytest.fixture
def ladder(home):
    """A ladder by the words that its script answers; the words' instances default to right."""

    def written(name, default="right", **answers):
        script = {"default": default, "instances": answers}
        home.write(f"{name}.yaml", json.dumps(script))
        rungs = {"only": {"model": f"scripted/{name}.yaml", "attempts": 1, "temperature": 0.5}}
        home.write(f"conf/ladder/{name}.yaml", json.dumps({"rungs": rungs}))
        return f"ladder={name}"

    return written


def the_ramp(home):
    (folder,) = home.path.glob("mlruns/ramps/*")
    return folder


def phase(folder, number):
    return json.loads((folder / f"phase_{number}_results.json").read_text())


def history(home, run_id, metric):
    """(step, value)s as the store has them."""
    with closing(sqlite3.connect(home.path / "mlruns" / "mlflow.db")) as store:
        told = "SELECT step, value FROM metrics WHERE run_uuid = ? AND key = ? ORDER BY step"
        return store.execute(told, (run_id, metric)).fetchall()


def records(run):
    return [json.loads(line)["record"]["key"] for line in (run / "journal.jsonl").open()]


@pytest.mark.slow
def test_a_ramp_leaves_what_the_interface_names_and_the_same_command_again_does_nothing(home, ladder):
    wrong = {f"i{n}": "wrong" for n in (3, 7)}
    command = ["ramp", *home.dataset(14), ladder("mine", **wrong), *PHASES, "~ramp.phases.p5", "sandbox=unconfined"]
    first = home.evalkit(*command)
    assert (first.returncode, "Traceback" in first.stderr) == (0, False), first.stderr
    folder = the_ramp(home)
    schema = json.loads((PACKAGE / "schemas" / "phase.json").read_text())
    for number in (1, 2):
        jsonschema.Draft202012Validator(schema).validate(phase(folder, number))
    last = phase(folder, 2)
    assert (last["phase"], last["config"]["model"], last["config"]["attempts_max"]) == (2, "scripted/mine.yaml", 10)
    assert (last["summary"]["total"], last["gate"]["decision"], last["gate"]["rule"]) == (12, "continue", "bound")
    assert phase(folder, 1)["gate"]["rule"] == "health"

    drawn = [one["id"] for one in json.loads((folder / "sample.json").read_text())["instances"]]
    for number, size in ((1, 10), (2, 12)):
        assert {row["instance_id"] for row in phase(folder, number)["results"]} == set(drawn[:size])
    assert "smallest difference that so many show" in first.stdout
    assert first.stdout.count("next: ") == 2

    listed = json.loads(home.evalkit("runs", "--format", "json").stdout)
    assert Counter(row["kind"] for row in listed) == {"phase": 2, "ramp": 1}
    (summary,) = [row for row in listed if row["kind"] == "ramp"]
    assert (summary["status"], summary["simulated"], summary["key"]) == ("complete", True, folder.name)
    tags = [json.loads((run / "record.json").read_text())["tags"] for run in home.runs]
    assert {tag["evalkit.ramp"] for tag in tags} == {summary["id"]}
    artifacts = {path.name for path in home.path.glob(f"mlruns/artifacts/{summary['id']}/artifacts/*")}
    assert artifacts >= {"sample.json", "phase_1_results.json", "phase_2_results.json", "summary.json"}

    points = history(home, summary["id"], "ramp.solved_rate")
    assert points == [(number, phase(folder, index)["gate"]["value"]) for index, number in ((1, 10), (2, 12))]

    before = {path: path.stat().st_mtime_ns for path in (home.path / "mlruns").rglob("*.json")}
    again = home.evalkit(*command)
    assert (again.returncode, again.stdout) == (0, first.stdout)
    told = json.loads(home.evalkit(*command, "--format", "json").stdout)
    assert told["phases"] == [phase(folder, 1), phase(folder, 2)]
    assert {path: path.stat().st_mtime_ns for path in (home.path / "mlruns").rglob("*.json")} == before


def test_the_schema_is_that_of_the_phases():
    made = json.loads(json.dumps(msgspec.json.schema(PhaseResults)))
    shipped = json.loads((PACKAGE / "schemas" / "phase.json").read_text())
    assert {key: shipped[key] for key in made} == made


@pytest.mark.slow
def test_kill_9_in_the_middle_of_phase_3_repeats_at_most_the_calls_in_flight(home):
    with serving(latency_s=0.05) as server:
        command = ["ramp", *remote(home, 40, server), *PHASES, "ramp.phases.p30.size=40", *QUICK]
        process = home.start(*command)
        while sum(server.answered.values()) < 20:
            time.sleep(0.01)
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
        sample = (the_ramp(home) / "sample.json").read_bytes()
        asked = sum(server.answered.values())
        assert {path.name for path in the_ramp(home).glob("phase_*")} == {
            "phase_1_results.json",
            "phase_2_results.json",
        }
        last = home.evalkit(*command)
        assert last.returncode == 0, last.stderr
        assert sum(server.answered.values()) <= 40 + 4  # four climb at once
        assert sum(server.answered.values()) - asked <= 40 - 10
    assert (the_ramp(home) / "sample.json").read_bytes() == sample
    assert phase(the_ramp(home), 3)["summary"]["verified"] == 40
    (largest,) = [run for run in home.runs if len(records(run)) == 1 + 2 * 40]
    assert len(set(records(largest))) == 1 + 2 * 40


def test_a_ramp_asks_each_instance_once_though_the_phases_overlap(home, evalkit):
    with serving() as server:
        found = evalkit("ramp", *remote(home, 12, server), *PHASES, *QUICK)
        assert found.returncode == 0, found.stderr
        assert set(server.answered.values()) == {1}
        assert sum(server.answered.values()) == 12


def test_a_gate_that_says_stop_ends_with_4_and_a_change_is_tried_on_the_failed_ones_first(home, evalkit, ladder):
    data = home.dataset(40)
    stopping = [*data, "ramp.phases.p30.size=20", "~ramp.phases.p100", "~ramp.phases.p300", "ramp.gate.stop_below=0.5"]
    found = evalkit("ramp", *stopping, ladder("weak", "wrong", i0="right"), *QUICK)
    assert (found.returncode, "Traceback" in found.stderr) == (4, False)
    assert "the gate said stop after phase 3" in found.stderr
    assert "upper bound" in found.stderr
    assert "ramp.retry=failed" in found.stderr
    weak = the_ramp(home)
    assert phase(weak, 3)["gate"]["decision"] == "stop"
    failed = {row["instance_id"] for row in phase(weak, 3)["results"] if not row["verified"]}

    unchanged = evalkit("ramp", *stopping, "ladder=weak", "ramp.retry=failed", *QUICK)
    assert (unchanged.returncode, "nothing was changed since" in unchanged.stderr) == (2, True)

    strong = ladder("strong", i1="wrong")
    retry = evalkit("ramp", *stopping, strong, "ramp.retry=failed", *QUICK)
    assert retry.returncode == 0, retry.stderr
    (again,) = [path for path in home.path.glob("mlruns/ramps/*") if path != weak]
    gained = phase(again, 3)["retry"]
    assert {row["instance_id"] for row in phase(again, 3)["results"]} == failed
    assert (gained["of"], gained["mode"], gained["shared"]) == (weak.name, "failed", len(failed))
    assert gained["after"] == len(failed - {"i1"})
    assert gained["conclusion"] is None
    assert "part of it is chance" in retry.stdout

    whole = evalkit("ramp", *stopping, strong, "ramp.retry=all", *QUICK)
    assert whole.returncode == 0, whole.stderr
    assert "exact McNemar: better" in whole.stdout
    assert "20 instances" in whole.stdout


def test_what_a_retry_paid_for_the_ramp_does_not_pay_again_and_invariant_8_holds(home, evalkit, ladder):
    sizes = ["ramp.phases.p5.size=4", "~ramp.phases.p10", "~ramp.phases.p30", "~ramp.phases.p100", "~ramp.phases.p300"]
    evalkit("ramp", *home.dataset(8), ladder("scripted"), *sizes, *QUICK)
    with serving() as server:
        there = [*remote(home, 8, server), *sizes, *QUICK]
        simulated = evalkit("ramp", *there, "ramp.retry=all")
        assert (simulated.returncode, "no ramp on this dataset that is live" in simulated.stderr) == (2, True)
        assert evalkit("ramp", *there).returncode == 0
        assert sum(server.answered.values()) == 4
        changed = [*there, "ladder.rungs.only.temperature=0.5"]
        assert evalkit("ramp", *changed, "ramp.retry=all").returncode == 0
        assert sum(server.answered.values()) == 8
        assert evalkit("ramp", *changed, "ramp.phases.p5.size=6").returncode == 0
        assert sum(server.answered.values()) == 10


def test_invariant_1_a_gate_refuses_a_phase_with_unfinished_instances_and_the_same_command_goes_on(home, evalkit):
    with serving() as server:
        command = ["ramp", *remote(home, 12, server), *PHASES, *QUICK]
        server.broken = {f"i{n}" for n in range(12)}
        first = evalkit(*command, "limits.identical_errors=0")
        assert (first.returncode, "the gate refused phase 1" in first.stderr) == (3, True)
        assert (len(home.runs), "5 of 5 climbs are unfinished" in first.stderr) == (1, True)
        gate = phase(the_ramp(home), 1)["gate"]
        assert (gate["decision"], gate["rule"], gate["value"]) == ("stop", "unfinished", None)
        server.broken = set()
        second = evalkit(*command, "limits.identical_errors=0")
        assert second.returncode == 0, second.stderr
        assert (len(home.runs), set(server.answered.values())) == (3, {1})
    assert phase(the_ramp(home), 1)["gate"]["rule"] == "health"


def test_a_phase_without_a_healthy_instance_is_for_the_gate_to_stop(home, evalkit, ladder):
    data = home.dataset(12)
    rows = [json.loads(line) | {"good": ["wrong"]} for line in (home.path / "tasks.jsonl").open()]
    home.write("tasks.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    found = evalkit("ramp", *data, ladder("mine"), *PHASES, *QUICK)
    assert (found.returncode, "all are quarantined" in found.stderr) == (4, True), found.stderr


def test_another_threshold_decides_anew_on_what_is_recorded(home, evalkit):
    with serving() as server:
        there = [*remote(home, 30, server), "~ramp.phases.p5", "~ramp.phases.p10", *QUICK]
        assert "gate (bound): good" in evalkit("ramp", *there).stdout
        asked = dict(server.answered)
        higher = evalkit("ramp", *there, "ramp.gate.good_above=0.9")
        assert "gate (bound): continue" in higher.stdout
        assert server.answered == asked
    assert len(list(home.path.glob("mlruns/ramps/*"))) == 2
    assert len(home.runs) == 1


def test_half_of_the_sample_climbs_each_of_two_ladders(home, evalkit, ladder):
    ladder("weak", "wrong")
    ladder("strong")
    shares = ["++ramp.shares.weak=0.5", "++ramp.shares.strong=0.5"]
    found = evalkit("ramp", *home.dataset(14), *PHASES, *shares, *QUICK)
    assert found.returncode == 0, found.stderr
    last = phase(the_ramp(home), 3)
    assert last["summary"]["by_ladder"] == {
        "strong": {"total": 6, "verified": 6, "success_rate": 1.0},
        "weak": {"total": 6, "verified": 0, "success_rate": 0.0},
    }
    assert last["summary"]["success_rate"] == 0.5
    assert len(home.runs) == 6
    summary = json.loads((the_ramp(home) / "summary.json").read_text())
    assert (summary["counts"]["solved"], summary["ladder"]) == (6, "weak | strong")
    assert summary["name"] == "ramp-weak-strong-tasks"
    assert {row["name"] for row in summary["by_rung"]} == {"weak.only", "strong.only"}


BAD = {
    "too small a dataset": (["dataset.path=tasks.jsonl"], 3, "set ramp.phases.p5.size=3"),
    "an unknown phase": (["ramp.phases.p31.size=4"], 12, "Did you mean 'ramp.phases.p30.size'"),
    "an unknown rule": (["ramp.gate.rule=bonud"], 12, "one of health, point, bound"),
    "an unknown option": (["ramp=smal"], 12, "Did you mean 'small'"),
    "an unknown ladder in shares": (["++ramp.shares.nothing=1"], 12, "nothing"),
    "a retry of nothing": (["ramp.retry=all"], 12, "climb one first"),
    "a retry of what is not there": (["ramp.retry=all", "ramp.of=abc"], 12, "no ramp 'abc'"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_ends_with_2_and_a_line_that_helps_before_anything_is_spent(home, evalkit, ladder, case):
    overrides, count, says = BAD[case]
    found = evalkit("ramp", *home.dataset(count), ladder("mine"), *overrides, *QUICK)
    assert (found.returncode, "Traceback" in found.stderr, says in found.stderr) == (2, False, True), found.stderr
    assert home.runs == []


def test_invariant_7_a_sample_that_was_edited_is_refused(home, evalkit, ladder):
    command = ["ramp", *home.dataset(12), ladder("mine"), *PHASES, *QUICK]
    evalkit(*command)
    sample = the_ramp(home) / "sample.json"
    content = json.loads(sample.read_text())
    content["instances"].reverse()
    sample.write_text(json.dumps(content))
    found = evalkit(*command)
    assert (found.returncode, "was changed after it was frozen" in found.stderr) == (2, True)


def test_help_config_and_completion_are_those_of_the_ramp(home):
    shown = home.evalkit("ramp", "--help").stdout
    assert "example: evalkit ramp" in shown
    assert "p300" in home.evalkit("ramp", "--cfg", "job").stdout
    line = "evalkit ramp ramp.gate.stop_b"
    found = home.evalkit("-sc", "query=bash", COMP_LINE=line, COMP_POINT=str(len(line)))
    assert "ramp.gate.stop_below=" in found.stdout.split()


@pytest.mark.parametrize("option", options("ramp"))
def test_every_option_composes_and_its_phases_fit_a_large_dataset(option):
    found = read(composed([f"ramp={option}"], "ramp").config, RampSettings)
    assert [one.size for one in planned(found.ramp, 300)][:2] == [5, 10]


def test_the_ladder_of_three_failures_goes_on_after_three():
    found = read(composed(["ladder=fallback"]).config)
    assert [rung.attempts for rung in found.ladder.rungs.values()] == [3, 3, 4]
    assert found.max_attempts == 10


@pytest.mark.weights
@pytest.mark.slow
def test_the_smallest_real_model_climbs_a_ramp(home):
    """What it solves is luck; that each instance gets a verdict, and each phase a decision, is not."""
    sizes = ["ramp.phases.p5.size=2", "ramp.phases.p10.size=4", "~ramp.phases.p20", "ramp.gate.unhealthy_most=1"]
    settings = ["ladder.rungs.smollm.max_tokens=24", "ladder.rungs.smollm.attempts=1", "tracker=none"]
    done = home.evalkit("ramp", "ladder=smallest", "dataset=starter", "ramp=small", *sizes, *settings)
    assert done.returncode == 0, done.stdout + done.stderr
    for number, size in ((1, 2), (2, 4)):
        found = phase(the_ramp(home), number)
        assert (found["summary"]["total"], found["simulated"], found["gate"]["rule"]) == (size, False, "health")
