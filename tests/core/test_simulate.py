"""A simulated ladder comes to what really climbing it over the same answers comes to."""

import asyncio
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import permutations, product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalkit.core.frontier import Point, frontier
from evalkit.core.ladder import Ladder, Rung
from evalkit.core.results import AttemptRow
from evalkit.core.simulate import Evidence, Recording, Unknown, climbs, ladder_of, outcome, search
from evalkit.core.types import Candidate, Completion, Finding, Instance, Message, Prompt, Verdict
from evalkit.run.solve import solve
from tests.run.builders import Memory

FAILURES = ("rule_violation", "test_failure", "no_answer", "refused")
NAMES = ("small", "middle", "big")
UNITS = tuple(f"i{number}" for number in range(5))
QUIET = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


@dataclass
class Teller:
    """Prompts that tell what was wrong with earlier attempts, or nothing."""

    tells: bool

    def prompt(self, instance, history, epoch, step):
        told = [one.message for attempt in history for one in attempt.verdict.findings] if self.tells else []
        return Prompt((Message("user", "\n".join([instance.prompt, *told])),), instance.id, epoch, step.number)

    def candidate(self, instance, completion):
        return Candidate(completion.text)


@dataclass
class Player:
    """A model of which every answer is known: `answer(name, prompt, draw)` is "accepted" or begins with a failure."""

    name: str
    answer: object
    draws: int = field(default=-1)

    async def complete(self, prompt):
        self.draws += 1
        text = self.answer(self.name, prompt, self.draws)
        return Completion(text, model=self.name, cost_usd=float(1 + NAMES.index(self.name)))


class Judge:
    async def verify(self, instance, candidate):
        accepted = candidate.text == "accepted"
        found = () if accepted else (Finding("r", candidate.text),)
        return Verdict(accepted, None if accepted else candidate.text.split()[0], found)


def really(ladder, most, answer, *, tells=False):
    """The recording of really climbing this ladder."""

    async def climb(unit):
        models = {name: Player(name, answer) for name in ladder.rungs}
        ports = {"models": models, "strategy": Teller(tells), "verifier": Judge(), "journal": Memory()}
        return await solve(Instance(unit, f"task {unit}"), 1, [], ladder, most, **ports)

    async def climbed():
        return [_row(unit, attempt) for unit in UNITS for attempt in (await climb(unit)).attempts]

    judged = frozenset((unit, 1) for unit in UNITS)
    return Recording("run", ladder, most, "told" if tells else "", 0, tuple(asyncio.run(climbed())), judged)


def _row(unit, one):
    return AttemptRow(
        instance_id=unit,
        epoch=1,
        number=one.number,
        rung=one.rung,
        on_rung=one.on_rung,
        model=one.completion.model,
        accepted=one.verdict.accepted,
        skipped=False,
        failure=one.verdict.failure,
        cost_usd=one.completion.cost_usd,
        tokens_prompt=None,
        tokens_completion=None,
        seconds_model=1.0,
        seconds_verifier=0.0,
        prompt_digest=one.prompt.digest,
    )


def evidence_of(*recordings, **more):
    return Evidence(recordings, lambda _source, row: row.cost_usd, **more)


def came_to(recording):
    """By climb: solved, attempts, cost."""
    found = {}
    for row in recording.attempts:
        _, attempts, cost = found.get(row.instance_id, (0.0, 0.0, 0.0))
        found[row.instance_id] = (float(row.accepted), attempts + 1, cost + row.cost_usd)
    return [found[unit] for unit in UNITS]


def numbers(simulated):
    return [(one.solved, one.attempts, one.cost) for one in simulated]


outcomes = st.one_of(st.just("accepted"), st.sampled_from(FAILURES))
heats = st.fixed_dictionaries({name: st.sampled_from([0.0, 0.7]) for name in NAMES})
tables = st.fixed_dictionaries(
    {(name, unit): st.tuples(outcomes, outcomes, outcomes) for name in NAMES for unit in UNITS}
)
policies = st.dictionaries(st.sampled_from(FAILURES), st.sampled_from(["retry", "escalate", "stop"]), max_size=2)
caps = st.integers(1, 7)


