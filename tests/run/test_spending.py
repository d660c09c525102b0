"""Budgets, quotas and breakers while a run goes: what is asked, what is put off, and what a resumed run knows."""

import asyncio
import time
from dataclasses import replace

import pytest

from evalkit.core.caps import Caps
from evalkit.core.errors import BudgetError, ProviderServerError, ProviderTimeoutError, QuotaError, RateLimitError
from evalkit.core.ladder import Ladder, Price, Rung
from evalkit.core.summary import DatasetFacts, Facts
from evalkit.core.types import Completion
from evalkit.run.evaluate import Climb, Evaluation, Plan
from evalkit.run.gates import GateSettings
from evalkit.run.guarded import GuardedGraders
from evalkit.run.spending import Spending
from tests.run.builders import FunctionModel, Memory, PlainStrategy, WordVerifier, instances

FACTS = Facts("k", "n", DatasetFacts("d", "x", 0), "ladder", simulated=False, tags={})
QUICK = GateSettings(probe_s=0.02)


class Slow(FunctionModel):
    """Takes a moment, and remembers how many were in flight."""

    in_flight = most = 0

    async def complete(self, prompt):
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)
        await asyncio.sleep(0.005)
        self.in_flight -= 1
        return await super().complete(prompt)


async def evaluate(models, caps=None, instance=None, *, journal=None, count=6, concurrency=4, gates=QUICK, **more):
    """The summary, and what was said."""
    journal, said = journal or Memory(), []
    models = models if isinstance(models, dict) else {"only": models}
    ladder = Ladder({name: Rung(f"{name}/m", attempts=2, max_tokens=10) for name in models})
    spending = Spending(
        run_caps=caps or Caps(),
        instance_caps=instance or Caps(),
        count=lambda text: len(text.split()),
        price=lambda _: Price(1e6, 1e6),
        began=time.perf_counter(),
    )
    await spending.begin(journal)
    plan = Plan(instances(count), 1, concurrency, more.get("identical", 5), {})
    climb = Climb(ladder, 10, models, PlainStrategy(), more.get("verifier", WordVerifier()), journal)
    evaluation = Evaluation(plan, climb, [], spending=spending, gates=gates, say=said.append)
    await evaluation.run()
    return evaluation.summary(FACTS, since=time.perf_counter()), said


def answering(text="right", **told):
    return lambda _: Completion(text, **{"cost_usd": 5.0, "tokens_prompt": 2, "tokens_completion": 3, **told})


@pytest.mark.parametrize("concurrency", [1, 16])
@pytest.mark.parametrize("caps", [Caps(calls=7), Caps(cost_usd=140.0), Caps(tokens=140)])
async def test_no_cap_is_overdrawn_however_many_go_at_once(caps, concurrency):
    model = Slow(answering(tokens_prompt=5, tokens_completion=10, cost_usd=15.0))
    summary, _ = await evaluate(model, caps, count=40, concurrency=concurrency)
    assert summary.status == "paused"
    assert summary.counts["unsolved"] == 0
    assert (summary.cost_usd, sum(summary.tokens.values())) <= (140, 140)
    assert model.calls == summary.counts["solved"] == (7 if caps.calls else pytest.approx(8, abs=1))


async def test_a_resumed_run_counts_what_is_on_record_and_pays_nothing_twice():
    journal = Memory()
    model = FunctionModel(answering())
    first, _ = await evaluate(model, Caps(calls=2), journal=journal)
    again, _ = await evaluate(model, Caps(calls=2), journal=journal)
    assert (first.status, again.status, model.calls) == ("paused", "paused", 2)
    last, _ = await evaluate(model, Caps(calls=6), journal=journal)
    assert (last.status, last.counts["solved"], model.calls) == ("complete", 6, 6)


async def test_what_no_record_of_an_answer_tells_is_on_record_too():
    journal = Memory()
    unknown = FunctionModel(answering(tokens_prompt=None, tokens_completion=None, cost_usd=None))
    await evaluate(unknown, Caps(tokens=100), journal=journal, count=1)
    timing_out = FunctionModel(lambda _: ProviderTimeoutError("slow", requests=2))
    await evaluate(timing_out, Caps(calls=10), journal=journal, count=3, concurrency=1)
    spending = Spending(Caps(calls=10), Caps(), len, lambda _: None, 0.0)
    await spending.begin(journal)
    assert spending.budget.spent.calls == 1 + 2
    assert spending.budget.spent.tokens >= 10 + 2 * 2 * 10  # what was reserved, a request at a time


