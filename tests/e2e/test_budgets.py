"""Budgets through the command line: over a cap a run pauses with exit 5, and with a higher one it goes on."""

import json
import time

import pytest

from tests.servers.threaded import serving

LADDER = "rungs:\n  only: {{model: openai/m, attempts: 3, max_tokens: 10, api_base: '{url}/v1'{more}}}\n"
PRICE = ", price: {prompt: 1000000, completion: 1000000}"  # a dollar a token
SWEEP = "# @package _global_\nhydra:\n  mode: MULTIRUN\n  sweeper:\n    params:\n      seed: 1,2\n"


@pytest.fixture
def server():
    with serving() as state:
        yield state


@pytest.fixture
def settings(home, server):
    home.write("conf/ladder/mine.yaml", LADDER.format(url=server.url, more=PRICE))
    fixed = ["ladder=mine", "sandbox.seconds=5", "tracker=none", "limits.concurrency=3", "report_up_to=0"]
    return [*home.dataset(6), *fixed]


def last(told):
    return told.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize("case", [("calls=4", 4, "calls=8"), ("cost_usd=200", 2, "cost_usd=null")])
def test_over_a_cap_a_run_pauses_and_a_higher_one_lets_the_same_run_go_on(home, server, settings, case):
    cap, calls, raised = case
    server.usage = (60, 10)  # $70 a call
    first = home.evalkit("run", *settings, f"limits.{cap}")
    assert first.returncode == 5, first.stderr
    assert last(first).startswith(f"evalkit: paused: limits.{cap} ")
    assert last(first).endswith("raises it; then the same command continues")
    paid, summary = sum(server.answered.values()), home.summary()
    assert (summary["status"], summary["counts"]["unsolved"], summary["counts"]["solved"]) == ("paused", 0, paid)
    assert (paid, summary["cost_usd"], summary["failures"].keys()) == (calls, calls * 70, {"budget"})

    again = home.evalkit("run", *settings, f"limits.{cap}")  # what the journal holds counts as spent
    assert (again.returncode, sum(server.answered.values())) == (5, paid)

    end = home.evalkit("run", *settings, f"limits.{raised}")
    assert (end.returncode, len(home.runs), home.summary()["counts"]["solved"]) == (0, 1, 6), end.stderr
    assert max(server.answered.values()) == 1


def test_a_climb_over_its_budget_is_unfinished_and_goes_on_with_a_higher_one(home, server, settings):
    server.texts = {"i0": "wrong"}
    first = home.evalkit("run", *settings, "limits.instance.calls=1")
    assert (first.returncode, server.answered["i0"]) == (5, 1), first.stderr
    assert "1 unfinished climb, such as: limits.instance.calls=1 is reached; 1 call spent so far." in last(first)
    assert home.summary()["counts"] == {"solved": 5, "unsolved": 0, "unfinished": 1, "quarantined": 0}
    end = home.evalkit("run", *settings)
    assert (end.returncode, server.answered["i0"], len(home.runs)) == (0, 2, 1)
    assert home.summary()["counts"]["unsolved"] == 1


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (["limits.cost_usd=1", "~ladder.rungs.only.price"], "limits.cost_usd: what rung 'only' (openai/m) costs is un"),
        (["limits.on_quota=wat"], "on_quota is 'wat'; did you mean 'wait'?"),
        (["limits.instance.calls=-1"], "calls is -1; it must be at least 0, or null for no cap"),
        (["+limits.instance.cost=1"], "limits.instance.cost: unknown; did you mean 'cost_usd'?"),
    ],
)  # fmt: skip
def test_what_cannot_be_held_is_refused_before_anything_is_spent(home, server, settings, wrong, words):
    told = home.evalkit("run", *settings, *wrong)
    assert (told.returncode, words in told.stderr, server.answered.total()) == (2, True, 0), told.stderr
    assert "Traceback" not in told.stderr


def test_a_used_up_quota_pauses_the_run_and_the_same_command_goes_on(home, server, settings):
    server.quota_until = time.time() + 600
    first = home.evalkit("run", *settings)
    assert first.returncode == 5, first.stderr
    assert "rung only has no quota left: " in last(first)
    assert "(full again in 10 min)" in last(first)
    assert home.summary()["counts"]["unfinished"] == 6
    server.quota_until = 0
    assert home.evalkit("run", *settings).returncode == 0


