"""A rung that the policy gives up is left alone by the whole run, and by the session that resumes it."""

import time

import pytest

from evalkit.adapters.jsonl_journal import JsonlJournal
from evalkit.core.errors import ProviderServerError
from evalkit.core.failure import Failure
from evalkit.core.ladder import Ladder, Rung
from evalkit.core.types import Completion
from evalkit.run.evaluate import Climb, Evaluation, Plan
from tests.run.builders import FunctionModel, PlainStrategy, WordVerifier, instances
from tests.run.test_evaluate import FACTS

EMPTY = Completion("", cost_usd=0.5, failure=Failure.EMPTY_RESPONSE)


def ladder(policy):
    return Ladder({"small": Rung("scripted/a", attempts=2, on=policy), "big": Rung("scripted/b")})


async def session(journal, small, big, *, policy, count=6, concurrency=1, lone=False):
    climbing = ladder(policy)
    if lone:
        del climbing.rungs["big"]
    climb = Climb(climbing, 10, {"small": small, "big": big}, PlainStrategy(), WordVerifier(), journal)
    evaluation = Evaluation(Plan(instances(count), 1, concurrency, 0, {}), climb, [])
    await evaluation.run()
    return evaluation.summary(FACTS, since=time.perf_counter())


def right(_prompt):
    return "right"


def empty_on(name):
    return lambda prompt: EMPTY if prompt.instance_id == name else "right"


@pytest.fixture
def opened(tmp_path):
    """A journal on disk, opened anew as the next session opens it."""
    journals = []

    def open_it():
        for journal in journals:
            journal.close()
        journals.append(JsonlJournal(tmp_path / "journal.jsonl", "run"))
        return journals[-1]

    yield open_it
    journals[-1].close()


SKIP = {"empty_response": "skip"}


async def test_a_rung_that_was_given_up_is_asked_by_no_climb_any_more(opened):
    small, big = FunctionModel(empty_on("i2")), FunctionModel(right)
    summary = await session(opened(), small, big, policy=SKIP)
    assert (small.calls, big.calls, summary.counts["solved"], summary.status) == (3, 4, 6, "complete")
    (why,) = summary.skipped_rungs.values()
    assert why == "given up for the whole run after empty_response on 'i2', by the policy {empty_response: skip}"
    assert [row.rung for row in summary.instances] == ["small", "small", "big", "big", "big", "big"]
    assert summary.failures == {"empty_response": 1}
    assert [rung.attempts for rung in summary.by_rung] == [3, 4]


async def test_a_resumed_run_knows_it_and_decides_as_the_first_session_did(opened):
    outage = {"i0", "i4"}  # i0 comes first again, before i2 is recalled

    def big_at_first(prompt):
        return ProviderServerError("down") if prompt.instance_id in outage else "right"

    def small_at_first(prompt):
        return ProviderServerError("down") if prompt.instance_id == "i0" else empty_on("i2")(prompt)

    first = await session(opened(), FunctionModel(small_at_first), FunctionModel(big_at_first), policy=SKIP)
    assert first.counts["unfinished"] == 2
    small, big = FunctionModel(right), FunctionModel(right)
    second = await session(opened(), small, big, policy=SKIP)
    assert (small.calls, big.calls, second.counts["solved"], second.status) == (0, 2, 6, "complete")
    third = await session(opened(), small, big, policy=SKIP)
    assert (small.calls, big.calls, third.instances) == (0, 2, second.instances)


async def test_what_a_climb_had_recorded_on_the_rung_stays_as_it_was(opened):
    """i1 is asked on the rung, its verdict fails; then i2 gives the rung up; i1 is judged on what was recorded."""
    journal = opened()
    broken = WordVerifier(fault=lambda found: ProviderServerError("down") if "second" in found.text else None)
    answers = {"i1": "right second", "i2": EMPTY}
    small = FunctionModel(lambda prompt: answers.get(prompt.instance_id, "right"))
    climb = Climb(ladder(SKIP), 10, {"small": small, "big": FunctionModel(right)}, PlainStrategy(), broken, journal)
    await Evaluation(Plan(instances(4), 1, 1, 0, {}), climb, []).run()
    small = FunctionModel(right)
    summary = await session(opened(), small, FunctionModel(right), policy=SKIP, count=4)
    assert (small.calls, [row.rung for row in summary.instances]) == (0, ["small", "small", "big", "big"])


async def test_a_failure_of_the_verdict_gives_a_rung_up_too(opened):
    small = FunctionModel(lambda prompt: "wrong" if prompt.instance_id == "i0" else "right")
    summary = await session(opened(), small, FunctionModel(right), policy={"rule_violation": "skip"}, concurrency=3)
    assert small.calls <= 3  # those in flight at the verdict
    assert (summary.counts["solved"], summary.by_rung[1].attempts) == (6, 7 - small.calls)


async def test_other_failures_give_nothing_up(opened):
    small = FunctionModel(lambda prompt: "wrong")
    summary = await session(opened(), small, FunctionModel(right), policy=SKIP)
    assert (small.calls, summary.skipped_rungs) == (12, {})


async def test_a_climb_whose_every_rung_was_given_up_is_unfinished_and_says_why(opened):
    first = await session(opened(), FunctionModel(empty_on("i2")), FunctionModel(right), policy=SKIP, lone=True)
    assert (first.counts["solved"], first.counts["unsolved"], first.counts["unfinished"]) == (2, 1, 3)
    assert "not the 3 whose every rung was given up: mend the policy `on`" in first.why
    assert {row.error_type for row in first.instances if row.status == "unfinished"} == {"rung_skipped"}