@st.composite
def ladders(draw, heat, policy=policies, least=1):
    names = draw(st.lists(st.sampled_from(NAMES), min_size=least, max_size=3, unique=True))
    rungs = {name: Rung(f"x/{name}", draw(st.integers(1, 3)), heat[name], on=draw(policy)) for name in names}
    return Ladder(rungs, on=draw(policy))


def by_draw(table):
    """Answers that depend on nothing but how often the model was asked."""
    return lambda name, prompt, draw: table[name, prompt.instance_id][min(draw, 2)]


def by_prompt(seed, heat):
    """Answers that depend on all that the model is told, and above temperature 0 on the attempt's number."""

    def answer(name, prompt, _):
        drawn = prompt.number if heat[name] else 0
        mixed = sha256(f"{seed} {name} {prompt.digest} {drawn}".encode()).digest()
        return "accepted" if mixed[0] < 70 else f"{FAILURES[mixed[1] % 4]} {mixed[2] % 3}"

    return answer


def alone(table, heat):
    """Each model run by itself, as often as there are answers."""
    retry = dict.fromkeys(FAILURES, "retry")
    each = [Ladder({name: Rung(f"x/{name}", 3, heat[name], on=retry)}) for name in NAMES]
    return [really(ladder, 9, by_draw(table)) for ladder in each]


@QUIET
@given(st.data(), tables, heats, caps)
def test_where_prompts_tell_nothing_any_ladder_is_exact_from_each_model_run_alone(data, table, heat, most):
    ladder = data.draw(ladders(heat))
    simulated = climbs(ladder, most, evidence_of(*alone(table, heat)))
    assert numbers(simulated) == came_to(really(ladder, most, by_draw(table)))
    assert all(one.exact for one in simulated)


@QUIET
@given(st.data(), tables, heats, caps)
def test_what_one_ladder_left_unasked_is_bounded(data, table, heat, most):
    recorded = really(data.draw(ladders(heat, least=3)), data.draw(caps), by_draw(table))
    ladder = data.draw(ladders(heat))
    _holds(ladder, most, evidence_of(recorded), really(ladder, most, by_draw(table)))


@QUIET
@given(st.data(), st.integers(), heats, caps, st.lists(st.integers(), min_size=1, max_size=2))
def test_where_feedback_makes_attempts_dependent_the_truth_lies_within_the_bounds(data, seed, heat, most, runs):
    answer = by_prompt(seed, heat)
    recorded = [really(data.draw(ladders(heat, least=3)), data.draw(caps), answer, tells=True) for _ in runs]
    ladder = data.draw(ladders(heat))
    _holds(ladder, most, evidence_of(*recorded), really(ladder, most, answer, tells=True))


def _holds(ladder, most, evidence, truth):
    fails = climbs(ladder, most, evidence, Unknown.FAILS)
    expected = climbs(ladder, most, evidence)
    accepted = climbs(ladder, most, evidence, Unknown.ACCEPTED)
    for low, likely, high, true in zip(fails, expected, accepted, came_to(truth), strict=True):
        assert low.solved <= true[0] <= high.solved
        assert low.solved <= likely.solved <= high.solved
        if likely.exact:
            assert numbers([likely]) == [true]


@QUIET
@given(st.data(), st.integers(), heats, caps)
def test_a_ladder_that_was_run_comes_to_what_was_recorded_and_so_it_does_under_a_lower_cap(data, seed, heat, most):
    ladder, answer = data.draw(ladders(heat)), by_prompt(seed, heat)
    recorded = really(ladder, most, answer, tells=True)
    for cap in range(1, most + 1):
        simulated = climbs(ladder, cap, evidence_of(recorded))
        assert numbers(simulated) == came_to(really(ladder, cap, answer, tells=True))
        assert all(one.exact for one in simulated)


no_stop = st.dictionaries(st.sampled_from(FAILURES), st.sampled_from(["retry", "escalate"]), max_size=2)


def every_spec(attempts, most):
    """All ladders, one by one."""
    orders = [names for size in range(1, len(attempts) + 1) for names in permutations(attempts, size)]
    ladders = [
        tuple(zip(names, counts, strict=True))
        for names in orders
        for counts in product(*(range(1, attempts[name] + 1) for name in names))
    ]
    return [ladder for ladder in ladders if sum(count for _, count in ladder) <= most]


