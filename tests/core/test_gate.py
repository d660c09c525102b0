"""Gates: their bounds hold at repeated looks, an outage decides nothing, and so few show so little."""

from functools import cache
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from evalkit.core.failure import Failure
from evalkit.core.gate import FORMAL, Decision, Gate, check, scores
from evalkit.core.sampling import sample
from evalkit.core.sequence import POWER, confidence_sequence, detectable
from evalkit.core.summary import InstanceRow
from evalkit.core.types import Instance, Status

LOOKS = (5, 10, 30, 100, 300)
RAMPS = 2000
S, U, X, Q = Status.SOLVED, Status.UNSOLVED, Status.UNFINISHED, Status.QUARANTINED


def row(name, status, error=None, epoch=1):
    error = error or ("rule_violation" if status is U else None)
    return InstanceRow(
        name, epoch, status is S, status, 1, 1 if status is S else None, None, error, None, 0.1, 0.0, 1, 1
    )


def rows(solved, unsolved, **others):
    statuses = [S] * solved + [U] * unsolved + [X] * others.get("unfinished", 0) + [Q] * others.get("quarantined", 0)
    return [row(f"i{number}", status) for number, status in enumerate(statuses)]


@cache
def said(size, solved, rule="bound"):
    return check(Gate(rule), rows(solved, size - solved)).decision


def share_of_ramps(wrong, draw, rule="bound"):
    """How many of the ramps meet a wrong decision at any of their gates."""
    times = 0
    for number in range(RAMPS):
        results = draw(number)
        times += any(said(look, sum(results[:look]), rule) is wrong for look in LOOKS)
    return times / RAMPS


def even(rate):
    random = Random(f"even {rate}")
    return lambda _: [random.random() < rate for _ in range(LOOKS[-1])]


@pytest.mark.parametrize(("rate", "wrong"), [(0.2, Decision.STOP), (0.8, Decision.GOOD)])
def test_over_2000_ramps_the_bound_is_wrong_at_any_of_its_gates_in_alpha_of_them_at_most(rate, wrong):
    """The worst case: a true rate that lies on the threshold."""
    assert share_of_ramps(wrong, even(rate)) <= Gate().alpha


@pytest.mark.parametrize(("rate", "wrong"), [(0.2, Decision.STOP), (0.8, Decision.GOOD)])
def test_the_point_estimate_is_wrong_far_more_often(rate, wrong):
    """Hence the default is the bound."""
    assert share_of_ramps(wrong, even(rate), "point") > 0.5


def test_the_bound_holds_for_stratified_samples_of_unlike_instances():
    """A quarter of the instances is solved in four of five tries, the rest never: a fifth in all."""
    strata = ["hard", "hard", "hard", "easy"]
    instances = [Instance(f"i{n}", "?", difficulty=strata[n % 4]) for n in range(400)]
    orders = [[one.difficulty == "easy" for one in sample(instances, 300, seed, "difficulty")] for seed in range(20)]
    random = Random("strata")

    def draw(number):
        return [is_easy and random.random() < 0.8 for is_easy in orders[number % len(orders)]]

    assert share_of_ramps(Decision.STOP, draw) <= Gate().alpha


