"""similarity: what is near enough to a reference, by which metric."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.core.rules.keys import KeyFaults
from evalkit.core.rules.similarity import DISTANCES, RATIOS, Similarity

METRICS = [*DISTANCES, *RATIOS]


@pytest.mark.parametrize("metric", METRICS)
def test_by_every_metric_the_reference_is_like_itself_and_nothing_is_not(metric):
    check = Similarity("two words", 1, metric)
    assert check.violations("  two words\n") == []
    (place,) = check.violations("")
    assert place.detail == f"its similarity to the reference is 0 by {metric}; at least 1 wanted"


@pytest.mark.parametrize(
    ("keys", "candidate", "holds"),
    [
        ({"min": 0.57}, "kitten", True),  # 3 of 7 letters differ: 0.571
        ({"min": 0.58}, "kitten", False),
        ({"min": 1, "ignore_case": True}, "SITTING", True),
        ({"min": 1}, "SITTING", False),
        ({"min": 1, "ignore_space": True}, "sit  ting", True),
        ({"min": 1}, "sit ting", False),
        ({"min": 1, "metric": "partial_ratio"}, "he was sitting there", True),
    ],
)
def test_a_candidate_is_near_enough_or_not(keys, candidate, holds):
    assert (Similarity("sitting", **keys).violations(candidate) == []) is holds


def test_token_metrics_take_no_heed_of_order_nor_of_blanks():
    check = Similarity("one two three", 1, "token_sort_ratio", ignore_space=True)
    assert check.violations("three\n\n one   two") == []


def test_what_is_said_is_never_rounded_up_to_what_was_wanted():
    (place,) = Similarity("a" * 10_000, 0.9999).violations("a" * 9_998 + "bb")
    assert "is 0.999 by Levenshtein; at least 0.9999 wanted" in place.detail


def test_a_text_that_would_take_minutes_is_refused():
    (place,) = Similarity("ab " * 1000, 0.5, "partial_ratio").violations("x" * 900_000)
    assert "too long to be compared" in place.detail


def test_a_reference_of_blanks_is_refused():
    with pytest.raises(KeyFaults, match="reference: is empty"):
        Similarity(" \n", 0.5)


@settings(deadline=None)
@given(st.text(min_size=1).filter(str.strip), st.text(), st.sampled_from(METRICS), st.booleans(), st.booleans())
def test_whatever_is_compared_has_a_verdict(reference, candidate, metric, case, space):
    check = Similarity(reference, 0.5, metric, case, space)
    assert len(check.violations(candidate)) <= 1
