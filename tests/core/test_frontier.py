"""The frontier keeps what nothing beats."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.core.frontier import Point, frontier

POINTS = st.lists(st.builds(Point, st.text(max_size=3), st.integers(0, 9).map(float), st.integers(0, 9).map(float)))


def beats(a: Point, b: Point) -> bool:
    return a.cost <= b.cost and a.solved >= b.solved and (a.cost, a.solved) != (b.cost, b.solved)


@given(POINTS)
def test_what_is_kept_is_beaten_by_none_and_what_is_dropped_by_one_that_is_kept(points: list[Point]) -> None:
    kept = frontier(points)
    assert not any(beats(a, b) for a in points for b in kept)
    assert all(any(beats(a, b) or (a.cost, a.solved) == (b.cost, b.solved) for a in kept) for b in points)
    assert [one.cost for one in kept] == sorted({one.cost for one in kept})


def test_of_two_that_agree_the_first_given_stays() -> None:
    assert frontier([Point("b", 1, 0.5), Point("a", 1, 0.5)]) == (Point("b", 1, 0.5),)


def test_an_unknown_cost_is_refused_and_named() -> None:
    with pytest.raises(ValueError, match="'local' has cost nan"):
        frontier([Point("local", float("nan"), 0.5)])