@pytest.mark.parametrize(
    ("instance", "asked"),
    [(Caps(calls=1), 1), (Caps(tokens=40), 1), (Caps(cost_usd=40), 1), (Caps(seconds=1.5), 2), (Caps(calls=0), 0)],
)
async def test_a_climb_over_its_budget_is_unfinished_and_the_others_go_on(instance, asked):
    class Timed(WordVerifier):
        async def verify(self, one, found):
            return replace(await super().verify(one, found), seconds=1.0)

    journal, answers = Memory(), {"i1": "wrong", "i2": "wrong"}

    def answer(prompt):
        return answering(answers.get(prompt.instance_id, "right"), tokens_prompt=20, cost_usd=23.0)(prompt)

    models = {"small": FunctionModel(answer), "big": FunctionModel(answer)}
    summary, _ = await evaluate(models, instance=instance, journal=journal, verifier=Timed())
    rows = {row.instance_id: row for row in summary.instances}
    assert (rows["i1"].status, rows["i1"].error_type, rows["i1"].attempts) == ("unfinished", "budget", asked)
    assert (summary.counts["solved"], summary.counts["unsolved"]) == (4 if asked else 0, 0)
    assert summary.status == "paused"
    assert "such as: limits.instance." in summary.why
    more, _ = await evaluate(models, instance=Caps(calls=10), journal=journal, verifier=Timed())
    assert (more.status, more.counts["unsolved"]) == ("complete", 2)


async def test_a_used_up_quota_pauses_its_rung_and_the_others_go_on():
    small = FunctionModel(lambda prompt: "right" if prompt.instance_id in ("i0", "i5") else "wrong")
    big = FunctionModel(lambda _: QuotaError("weekly limit reached"))
    summary, said = await evaluate({"small": small, "big": big}, concurrency=1)
    assert (summary.counts["solved"], summary.counts["unfinished"], summary.counts["unsolved"]) == (2, 4, 0)
    assert (summary.status, summary.failures["quota"], big.calls, small.calls) == ("paused", 4, 1, 10)
    assert "rung big has no quota left: weekly limit reached" in summary.why
    assert len(said) == 1


async def test_with_wait_a_rung_is_asked_again_when_its_quota_is_full():
    def answer(prompt):
        return RateLimitError("quota", retry_after_s=0.4) if time.monotonic() < full else answering()(prompt)

    full = time.monotonic() + 0.4
    small, big = FunctionModel(lambda prompt: "right" if prompt.instance_id > "i2" else "wrong"), FunctionModel(answer)
    gates = GateSettings(wait_for_quota=True, patience_s=0.1)
    summary, said = await evaluate({"small": small, "big": big}, gates=gates, concurrency=1)
    assert (summary.status, summary.counts["solved"]) == ("complete", 6)
    assert (small.calls, big.calls) == (9, 4)  # the others had ended meanwhile; nothing was asked twice
    assert "limits.on_quota=wait" in said[0]


async def test_with_wait_but_no_stated_reset_or_no_time_left_the_run_pauses():
    gates = GateSettings(wait_for_quota=True, patience_s=0.1)
    never, _ = await evaluate(FunctionModel(lambda _: QuotaError("quota")), gates=gates)
    late = FunctionModel(lambda _: RateLimitError("quota", retry_after_s=3600))
    capped, _ = await evaluate(late, Caps(seconds=60), gates=gates)
    assert (never.status, capped.status) == ("paused", "paused")


async def test_a_provider_that_is_down_is_left_alone_until_a_probe_works():
    def answer(prompt):
        return ProviderServerError("500 down") if model.calls <= 4 else "right"

    model = FunctionModel(answer)
    summary, said = await evaluate(model, count=30, concurrency=1)
    assert (summary.counts["solved"], summary.counts["unfinished"]) == (26, 4)  # three in a row, and the first probe
    assert model.calls == 30
    assert ["outages in a row" in said[0], "answers again" in said[1]] == [True, True]


async def test_those_in_flight_when_it_opened_go_on_later():
    model = Slow(lambda _: ProviderServerError("500 down") if model.calls <= 16 else "right")
    summary, _ = await evaluate(model, count=30, concurrency=16, identical=0)
    assert (summary.status, summary.counts["unfinished"]) == ("unfinished", 3)


async def test_a_provider_that_stays_down_stops_the_run_with_the_one_error():
    model = FunctionModel(lambda prompt: ProviderServerError(f"500 for {prompt.instance_id}"))
    summary, _ = await evaluate(model, count=300, concurrency=16, identical=5)
    assert summary.status == "stopped"
    assert "5 times in a row: 500 for" in summary.why
    assert model.calls <= 16 + 2


async def test_a_grader_is_asked_within_the_budget():
    class Grader(FunctionModel):
        rung = Rung("g/m", max_tokens=5)

    class Graders:
        def model(self, name, params):
            return grader

    grader = Grader(answering())
    spending = Spending(Caps(calls=2), Caps(), len, lambda _: Price(), time.perf_counter())
    ask = GuardedGraders(Graders(), spending.ask_grader)
    for number in (1, 2):
        await ask("g/m", [], {}, instance_id="i", number=number)
    with pytest.raises(BudgetError, match="is reached"):
        await ask("g/m", [], {}, instance_id="i", number=3)
    assert grader.calls == 2
