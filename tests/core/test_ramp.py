"""What follows from a ramp's settings alone: which phases fit, who climbs which ladder, what a retry gained."""

import re
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.core.advice import what_next
from evalkit.core.frozen import freeze
from evalkit.core.gate import Decision, Gate, check
from evalkit.core.phase import phase_summary, result_rows, retried
from evalkit.core.ramp import Phase, Ramp, planned, shared_out, tiers, too_large
from evalkit.core.types import Dataset, Instance
from tests.core.test_gate import Q, S, U, X, row, rows


def ramp(*sizes, **more):
    return Ramp({f"p{size}": Phase(size) for size in sizes}, **more)


def test_a_dataset_that_is_smaller_ends_the_ramp_with_the_largest_phase_that_fits():
    found = planned(ramp(300, 5, 30, 10, 100), 117)
    assert [(one.number, one.size, one.new) for one in found] == [(1, 5, 5), (2, 10, 5), (3, 30, 20), (4, 100, 70)]
    assert too_large(ramp(300, 5, 30, 10, 100), 117) == [300]


def test_a_dataset_smaller_than_the_first_phase_is_refused_with_what_to_set():
    with pytest.raises(ValueError, match=re.escape("set ramp.phases.p5.size=3")):
        planned(ramp(5, 10), 3)


def test_a_phases_own_thresholds_go_before_the_ramps():
    found = Ramp({"a": Phase(5, rule="health"), "b": Phase(10, stop_below=0.1)}, Gate("point", 0.3, 0.9))
    first, second = planned(found, 20)
    assert (first.gate.rule, first.gate.stop_below) == ("health", 0.3)
    assert (second.gate.rule, second.gate.stop_below, second.gate.good_above) == ("point", 0.1, 0.9)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"phases": {}}, "a ramp needs at least one"),
        ({"phases": {"a": Phase(5), "b": Phase(5)}}, "each must be another"),
        ({"phases": {"a": Phase(5)}, "retry": "some"}, "one of none, failed, all"),
        ({"phases": {"a": Phase(5)}, "until": "never"}, "end or good"),
        ({"phases": {"a": Phase(5)}, "shares": {"x": 0.5}}, "together they must be 1"),
        ({"phases": {"a": Phase(5)}, "shares": {"x": 1.5, "y": -0.5}}, "above 0"),
        ({"phases": {"a": Phase(5, stop_below=0.9)}}, "above good_above"),
    ],
)
def test_ramps_that_can_never_work_are_refused(settings, says):
    with pytest.raises(ValueError, match=says):
        Ramp(**settings)


strata = st.lists(st.sampled_from("abcde"), min_size=1, max_size=80).map(
    lambda kinds: {f"i{number}": kind for number, kind in enumerate(kinds)}
)
SHARES = [{"x": 0.5, "y": 0.5}, {"x": 0.25, "y": 0.75}, {"x": 0.2, "y": 0.3, "z": 0.5}]


@given(strata, st.sampled_from(SHARES), st.integers(0, 99))
def test_shares_are_kept_within_one_instance_a_stratum_and_never_change_as_the_sample_grows(kinds, shares, seed):
    found = shared_out(kinds, shares, seed)
    for size in range(1, len(kinds) + 1):
        assert shared_out(dict(list(kinds.items())[:size]), shares, seed) == dict(list(found.items())[:size])
    for kind in set(kinds.values()):
        there = Counter(found[name] for name in kinds if kinds[name] == kind)
        assert all(abs(there[share] - part * there.total()) <= 1 for share, part in shares.items())


@given(st.integers(0, 99))
def test_halves_are_halves_also_where_each_instance_is_a_stratum_of_its_own(seed):
    found = shared_out({f"i{n}": str(n) for n in range(10)}, {"x": 0.5, "y": 0.5}, seed)
    assert Counter(found.values()) == {"x": 5, "y": 5}


def test_invariant_7_a_frozen_sample_knows_whether_it_was_edited():
    instances = tuple(Instance(f"i{n}", "?", tags=("ab"[n % 2],)) for n in range(20))
    found = freeze(Dataset("d", "x" * 64, instances), 10, 1, "tags", {"one": 0.5, "two": 0.5})
    assert found.is_whole
    assert Counter(one.stratum for one in found.instances) == {"a": 5, "b": 5}
    assert Counter(one.ladder for one in found.instances) == {"one": 5, "two": 5}
    assert not replace(found, instances=found.instances[1:]).is_whole


def test_tiers_say_what_the_rate_meets_and_what_its_bound_shows():
    assert tiers(0.96, 0.82) == {"80%": "shown", "90%": "met", "95%": "met", "100%": "missed"}
    assert tiers(None, None) == dict.fromkeys(("80%", "90%", "95%", "100%"), "missed")


def summed(found, previous=None, costs=(1.0,)):
    return phase_summary(result_rows(found), check(Gate(), found), costs, previous)


def test_a_phases_summary_counts_only_what_was_judged():
    found = [*rows(3, 1), row("x", X, "rate_limit"), row("q", Q)]
    summary = summed(found, previous=0.5)
    assert (summary.total, summary.verified, summary.judged) == (6, 3, 4)
    assert (summary.success_rate, summary.improvement_from_previous) == (0.75, 0.25)
    assert (summary.unfinished, summary.quarantined, summary.cost_usd) == (1, 1, 1.0)


def test_nothing_judged_is_no_rate_and_an_unknown_cost_stays_unknown():
    summary = summed([row("q", Q)], previous=0.5, costs=(1.0, None))
    assert (summary.success_rate, summary.improvement_from_previous, summary.cost_usd) == (None, None, None)


def test_a_retry_is_compared_on_exactly_the_instances_that_both_judged():
    before = result_rows([*rows(0, 8), row("was-unfinished", X), row("gone", U)])
    after = result_rows([*[row(f"i{n}", S) for n in range(7)], row("i7", U), row("was-unfinished", S), row("new", S)])
    found = retried("abc", "all", 3, before, after)
    assert (found.shared, found.before, found.after, found.improvement) == (8, 0, 7, 7 / 8)
    assert (found.conclusion, found.p_value) == ("better", pytest.approx(2 * 0.5**7))
    assert found.lost == ()


def test_a_retry_of_the_failed_alone_is_not_called_better():
    """Chosen because they failed, some pass by chance; none can get worse."""
    found = retried("abc", "failed", 3, result_rows(rows(0, 8)), result_rows(rows(8, 0)))
    assert (found.improvement, found.uplift, found.p_value, found.conclusion) == (1.0, None, None, None)


NEXT = {
    "unfinished": (rows(4, 0, unfinished=1), "the same command tries only these again"),
    "formats": ([row(f"i{n}", U, "truncated") for n in range(5)], "max_tokens"),
    "hopeless": (rows(0, 30), "ramp.retry=failed"),
    "on": (rows(5, 5), "phase 2 of 2, 40 instances, 30 of them new: about $3.0000, about 30 s"),
}


@pytest.mark.parametrize("case", NEXT)
def test_every_gate_says_what_to_do_next(case):
    found, says = NEXT[case]
    ruling = check(Gate(), found)
    ended = ruling.decision is Decision.STOP
    told = what_next(planned(ramp(10, 40), 40), 1, ruling, summed(found), 10.0, ended=ended)
    assert says in told
