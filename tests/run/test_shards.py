"""A run by several workers: it comes to what one process comes to, whoever dies, and its limits hold for all."""

import asyncio
import dataclasses
import time
from contextlib import closing

import pytest

from evalkit.adapters.jsonl_journal import JsonlJournal
from evalkit.core.caps import Caps
from evalkit.core.errors import GraderError, InfrastructureError, ProviderServerError, StorageError
from evalkit.core.failure import Failure
from evalkit.core.ladder import Ladder, Price, Rung
from evalkit.core.shards import IN_A_ROW, MOST_DEATHS
from evalkit.core.summary import DatasetFacts, Facts
from evalkit.core.types import Completion, Message, Verdict
from evalkit.run.climbed import Climb
from evalkit.run.evaluate import Evaluation, Plan
from evalkit.run.guarded import GuardedGraders
from evalkit.run.ramp import Inheriting
from evalkit.run.shards import Ground
from evalkit.run.shards_calls import elsewhere
from evalkit.run.spending import Spending
from tests.run.builders import FunctionModel, PlainStrategy, WordVerifier, instances, rungs
from tests.run.crew import sharded

FACTS = Facts("k", "n", DatasetFacts("d", "x", 0), "ladder", simulated=False, tags={})
ANSWERS = {"i2": "wrong", "i3": Completion("", failure=Failure.REFUSED), "i5": ProviderServerError("500 at once")}


class Held(FunctionModel):
    """Keeps who asks for an instance in `held` waiting; knows which of them have been answered."""

    def __init__(self, answer, held=()):
        super().__init__(answer)
        self.held, self.free, self.asked, self.waiting = set(held), asyncio.Event(), [], 0

    async def complete(self, prompt):
        self.asked.append((prompt.instance_id, prompt.number))
        if prompt.instance_id in self.held:
            self.waiting += 1
            try:
                await self.free.wait()
            finally:
                self.waiting -= 1
        await asyncio.sleep(0)
        return await super().complete(prompt)


def answering(answers=ANSWERS):
    return lambda prompt: answers.get(prompt.instance_id, "right" if prompt.number > 1 else "wrong")


def climb_of(model, journal, verifier=None, ladder=None):
    ladder = ladder or rungs(only=3)
    models = model if isinstance(model, dict) else dict.fromkeys(ladder.rungs, model)
    return Climb(ladder, 10, models, PlainStrategy(), verifier or WordVerifier(), journal)


def spending_of(caps, instance=None):
    return Spending(
        caps, instance or Caps(), lambda text: len(text.split()), lambda _: Price(1e6, 1e6), time.perf_counter()
    )


async def until(so):
    async with asyncio.timeout(20):
        while not so():  # noqa: ASYNC110  what is waited for has no event
            await asyncio.sleep(0.001)


async def run(evaluation, crew=None):
    try:
        await evaluation.run()
    finally:
        if crew is not None:
            await crew.end()
    return evaluation.summary(FACTS, since=time.perf_counter())


def told(summary):
    """All but the times."""
    rows = tuple(dataclasses.replace(row, time_seconds=0) for row in summary.instances)
    rungs_ = tuple(dataclasses.replace(row, seconds=0) for row in summary.by_rung)
    return dataclasses.replace(summary, instances=rows, by_rung=rungs_, wall_seconds=0, seconds={}, failures={}), dict(
        summary.failures
    )


@pytest.fixture
def open_journal(tmp_path):
    return lambda: closing(JsonlJournal(tmp_path / "journal.jsonl", "key"))


@pytest.mark.parametrize("count", [1, 2, 5])
async def test_any_number_of_workers_comes_to_what_one_process_does_and_either_continues_the_other(tmp_path, count):
    everything = {"epochs": 2, "identical": 0, "quarantined": {"i1": "its test passes without an answer"}}
    with closing(JsonlJournal(tmp_path / "one.jsonl", "key")) as journal:
        plan = Plan(instances(8), 2, 3, 0, everything["quarantined"])
        one = await run(Evaluation(plan, climb_of(FunctionModel(answering()), journal), ()))
        keys = set(journal.recorded())
    with closing(JsonlJournal(tmp_path / "many.jsonl", "key")) as journal:
        model = FunctionModel(answering())
        evaluation, crew, _ = sharded(climb_of(model, journal), instances(8), count, **everything)
        many = await run(evaluation, crew)
        assert (told(many), set(journal.recorded())) == (told(one), keys)
        again = Held(answering({**ANSWERS, "i5": "right"}))
        recalled = await run(Evaluation(plan, climb_of(again, journal), ()))
        assert set(again.asked) == {("i5", 1)}, "what workers recorded is recalled"
        assert recalled.status == "complete"
    with closing(JsonlJournal(tmp_path / "one.jsonl", "key")) as journal:
        again = Held(answering({**ANSWERS, "i5": "right"}))
        evaluation, crew, _ = sharded(climb_of(again, journal), instances(8), count, **everything)
        assert told(await run(evaluation, crew)) == told(recalled)
        assert set(again.asked) == {("i5", 1)}, "workers recall what one process recorded"


