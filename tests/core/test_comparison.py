"""Comparing runs: what is paired, what is refused, and what follows from it."""

from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.core.comparison import against, compare, places
from evalkit.core.errors import ConfigError
from evalkit.core.levers import levers
from evalkit.core.pairing import refuse
from evalkit.core.traits import Traits
from tests.core.compared import side

REVERSE = {"better": "worse", "worse": "better"}


def traits(count, **by):
    return [Traits(f"i{n:03}", **{name: value(n) for name, value in by.items()}) for n in range(count)]


@settings(deadline=None, max_examples=40)
@given(st.lists(st.sampled_from(["++", "+-", "-+", "--", "?+", "-!"]), min_size=2, max_size=40))
def test_turning_the_runs_round_turns_everything(drawn):
    marks = [*drawn, "+-"]  # at least one that both judged
    a, b = (side("".join(one[n] for one in marks), "AB"[n]) for n in (0, 1))
    there, back = compare(a, b), compare(b, a)
    assert there.found.uplift.value == pytest.approx(-back.found.uplift.value)
    assert there.found.uplift.low == pytest.approx(-back.found.uplift.high)
    assert there.found.p_value == pytest.approx(back.found.p_value)
    assert there.conclusion == REVERSE.get(back.conclusion, back.conclusion)
    assert [(one.instance_id, one.a, one.b) for one in there.flips] == [
        (one.instance_id, one.b, one.a) for one in back.flips
    ]
    counted = (there.found.both, len(there.found.lost), len(there.found.gained), there.found.neither)
    assert sum(counted) == there.found.instances == len(there.pairs)
    assert (there.left_out["a"], there.left_out["b"]) == (back.left_out["b"], back.left_out["a"])


def test_what_says_nothing_of_the_models_is_left_out_on_both_sides_and_told():
    found = compare(side("+-?!+"), side("+++++", "B"))
    assert (found.found.instances, found.found.gained) == (3, ("i001",))
    assert found.left_out == {"a": {"quarantined": 1, "unfinished": 1}, "b": {}}


@pytest.mark.parametrize(
    ("marks", "other", "allowed", "said"),
    [
        ("++", {"simulated": True}, {}, "B (b) is simulated and A (a) is live; --allow-simulated"),
        ("++", {"simulated": True}, {"simulated": True}, ""),
        ("++", {"digest": "e"}, {}, "on different datasets (mine, mine); --shared-only"),
        ("+++", {}, {}, "on different samples; --shared-only"),
        ("+++", {}, {"shared_only": True}, ""),
        ({"i000": "++", "i001": "+-"}, {}, {}, "repeat instances differently (1 and 2 epochs); --shared-only"),
    ],
)
def test_runs_that_must_not_be_compared_are_refused_in_one_line(marks, other, allowed, said):
    sides = [side("+-"), side(marks, "B", **other)]
    if not said:
        refuse(sides, **allowed)
        return
    with pytest.raises(ConfigError) as refused:
        refuse(sides, **allowed)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_runs_that_share_no_judged_instance_are_refused():
    with pytest.raises(ConfigError, match="share no judged instance"):
        compare(side("?+"), side("+?", "B"))


def test_five_instances_that_differ_cannot_show_anything_and_the_sample_that_could_is_told():
    found = compare(side("-----+++++"), side("++++++++++", "B"))
    assert (found.conclusion, found.found.p_value) == ("cannot_show", 0.0625)
    assert found.found.sample == pytest.approx(17, abs=5)
    assert 0.5 < found.smallest <= inf