def test_the_bounds_hold_at_every_single_instance():
    random, missed = Random("every one"), 0
    bounds = cache(lambda solved, size: confidence_sequence(solved, size, 0.05))
    for _ in range(RAMPS // 4):
        solved, out = 0, False
        for size in range(1, 101):
            solved += random.random() < 0.5
            found = bounds(solved, size)
            out = out or not found.low <= 0.5 <= found.high
        missed += out
    assert missed / (RAMPS // 4) <= 0.05


def test_the_bound_still_sees_what_is_far_away():
    assert share_of_ramps(Decision.GOOD, even(0.95)) > 0.99
    assert share_of_ramps(Decision.STOP, even(0.03)) > 0.99


counts = st.integers(1, 400).flatmap(lambda trials: st.tuples(st.floats(0, trials), st.just(trials)))
alphas = st.sampled_from([0.001, 0.01, 0.05, 0.2])


@given(counts, alphas)
def test_bounds_enclose_the_rate_and_mirror_each_other(count, alpha):
    successes, trials = count
    found = confidence_sequence(successes, trials, alpha)
    assert 0 <= found.low <= found.value <= found.high <= 1
    mirrored = confidence_sequence(trials - successes, trials, alpha)
    assert mirrored.low == pytest.approx(1 - found.high, abs=1e-9)


@given(counts)
def test_a_smaller_alpha_gives_wider_bounds(count):
    wide, tight = (confidence_sequence(*count, alpha) for alpha in (0.01, 0.1))
    assert wide.low <= tight.low
    assert tight.high <= wide.high


def test_without_trials_there_are_no_bounds_and_what_does_not_fit_is_refused():
    assert confidence_sequence(0, 0, 0.05) is None
    with pytest.raises(ValueError, match="3 successes of 2 trials"):
        confidence_sequence(3, 2, 0.05)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(1, 5), st.sampled_from(["health", "point", "bound"]))
def test_invariant_1_a_gate_refuses_a_phase_with_unfinished_instances(solved, unsolved, unfinished, rule):
    ruling = check(Gate(rule), rows(solved, unsolved, unfinished=unfinished))
    assert (ruling.refused, ruling.decision) == (True, Decision.STOP)
    assert f"{unfinished} of {solved + unsolved + unfinished} climbs are unfinished" in ruling.why


def test_a_run_that_broke_off_is_refused_even_if_what_it_has_is_solved():
    ruling = check(Gate(), rows(5, 0), status="stopped", why="the same error 5 times in a row: 429")
    assert (ruling.refused, "429" in ruling.why) == (True, True)


RULINGS = {
    "a health gate says nothing of a bad rate": ("health", rows(0, 10), Decision.CONTINUE, "not how well"),
    "a health gate says nothing of a good rate": ("health", rows(10, 0), Decision.CONTINUE, "not how well"),
    "formats": ("health", [row(f"i{n}", U, "no_answer") for n in range(10)], Decision.STOP, "no_answer 10"),
    "half of them may fail in form": (
        "health",
        [row(f"i{n}", U, "syntax_error" if n < 5 else None) for n in range(10)],
        Decision.CONTINUE,
        "syntax_error 5",
    ),
    "solved after a fault is no fault": ("health", rows(10, 0), Decision.CONTINUE, "faults: none"),
    "quarantined instances are faults": ("bound", rows(2, 1, quarantined=7), Decision.STOP, "quarantined 7"),
    "all are quarantined": ("bound", rows(0, 0, quarantined=3), Decision.STOP, "all are quarantined"),
    "point, on the threshold": ("point", rows(8, 2), Decision.GOOD, "the rate, 80 %, reaches 80 %"),
    "point, below": ("point", rows(1, 9), Decision.STOP, "the rate, 10 %, is below 20 %"),
    "point, between": ("point", rows(2, 8), Decision.CONTINUE, "do not decide"),
    "bound, too few": ("bound", rows(10, 0), Decision.CONTINUE, "62.3 % to 100 %"),
    "bound, enough": ("bound", rows(30, 0), Decision.GOOD, "lower bound, 83.9 %, reaches 80 %"),
    "bound, hopeless": ("bound", rows(0, 30), Decision.STOP, "upper bound, 16.1 %, is below 20 %"),
}


@pytest.mark.parametrize("case", RULINGS)
def test_rulings(case):
    rule, found, decision, why = RULINGS[case]
    ruling = check(Gate(rule), found)
    assert (ruling.decision, why in ruling.why) == (decision, True), ruling.why


def test_without_thresholds_a_gate_never_decides():
    for solved in (0, 30):
        ruling = check(Gate(stop_below=None, good_above=None), rows(solved, 30 - solved))
        assert (ruling.decision, "no threshold" in ruling.why) == (Decision.CONTINUE, True)


def test_epochs_of_an_instance_count_as_one():
    found = [row("a", S), row("a", U, epoch=2), row("b", S), row("b", S, epoch=2), row("c", Q)]
    assert scores(found) == {"a": 0.5, "b": 1.0}
    assert check(Gate(), found).value == 0.75


@pytest.mark.parametrize("size", LOOKS)
@pytest.mark.parametrize("threshold", [0.1, 0.2, 0.5, 0.8])
@pytest.mark.parametrize("above", [True, False])
def test_the_smallest_detectable_difference_is_seen_with_the_power_that_is_said(size, threshold, above):
    difference = detectable(size, threshold, above=above, alpha=0.05)
    every = [confidence_sequence(n, size, 0.05) for n in range(size + 1)]
    crossing = [n for n, one in enumerate(every) if (one.low >= threshold if above else one.high <= threshold)]
    if difference is None:
        assert crossing == []
    else:
        rate = threshold + difference if above else threshold - difference
        assert sum(binom.pmf(n, size, rate) for n in crossing) == pytest.approx(POWER)


def test_larger_phases_show_smaller_differences_and_the_smallest_none():
    found = [check(Gate(), rows(size // 2, size - size // 2)) for size in LOOKS]
    shown = [ruling.detectable["good"] for ruling in found]
    assert shown[:2] == [None, None]
    assert shown[2] > shown[3] > shown[4] > 0
    assert [ruling.smallest_uplift for ruling in found] == [None, 0.6, 0.2, 0.06, 0.02]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"rule": "bounds"}, "one of health, point, bound"),
        ({"stop_below": 0.9}, "above good_above"),
        ({"good_above": 80}, "from 0 to 1"),
        ({"alpha": 0}, "between 0 and 1"),
    ],
)
def test_gates_that_can_never_work_are_refused(settings, says):
    with pytest.raises(ValueError, match=says):
        Gate(**settings)


def test_what_counts_as_formal_are_failure_classes_or_those_of_edits():
    assert FORMAL - {str(one) for one in Failure} <= {"no_edits", "apply_failed", "no_change"}