@settings(QUIET, max_examples=12)
@given(st.data(), tables, heats, st.sampled_from([3, 9]), st.booleans())
def test_the_search_finds_the_frontier_of_all_ladders(data, table, heat, most, tells):
    on = data.draw(no_stop)
    runs = [replace(one, ladder=replace(one.ladder, on={})) for one in alone(table, heat)]
    rungs = {name: replace(one.ladder.rungs[name], on=on) for name, one in zip(NAMES, runs, strict=True)}
    runs = [replace(one, ladder=Ladder({name: rungs[name]})) for name, one in zip(NAMES, runs, strict=True)]
    evidence = evidence_of(*(replace(one, told="told" if tells else "") for one in runs))
    attempts = {name: 1 if heat[name] == 0 else 3 for name in NAMES}
    found = search(evidence, most, attempts)
    specs = every_spec(attempts, most)
    every = [outcome(ladder_of(evidence, spec), most, evidence) for spec in specs]
    assert found.ladders == len(specs)
    expected = frontier(Point("", round(one.cost.value, 9), round(one.solved, 6)) for one in every)
    shown = [outcome(ladder_of(evidence, spec), most, evidence) for spec in found.frontier]
    assert [(one.cost, one.solved) for one in expected] == [
        (round(one.cost.value, 9), round(one.solved, 6)) for one in shown
    ]


def lucky(count):
    """Six models that are all alike: which instances each one solves is drawn by lot."""
    ladder = Ladder({f"m{number}": Rung(f"x/m{number}") for number in range(6)})
    units = [f"i{number}" for number in range(count)]
    rows = [_lot(unit, name) for unit in units for name in ladder.rungs]
    return Recording("run", ladder, 1, "", 0, tuple(rows), frozenset((unit, 1) for unit in units))


def _lot(unit, name):
    accepted = sha256(f"{name} {unit}".encode()).digest()[0] < 100
    return AttemptRow(
        unit, 1, 1, name, 1, name, accepted, skipped=False, failure=None, cost_usd=1.0, tokens_prompt=None,
        tokens_completion=None, seconds_model=1.0, seconds_verifier=0.0, prompt_digest="p",
    )  # fmt: skip


def test_the_best_of_models_that_are_all_alike_solves_less_where_it_did_not_choose():
    evidence = evidence_of(lucky(60))
    found = search(evidence, 1, dict.fromkeys(evidence.sources, 1))
    best = outcome(ladder_of(evidence, found.best), 1, evidence)
    assert found.held_out < best.solved / best.climbs


def test_a_budget_leaves_out_what_costs_more():
    table = {(name, unit): (("accepted" if name == "big" else "test_failure"),) * 3 for name in NAMES for unit in UNITS}
    evidence = evidence_of(*alone(table, dict.fromkeys(NAMES, 0.0)))
    ones = dict.fromkeys(NAMES, 1)
    assert search(evidence, 9, ones).best == (("big", 1),)
    assert search(evidence, 9, ones, budget=2.9).best == (("small", 1),)
    assert search(evidence, 9, ones, budget=0.5).best is None


def test_instances_that_a_run_did_not_judge_are_left_out():
    table = {(name, unit): ("accepted",) * 3 for name in NAMES for unit in UNITS}
    first, *others = alone(table, dict.fromkeys(NAMES, 0.0))
    evidence = evidence_of(replace(first, judged=frozenset([("i0", 1), ("i1", 1)])), *others)
    assert [unit for unit, _ in evidence.units] == ["i0", "i1"]
    assert len(evidence.left_out) == 3


def test_rungs_that_ask_alike_are_one_and_a_name_for_two_models_is_kept_apart():
    runs = [Recording("r", Ladder({name: rung}), 1, "", 0, (), frozenset()) for name, rung in [
        ("small", Rung("x/a")), ("tiny", Rung("x/a", attempts=5)), ("small", Rung("x/b")),
    ]]  # fmt: skip
    evidence = evidence_of(*runs)
    assert {name: rung.model for name, rung in evidence.sources.items()} == {"small": "x/a", "small_2": "x/b"}
    with pytest.raises(KeyError, match="'x/c'"):
        evidence.source_of(Rung("x/c"))