def test_a_difference_is_placed_by_difficulty_tag_and_repository():
    known = traits(
        12, tags=lambda n: ("even",) if n % 2 == 0 else (), difficulty=lambda n: "hard" if n < 4 else "easy",
        cluster=lambda n: f"repo{n % 6}",
    )  # fmt: skip
    found = compare(side("-" * 12, traits=known), side("+" * 8 + "-" * 4, "B", traits=known))
    parts = {part.name: (part.instances, part.only_b) for part in (*found.difficulties, *found.tags)}
    assert parts == {"easy": (8, 4), "hard": (4, 4), "even": (6, 4)}
    assert [part.name for part in found.clusters] == [f"repo{n}" for n in range(6)]
    assert (found.found.clusters, found.clustered.clusters) == (None, 6)
    assert (found.failures[0].name, found.failures[0].a, found.failures[0].a_solved_by_b) == ("test_failure", 12, 8)


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (("hard", "hard", "hard", "medium", "medium", "Easy"), ["Easy", "medium", "hard"]),
        (("1-4 hours", "1-4 hours", "<15 min fix"), ["<15 min fix", "1-4 hours"]),
        (("level 2", "level 10", "level 10", "level 1"), ["level 2", "level 10", "level 1"]),  # as the dataset has them
    ],
)
def test_difficulties_come_from_easy_to_hard_however_many_they_are(names, shown):
    known = traits(len(names), difficulty=lambda n: names[n])
    found = compare(side("-" * len(names), traits=known), side("+" * len(names), "B", traits=known))
    assert [part.name for part in found.difficulties] == shown


def test_without_recorded_traits_nothing_is_grouped():
    found = compare(side("+-"), side("-+", "B"))
    assert (found.known, found.tags, found.clustered) == (False, (), None)


def test_costs_that_are_unknown_are_no_zero():
    found = compare(side("+-", cost=None), side("++", "B"))
    assert (found.cost_usd, found.per_solved.a) == (None, None)
    assert found.per_solved.b.value == 0.5
    assert found.attempts.difference.value == 0


def test_repeats_are_shares_of_an_instance():
    a = side({"x": "+--", "y": "---", "z": "+++"})
    b = side({"x": "++-", "y": "+?+", "z": "+++"}, "B")
    found = compare(a, b)
    assert (found.found.epochs, found.found.gained, found.found.both) == (3, ("x", "y"), 1)
    assert found.found.uplift.value == pytest.approx((1 / 3 + 1 + 0) / 3)  # the unfinished epoch counts on neither side
    assert [one.k for one in found.passes] == [1, 2]
    assert [(one.instance_id, round(one.a, 2), round(one.b, 2)) for one in found.flips] == [
        ("x", 0.33, 0.67),
        ("y", 0.0, 1.0),
    ]


def test_several_runs_are_corrected_and_ranked():
    runs = [side("-" * 20), side("+" * 7 + "-" * 13, "B"), side("+" * 8 + "-" * 12, "C"), side("-" * 20, "D")]
    b, c, d = against(runs[0], runs[1:])
    assert (b.conclusion, c.conclusion, d.conclusion) == ("better", "better", "cannot_show")
    assert (b.p_adjusted, c.p_adjusted) == pytest.approx((2 * b.found.p_value, 3 * c.found.p_value))
    assert [(one.place, one.name) for one in places(runs)] == [(1, "C"), (2, "B"), (3, "A"), (3, "D")]
    assert "C" in places(runs)[1].level_with


def test_a_correction_can_take_a_difference_back():
    runs = [side("-" * 20), *(side("+" * 6 + "-" * 14, label) for label in "BCDE")]
    assert {one.conclusion for one in against(runs[0], runs[1:])} == {"no_difference_shown"}
    assert compare(runs[0], runs[1]).conclusion == "better"


def test_the_lever_that_lifted_is_found():
    weak, strong = "+" * 4 + "-" * 16, "+" * 14 + "-" * 6
    sides = [side(weak), side(weak, "B"), side(strong, "C"), side(strong, "D")]
    choices = [{"model": model, "feedback": word} for model in ("small", "big") for word in ("none", "last")]
    found = levers(sides, choices)
    assert [(one.factor, one.level) for one in found.lifted] == [("model", "big")]
    assert found.lifted[0].effect.value == pytest.approx(0.5)
    thrice = [side({f"i{n:03}": marks for n in range(20)}) for marks in ("---", "---", "+--", "+--")]
    effect = levers(thrice, choices).lifted[0].effect
    assert effect.value == pytest.approx(1 / 3)
    assert effect.high - effect.low < 0.2  # 120 climbs a side; 0.3, if an epoch's share were one climb
    with pytest.raises(ConfigError, match="different factors"):
        levers(sides[:2], [{"model": "a"}, {"feedback": "b"}])