async def test_a_worker_that_dies_is_replaced_and_only_its_calls_under_way_are_made_again(open_journal):
    with open_journal() as journal:
        model, said = Held(answering({"i4": "right", "i5": "right"}), {"i4", "i5"}), []
        evaluation, crew, here = sharded(climb_of(model, journal), instances(12), 3, said=said)
        running = asyncio.create_task(run(evaluation, crew))
        await until(lambda: model.waiting == 2 and len(journal.recorded()) == 40)
        here.started[next(number for number, mate in crew._mates.items() if mate.climbs)].kill()
        model.free.set()
        summary = await running
        keys = journal.recorded()
    assert (summary.status, summary.counts["solved"]) == ("complete", 12)
    assert len(keys) == len(set(keys)) == 2 * (10 * 2 + 2)
    repeated = [row for row in set(model.asked) if model.asked.count(row) > 1]
    assert set(repeated) <= {("i4", 1), ("i5", 1)}
    assert len(here.started) == 4
    assert any("is gone: killed by the test" in line and "go on in others" in line for line in said)


async def test_caps_hold_for_all_workers_and_a_call_lost_with_its_worker_counts(open_journal):
    model = Held(answering({}), {"i0", "i1", "i2"})
    with open_journal() as journal:
        spending = spending_of(Caps(calls=7))
        await spending.begin(journal)
        evaluation, crew, here = sharded(climb_of(model, journal), instances(20), 3, spending=spending, concurrency=1)
        running = asyncio.create_task(run(evaluation, crew))
        await until(lambda: model.waiting == 3)
        here.started[0].kill()
        model.free.set()
        paused = await running
        assert (paused.status, len(model.asked)) == ("paused", 7)
        assert "limits.calls=7" in paused.why
        again = spending_of(Caps(calls=7))
        await again.begin(journal)
        assert again.budget.spent.calls == 7, "the lost call is on record, though no answer tells of it"


async def test_a_climbs_own_cap_holds_in_whichever_worker(open_journal):
    with open_journal() as journal:
        spending = spending_of(Caps(), Caps(cost_usd=60))
        await spending.begin(journal)
        model = Held(lambda prompt: Completion("wrong", cost_usd=25.0, tokens_prompt=2, tokens_completion=3))
        climb = climb_of(model, journal, ladder=Ladder({"only": Rung("m", attempts=9, max_tokens=10)}))
        evaluation, crew, _ = sharded(climb, instances(4), 2, spending=spending)
        summary = await run(evaluation, crew)
    assert (summary.status, summary.counts["unfinished"]) == ("paused", 4)
    assert {len([one for one in model.asked if one[0] == f"i{n}"]) for n in range(4)} == {2}


async def test_the_same_error_in_all_workers_stops_the_run(open_journal):
    with open_journal() as journal:
        model = Held(lambda prompt: ProviderServerError(f"500 for request {id(prompt)}"))
        evaluation, crew, _ = sharded(climb_of(model, journal), instances(300), 3)
        summary = await run(evaluation, crew)
    assert (summary.status, summary.counts["unfinished"]) == ("stopped", 300)
    assert len(model.asked) <= 3 * (3 + 6), "its breaker is the run's too"


async def test_a_rung_that_one_worker_gives_up_is_asked_by_none(open_journal):
    ladder = Ladder({"a": Rung("m/a"), "b": Rung("m/b")}, on={"refused": "skip"})
    first = Held(lambda prompt: Completion("", failure=Failure.REFUSED, detail="no"))
    with open_journal() as journal:
        models = {"a": first, "b": FunctionModel(lambda _: "right")}
        evaluation, crew, _ = sharded(climb_of(models, journal, ladder=ladder), instances(40), 4, concurrency=1)
        summary = await run(evaluation, crew)
    assert summary.counts["solved"] == 40
    assert len(first.asked) <= 4
    assert list(summary.skipped_rungs) == ["a"]


async def test_stopping_gently_ends_what_is_under_way_in_each_worker_and_begins_nothing(open_journal):
    model = Held(answering(dict.fromkeys((f"i{n}" for n in range(20)), "right")), {f"i{n}" for n in range(20)})
    with open_journal() as journal:
        evaluation, crew, _ = sharded(climb_of(model, journal), instances(20), 2)
        running = asyncio.create_task(run(evaluation, crew))
        await until(lambda: model.waiting == 4)
        evaluation.stop()
        model.free.set()
        summary = await running
    assert evaluation.is_stopped
    assert (len(model.asked), summary.counts["solved"], summary.counts["unfinished"]) == (4, 4, 16)


@pytest.mark.parametrize(
    ("error", "kind"), [(StorageError("the disk is full"), StorageError), (KeyError("a bug"), RuntimeError)]
)
async def test_what_ends_a_run_ends_it_from_a_worker_too(open_journal, error, kind):
    def fault(_):
        raise error

    with open_journal() as journal:
        climb = climb_of(FunctionModel(answering()), journal, WordVerifier(fault=fault))
        evaluation, crew, _ = sharded(climb, instances(6), 2)
        with pytest.raises(kind):
            await run(evaluation, crew)


