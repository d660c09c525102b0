"""One run over many instances: what is counted as what."""

import asyncio
import time

import pytest

from evalkit.core.errors import GraderError, ProviderServerError, RateLimitError, StorageError
from evalkit.core.failure import Failure
from evalkit.core.summary import DatasetFacts, Facts
from evalkit.core.types import Completion
from evalkit.run.alarm import fingerprint
from evalkit.run.evaluate import Climb, Evaluation, Plan
from tests.run.builders import FunctionModel, Memory, PlainStrategy, WordVerifier, instances, rungs

FACTS = Facts("k", "n", DatasetFacts("d", "x", 0), "ladder", simulated=False, tags={})


async def evaluate(
    model,
    *,
    count=6,
    journal=None,
    concurrency=2,
    observers=(),
    quarantined=None,
    epochs=1,
    identical=3,
    verifier=None,
):
    ladder = rungs(only=2)
    plan = Plan(instances(count), epochs, concurrency, identical, quarantined or {})
    climb = Climb(ladder, 10, {"only": model}, PlainStrategy(), verifier or WordVerifier(), journal or Memory())
    evaluation = Evaluation(plan, climb, observers)
    await evaluation.run()
    return evaluation.summary(FACTS, since=time.perf_counter())


def by_task(**answers):
    return FunctionModel(lambda prompt: answers.get(prompt.instance_id, "right"))


async def test_invariant_1_outages_are_unfinished_and_never_in_the_rate():
    summary = await evaluate(by_task(i1=ProviderServerError("500"), i2="wrong"))
    assert summary.counts == {"solved": 4, "unsolved": 1, "unfinished": 1, "quarantined": 0}
    assert summary.solved_rate.value == 4 / 5
    assert (summary.status, summary.failures) == ("unfinished", {"rule_violation": 2, "provider_error": 1})
    rows = {row.instance_id: row for row in summary.instances}
    assert (rows["i1"].error_type, rows["i1"].final_error) == ("provider_error", "500")


async def test_invariant_10_the_same_error_again_and_again_stops_the_run():
    model = FunctionModel(lambda prompt: RateLimitError(f"429 for request {prompt.number}{id(prompt)}"))
    summary = await evaluate(model, count=300)
    assert summary.status == "stopped"
    assert "3 times in a row" in summary.why
    assert model.calls <= 3 + 2  # those in flight when the alarm rang
    assert summary.counts["unfinished"] == 300


async def test_different_errors_do_not_stop_the_run():
    summary = await evaluate(
        by_task(i0=RateLimitError("slow"), i1=ProviderServerError("down"), i2=RateLimitError("slow"))
    )
    assert (summary.status, summary.counts["unfinished"]) == ("unfinished", 3)


async def test_a_model_that_was_unavailable_is_asked_again_by_the_next_session():
    journal = Memory()
    gone = Completion("", requests=1, failure=Failure.MODEL_UNAVAILABLE, detail="requires a subscription")
    model = by_task(i1=gone)
    first = await evaluate(model, journal=journal, identical=0)
    assert (first.counts["solved"], first.counts["unfinished"], first.status) == (1, 5, "unfinished")
    assert (first.skipped_rungs, model.calls) == ({"only": "requires a subscription"}, 2)
    second_model = by_task()
    second = await evaluate(second_model, journal=journal)
    assert (second.counts["solved"], second_model.calls) == (6, 5)


async def test_what_an_interrupted_session_did_not_come_to_is_recalled_from_the_journal():
    journal = Memory()
    await evaluate(by_task(i0=ProviderServerError("down")), journal=journal)

    class Hanging(FunctionModel):
        async def complete(self, prompt):
            await asyncio.Event().wait()

    ladder = rungs(only=2)
    climb = Climb(ladder, 10, {"only": Hanging(None)}, PlainStrategy(), WordVerifier(), journal)
    evaluation = Evaluation(Plan(instances(6), 1, 1, 3, {}), climb, ())
    running = asyncio.create_task(evaluation.run())
    await asyncio.sleep(0.05)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    summary = evaluation.summary(FACTS, since=time.perf_counter(), cut_short="interrupted")
    assert (summary.status, summary.counts["solved"], summary.counts["unfinished"]) == ("paused", 5, 1)
    assert summary.cost_usd == 5.0


async def test_what_an_interrupted_climb_has_paid_is_counted_once():
    class Hanging(FunctionModel):
        async def complete(self, prompt):
            if prompt.number > 1:
                await asyncio.Event().wait()
            return await super().complete(prompt)

    climb = Climb(rungs(only=2), 10, {"only": Hanging(lambda _: "wrong")}, PlainStrategy(), WordVerifier(), Memory())
    evaluation = Evaluation(Plan(instances(2), 1, 2, 3, {}), climb, ())
    running = asyncio.create_task(evaluation.run())
    await asyncio.sleep(0.05)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    summary = evaluation.summary(FACTS, since=time.perf_counter(), cut_short="interrupted")
    assert summary.cost_usd == sum(row.cost_usd for row in summary.instances) == 2.0


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("timed out after 3.2 s", "timed out after 12 s", True),
        ("no 'a' at 0x7f00", "no 'b' at 0x8f11", True),
        ("timed out", "refused", False),
    ],
)
def test_a_fingerprint_leaves_out_what_differs_from_one_occurrence_to_the_next(one, other, same):
    assert (fingerprint(one) == fingerprint(other)) is same