def test_with_wait_the_run_sleeps_until_the_stated_reset(home, server, settings):
    server.quota_s = 3
    told = home.evalkit("run", *settings, "limits.on_quota=wait", "retry.timeout_s=1")
    assert (told.returncode, "(limits.on_quota=wait)" in told.stderr) == (0, True), told.stderr
    assert max(server.answered.values()) == 1


@pytest.fixture
def graded(home, server, settings):
    """The settings of a run whose answers another server grades, and that server; with `good` it is asked first."""

    def judged_by(grader, good=()):
        rule = {"id": "kind", "kind": "judge", "model": "openai/g", "prompt": "{prompt} Is it kind? {candidate}"}
        asked = {"params": {"api_base": f"{grader.url}/v1"}, "message": "Be kind."}
        rows = [{"id": f"i{n}", "prompt": f"Task {n}.", "rubric": {"rules": [rule | asked]}} for n in range(6)]
        rows[0]["good"] = list(good)
        home.write("tasks.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
        grader.texts = {f"i{n}": "VERDICT: yes" for n in range(6)}
        return [*settings, "verifier=rubric"]

    with serving() as grader:
        yield grader, lambda **more: judged_by(grader, **more)


def test_a_graders_quota_pauses_the_run_as_a_rungs_does_and_answers_wait_on_record(home, server, graded):
    grader, arguments = graded
    grader.quota_until = time.time() + 600
    first = home.evalkit("run", *arguments())
    assert first.returncode == 5, first.stderr
    assert f"grader openai/g at {grader.url}/v1 has no quota left: " in last(first)
    assert "(full again in 10 min)" in last(first)
    assert (home.summary()["counts"]["unfinished"], home.summary()["failures"]) == (6, {"quota": 6})
    grader.quota_until = 0
    end = home.evalkit("run", *arguments())
    assert (end.returncode, home.summary()["counts"]["solved"]) == (0, 6), end.stderr
    assert set(server.answered.values()) == set(grader.answered.values()) == {1}


@pytest.mark.parametrize("good", [(), ("right",)])
def test_with_wait_verdicts_wait_for_their_grader_also_before_the_first_climb(home, server, graded, good):
    grader, arguments = graded
    grader.quota_s = 2
    told = home.evalkit("run", *arguments(good=good), "limits.on_quota=wait", "retry.timeout_s=1")
    assert (told.returncode, told.stderr.count("(limits.on_quota=wait)")) == (0, 1), told.stderr
    assert home.summary()["counts"]["solved"] == 6
    assert set(server.answered.values()) == {1}
    assert sum(grader.answered.values()) == 6 + len(good)


def test_a_graders_quota_that_is_used_up_before_the_first_climb_pauses_it(home, server, graded):
    grader, arguments = graded
    grader.quota_until = time.time() + 600
    first = home.evalkit("run", *arguments(good=("right",)))
    assert (first.returncode, last(first).startswith("evalkit: paused: ")) == (5, True), first.stderr
    assert last(first).endswith("(full again in 10 min); then the same command continues")
    assert sum(server.answered.values()) == 0
    grader.quota_until = 0
    assert home.evalkit("run", *arguments(good=("right",))).returncode == 0


def test_a_sweeps_cap_holds_for_its_cells_together(home, server, settings):
    home.write("sweeps/seeds.yaml", SWEEP)
    first = home.evalkit("sweep", "seeds", *settings, "limits.sweep.calls=8")
    assert first.returncode == 5, first.stderr
    assert server.answered.total() == 8
    assert "limits.sweep.calls=8 is reached; 8 calls spent so far. limits.sweep.calls=16 raises it" in first.stderr
    end = home.evalkit("sweep", "seeds", *settings, "limits.sweep.calls=16")
    assert (end.returncode, server.answered.total()) == (0, 12), end.stderr
    spent = json.loads(next(home.path.glob("mlruns/sweeps/*/budget.json")).read_text())
    assert sorted(share["spent"]["calls"] for share in spent.values()) == [6, 6]