async def test_an_error_of_the_judge_stays_an_outage_of_its_climb(open_journal):
    with open_journal() as journal:
        verifier = WordVerifier(fault=lambda found: GraderError("no grade") if "wrong" in found.text else None)
        evaluation, crew, _ = sharded(climb_of(FunctionModel(answering({})), journal, verifier), instances(2), 2)
        summary = await run(evaluation, crew)
    assert {(row.status, row.error_type, row.final_error) for row in summary.instances} == {
        ("unfinished", "grader", "no grade")
    }


async def test_a_climb_that_kills_its_workers_is_unfinished_and_the_others_are_climbed(open_journal):
    with open_journal() as journal:
        model = Held(answering(dict.fromkeys(("i0", "i1", "i2"), "right")), {"i1"})
        evaluation, crew, here = sharded(climb_of(model, journal), instances(3), 1, concurrency=1)
        running = asyncio.create_task(run(evaluation, crew))
        for times in range(1, MOST_DEATHS + 1):
            await until(lambda times=times: len(here.started) == times and model.waiting == 1)
            here.started[-1].kill()
            await until(lambda: model.waiting == 0)
        summary = await running
    rows = {row.instance_id: row for row in summary.instances}
    assert {name: row.status for name, row in rows.items()} == {"i0": "solved", "i1": "unfinished", "i2": "solved"}
    assert "3 workers that had this climb in hand died" in rows["i1"].final_error


async def test_workers_that_die_before_they_end_anything_end_the_run(open_journal):
    with open_journal() as journal:
        model = Held(answering({}), {"i0", "i1"})
        evaluation, crew, here = sharded(climb_of(model, journal), instances(50), 1, concurrency=1)
        here.climb = dataclasses.replace(here.climb, models={"only": Held(answering({}), {f"i{n}" for n in range(50)})})
        running = asyncio.create_task(run(evaluation, crew))
        for times in range(1, IN_A_ROW + 1):
            await until(lambda times=times: len(here.started) == times and here.climb.models["only"].waiting == 1)
            here.started[-1].kill()
        with pytest.raises(InfrastructureError, match=r"workers die before they end a climb.*killed by the test"):
            await running


async def test_a_grader_is_asked_in_the_worker_and_within_the_runs_budget(open_journal):
    grader = Grader()
    with open_journal() as journal:
        spending = spending_of(Caps(calls=7))
        await spending.begin(journal)
        climb = climb_of(FunctionModel(lambda _: "right"), journal, Asking())
        evaluation, crew, here = sharded(climb, instances(20), 2, spending=spending, concurrency=1)
        here.graders = grader
        graders = GuardedGraders(GuardedGraders(grader, elsewhere), spending.ask_grader)
        crew.stand(Ground(journal, graders, {}, ()))
        summary = await run(evaluation, crew)
    assert summary.status == "paused"
    assert grader.rung_asked + summary.by_rung[0].attempts <= 7
    assert summary.counts["solved"] == grader.rung_asked >= 3


async def test_workers_take_over_what_an_earlier_phase_has_paid_for_and_it_counts(tmp_path):
    with closing(JsonlJournal(tmp_path / "earlier.jsonl", "key")) as earlier:
        evaluation, crew, _ = sharded(climb_of(FunctionModel(answering({})), earlier), instances(3), 2)
        await run(evaluation, crew)
        with closing(JsonlJournal(tmp_path / "own.jsonl", "key")) as own:
            spending = spending_of(Caps(calls=100))
            await spending.begin(own)
            model = Held(answering({}))
            climb = climb_of(model, Inheriting(own, [earlier], spending.took_over))
            evaluation, crew, _ = sharded(climb, instances(5), 2, spending=spending)
            summary = await run(evaluation, crew)
            assert summary.counts["solved"] == 5
            assert {name for name, _ in model.asked} == {"i3", "i4"}
            assert len(own.recorded()) == 5 * 4
            assert spending.budget.spent.calls == 5 * 2


class Grader:
    """A grader's model, and graders by name that are all this one."""

    rung, simulated, rung_asked = Rung("m/grader", max_tokens=5), True, 0

    def model(self, name, params):
        assert (name, params) == ("m/grader", {"max_tokens": 5})
        return self

    async def complete(self, prompt):
        assert prompt.messages[0].content == "is it right?"
        self.rung_asked += 1
        return Completion("yes", cost_usd=1.0, tokens_prompt=1, tokens_completion=1)

    async def check(self):
        return None


class Asking(WordVerifier):
    """Accepts what a grader says yes to."""

    def asking(self, graders):
        made = Asking()
        made.graders = graders
        return made

    async def verify(self, instance, found):
        asked = (Message("user", "is it right?"),)
        answer = await self.graders("m/grader", asked, {"max_tokens": 5}, instance_id=instance.id, number=1)
        return Verdict(accepted=answer.text == "yes")
