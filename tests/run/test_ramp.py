"""Phases in order: what a gate lets through, and that no call is paid for twice."""

from dataclasses import replace

from evalkit.core.errors import RateLimitError
from evalkit.core.gate import Decision, Gate
from evalkit.core.ramp import Phase, Ramp, planned
from evalkit.core.summary import DatasetFacts, Facts
from evalkit.core.types import Completion
from evalkit.run.evaluate import Climb, Evaluation, Plan
from evalkit.run.ramp import Inheriting, ascend
from tests.run.builders import FunctionModel, Memory, PlainStrategy, WordVerifier, instances, rungs

FACTS = Facts("k", "n", DatasetFacts("d", "x", 0), "ladder", simulated=False, tags={})
ALL = instances(300)


async def climbed(model, size, journal):
    plan = Plan(ALL[:size], 1, 2, 3, {})
    climb = Climb(rungs(only=2), 10, {"only": model}, PlainStrategy(), WordVerifier(), journal)
    evaluation = Evaluation(plan, climb, [])
    await evaluation.run()
    return evaluation.summary(FACTS, since=0.0)


def phases(*sizes, rule="bound", **thresholds):
    return planned(Ramp({f"p{size}": Phase(size) for size in sizes}, Gate(rule, **thresholds)), 300)


async def test_a_later_phase_pays_only_for_its_new_instances():
    model, journals, calls = FunctionModel(lambda _: "right"), [], []
    for size in (5, 10, 30):
        journal = Memory()
        await climbed(model, size, Inheriting(journal, journals))
        journals.append(journal)
        calls.append(model.calls)
        assert len(journal.records) == 2 * size  # whole by itself, with what was inherited
    assert calls == [5, 10, 30]


async def test_a_kill_between_copies_costs_nothing():
    model, first, second = FunctionModel(lambda _: "right"), Memory(), Memory()
    await climbed(model, 5, first)
    await climbed(model, 10, Inheriting(second, [first]))
    for key in list(second.records)[::3]:
        if key in first.records:
            del second.records[key]
    await climbed(model, 10, Inheriting(second, [first]))
    assert model.calls == 10


async def test_what_is_inherited_counts_in_the_phases_cost_and_an_outage_is_tried_again():
    first, second = Memory(), Memory()
    one = await climbed(FunctionModel(lambda prompt: "wrong" if prompt.instance_id == "i1" else "right"), 5, first)
    assert (one.cost_usd, one.counts["unsolved"]) == (6.0, 1)
    two = await climbed(FunctionModel(lambda _: Completion("right", cost_usd=2.0)), 6, Inheriting(second, [first]))
    assert (two.cost_usd, two.counts["solved"], two.counts["unsolved"]) == (8.0, 5, 1)


def through(found, summaries, **how):
    """Every phase's decision, and how many phases were climbed."""
    seen = []

    def climb(phase):
        seen.append(phase.size)
        return {"": summaries[phase.size]}

    passed = list(ascend(found, climb, **how))
    return [one.ruling.decision for one in passed], seen, passed[-1]


async def summaries(answer, *sizes):
    return {size: await climbed(FunctionModel(answer), size, Memory()) for size in sizes}


async def test_a_gate_that_says_stop_ends_the_ramp():
    found = await summaries(lambda _: "wrong", 5, 30, 100)
    decisions, seen, last = through(phases(5, 30, 100), found)
    assert (decisions, seen, last.ended) == ([Decision.CONTINUE, Decision.STOP], [5, 30], True)


async def test_good_goes_on_to_the_end_unless_it_was_asked_for_no_more():
    found = await summaries(lambda _: "right", 5, 30, 100)
    assert through(phases(5, 30, 100), found)[1] == [5, 30, 100]
    assert through(phases(5, 30, 100), found, until_good=True)[1] == [5, 30]


async def test_invariant_1_a_phase_with_an_outage_ends_the_ramp_without_a_decision():
    found = await summaries(lambda prompt: RateLimitError("429") if prompt.instance_id == "i3" else "right", 5, 30)
    _, seen, last = through(phases(5, 30), found)
    assert (seen, last.ruling.refused, last.status) == ([5], True, "unfinished")


async def test_a_phase_of_two_ladders_is_ruled_on_as_one():
    one = await climbed(FunctionModel(lambda _: "right"), 20, Memory())
    other = replace(one, instances=tuple(replace(row, instance_id=f"other {row.instance_id}") for row in one.instances))
    (passed,) = ascend(phases(40), lambda _: {"a": one, "b": other})
    assert (passed.ruling.decision, passed.ruling.value) == (Decision.GOOD, 1.0)
    assert passed.ruling.low > ascend_low(one)


def ascend_low(summary):
    """The bound that half of the instances would give."""
    (passed,) = ascend(phases(20), lambda _: {"": summary})
    return passed.ruling.low
