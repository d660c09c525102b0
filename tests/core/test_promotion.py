"""When an alias may move, and which run is the best."""

import pytest

from evalkit.core.errors import ConfigError, RefusedError
from evalkit.core.promotion import Candidate, best, enough, may_move
from tests.core.compared import side


@pytest.mark.parametrize(
    ("champion", "challenger", "margin", "rule"),
    [
        ("-" * 12, "+" * 12, 0.05, "better"),
        ("+" * 12, "-" * 11 + "+", 0.05, "worse"),
        ("-" * 12, "-" * 12, 0.9, "nothing_solved"),
        ("+" * 12, "+" * 12, 0.05, "not_shown"),  # 12 instances cannot rule out 5 points
        ("+" * 12, "+" * 12, 0.3, "not_worse"),
        ("+-" * 50, "+-" * 50, 0.05, "not_worse"),
        ("+" * 100, "-" * 8 + "+" * 92, 0.2, "not_worse"),  # worse for sure, and by less than was allowed
        ("+" * 100, "-" * 8 + "+" * 92, 0.05, "worse"),
    ],
)
def test_an_alias_moves_to_what_is_better_or_not_worse_by_more_than_the_margin(champion, challenger, margin, rule):
    ruling = may_move(side(champion), side(challenger), margin)
    assert (ruling.rule, ruling.allowed) == (rule, rule in ("better", "not_worse"))
    assert str(len(champion)) in ruling.why


def test_the_first_needs_no_comparison_and_others_must_be_on_the_same_instances():
    assert may_move(None, side("+-")).rule == "first"
    assert may_move(None, side("--?")).why == "it solved nothing, of 3"
    assert may_move(side("+-+"), side("+-")).rule == "not_comparable"
    assert may_move(side("+-", digest="other"), side("+-")).rule == "not_comparable"
    assert may_move(side("+-", simulated=True), side("+-")).rule == "not_comparable"
    assert may_move(side("-" * 9, simulated=True), side("+" * 9), simulated=True).rule == "better"


def test_a_refusal_says_how_many_instances_would_do():
    assert "about 73 instances" in may_move(side("+" * 12), side("+" * 12)).why
    assert enough(lost=5, gained=0, instances=20, margin=0.05) is None  # no sample makes these not worse


def candidate(name, rate, cost, started=0):
    metrics = {"solved_rate": rate} | ({} if cost is None else {"cost_usd": cost})
    return Candidate(name, name, metrics, started)


@pytest.mark.parametrize(
    ("metric", "candidates", "winner"),
    [
        ("solved_rate", [candidate("low", 0.5, 0), candidate("high", 0.6, 9)], "high"),
        ("solved_rate", [candidate("dear", 0.6, 2), candidate("cheap", 0.6, 1)], "cheap"),
        ("solved_rate", [candidate("unknown", 0.6, None), candidate("known", 0.6, 5)], "known"),
        ("solved_rate", [candidate("later", 0.6, 1, 8), candidate("earlier", 0.6, 1, 7)], "earlier"),
        ("cost_usd", [candidate("dear", 0.9, 2), candidate("cheap", 0.1, 1), candidate("unknown", 1, None)], "cheap"),
    ],
)
def test_the_best_is_the_cheaper_and_then_the_earlier_of_equals(metric, candidates, winner):
    assert best(candidates, metric).name == winner
    assert best(candidates[::-1], metric).name == winner


def test_what_solved_nothing_is_the_cheapest_and_no_best():
    none, some = (
        Candidate(name, name, {"cost_usd": cost, "solved": n}, 0) for name, cost, n in (("0", 0, 0), ("1", 1, 1))
    )
    assert [best([none, some], "cost_usd", useless=useless).name for useless in (False, True)] == ["1", "0"]
    with pytest.raises(RefusedError, match="solved anything; --force"):
        best([none], "cost_usd")


def test_a_metric_that_no_run_has_is_named():
    with pytest.raises(ConfigError, match="'solved_rat'"):
        best([candidate("a", 1, 1)], "solved_rat")