async def test_invariant_5_a_quarantined_instance_is_not_asked_and_stays_visible():
    model = by_task()
    summary = await evaluate(model, quarantined={"i0": "good answer 1 is rejected"})
    assert (summary.counts["quarantined"], summary.counts["solved"], model.calls) == (1, 5, 5)
    assert summary.solved_rate.value == 1
    assert summary.instances[0].final_error == "good answer 1 is rejected"


async def test_epochs_repeat_each_instance():
    summary = await evaluate(by_task(), epochs=3)
    assert (summary.counts["solved"], {row.epoch for row in summary.instances}) == (18, {1, 2, 3})


async def test_unknown_cost_is_said_and_never_counted_as_zero():
    known = await evaluate(by_task())
    assert (known.cost_usd, known.cost_usd_per_solved, known.tokens) == (
        6.0,
        1.0,
        {"prompt": 12, "completion": 18},
    )
    some = await evaluate(by_task(i1=Completion("right", cost_usd=None)))
    assert (some.cost_usd, some.cost_usd_per_solved, some.tokens["prompt"]) == (None, None, None)


async def test_a_completion_is_paid_for_even_if_its_verdict_never_came_and_rows_and_rungs_add_up_to_the_total():
    journal = Memory()
    verifier = WordVerifier(fault=lambda found: GraderError("judge down") if "second" in found.text else None)
    model = FunctionModel(lambda prompt: "second" if prompt.number > 1 else "wrong")
    for _ in range(2):  # and so says the session that finds the completion in the journal
        summary = await evaluate(model, count=1, verifier=verifier, journal=journal)
        (row,) = summary.instances
        assert (row.status, row.attempts, row.error_type) == ("unfinished", 1, "grader")
        assert summary.cost_usd == row.cost_usd == summary.by_rung[0].cost_usd == 2.0
        assert (summary.tokens["prompt"], summary.tokens["completion"]) == (row.tokens_prompt, row.tokens_completion)
        assert model.calls == 2


async def test_no_more_climbs_go_at_once_than_asked():
    now, most = 0, 0

    class Slow(FunctionModel):
        async def complete(self, prompt):
            nonlocal now, most
            now += 1
            most = max(most, now)
            await asyncio.sleep(0.001)
            now -= 1
            return await super().complete(prompt)

    await evaluate(Slow(lambda _: "right"), count=20, concurrency=3)
    assert most == 3


async def test_a_full_disk_stops_the_run_at_once():
    class Full(Memory):
        async def once(self, key, kind, effect, *args):
            raise StorageError("no space left")

    with pytest.raises(StorageError, match="no space"):
        await evaluate(by_task(), journal=Full())


async def test_a_bug_comes_through():
    with pytest.raises(ZeroDivisionError):
        await evaluate(FunctionModel(lambda _: 1 / 0))


async def test_a_large_run_that_goes_on_asks_anew_before_all_that_is_recorded_is_recalled(monkeypatch):
    monkeypatch.setattr("evalkit.run.evaluate.IN_ORDER", 10)
    journal, recorded, seen = Memory(), 40, []
    await evaluate(by_task(i0="wrong"), count=recorded, journal=journal)
    last = [key for key in journal.records if key.startswith("i5/")]
    del journal.records[last[-1]]  # killed before its verdict: the climb goes on
    paid = len(journal.records)

    class Order:
        def climbed(self, solution):
            seen.append(solution.instance_id)

    model = by_task()
    summary = await evaluate(model, count=recorded + 20, journal=journal, observers=[Order()])
    whole = await evaluate(by_task(i0="wrong"), count=recorded + 20)

    assert (model.calls, len(journal.records)) == (20, paid + 1 + 2 * 20)  # nothing is asked twice
    assert sorted(seen) == sorted(row.instance_id for row in whole.instances)
    assert seen.index(f"i{recorded}") < seen.index(f"i{recorded - 1}")
    assert (summary.counts, summary.cost_usd, summary.instances) == (whole.counts, whole.cost_usd, whole.instances)


async def test_what_is_recalled_beside_new_climbs_breaks_no_row_of_outages(monkeypatch):
    monkeypatch.setattr("evalkit.run.evaluate.IN_ORDER", 10)
    journal = Memory()
    await evaluate(by_task(), count=200, journal=journal)
    model = FunctionModel(lambda _: ProviderServerError("down"))
    summary = await evaluate(model, count=300, journal=journal)
    assert (summary.status, summary.counts["solved"], model.calls <= 3 + 2) == ("stopped", 200, True)
