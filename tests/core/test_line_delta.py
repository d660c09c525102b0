"""A text as what it keeps, drops and adds of another."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.core.line_delta import applied, delta

TEXTS = st.lists(st.sampled_from(["a", "b", "", "def f():", " é\r"]), max_size=12).map("\n".join)


@pytest.mark.parametrize(
    ("before", "after", "script"),
    [
        ("a\nb", "a\nb", [2]),
        ("a\nb\nc", "a\nx\nc", [1, -1, "x", 1]),
        ("", "a", [-1, "a"]),  # the empty text is one empty line
        ("a", "", [-1, ""]),
        ("a\nb", "a\nb\nc\nd", [2, "c\nd"]),
        ("a\nb\nc", "c", [-2, 1]),
    ],
)
def test_a_delta_says_what_stays_goes_and_comes(before: str, after: str, script: list[int | str]):
    assert delta(before, after) == script


@given(TEXTS, TEXTS)
def test_a_text_comes_back_from_its_delta(before: str, after: str):
    assert applied(before, delta(before, after)) == after
