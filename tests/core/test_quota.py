"""What providers say when a quota is used up, and when it will be full again."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.core.errors import QuotaError, RateLimitError
from evalkit.core.quota import stated, used_up, wait_s

NOW = datetime(2026, 1, 31, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Please try again in 2h5m", 7500),
        ("try again in 7m12.5s.", 432.5),
        ("Your limit resets in 3 hours and 20 minutes", 12_000),
        ("usage limit reached; resets at 2026-01-31T09:30:00Z", 5400),
        ("quota renews on 2026-01-31 10:00 UTC", 7200),
        ("retry after 30 seconds", 30),
        ("resets in 2 days", 172_800),
        ("available again in 250ms", 0.25),
        ("resets at 2026-01-31T07:00:00+00:00", 0),
        ("resets at 3pm", None),
        ("resets at 2026-13-45T99:99", None),
        ("Rate limit reached", None),
    ],
)
def test_a_reset_is_read_out_of_words(text, seconds):
    assert stated(text, NOW) == seconds


@given(st.text())
def test_no_text_breaks_the_reader(text):
    found = stated(f"resets in {text}", NOW)
    assert found is None or found >= 0


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (QuotaError("insufficient_quota"), True),
        (RateLimitError("429", retry_after_s=3600), True),  # nobody waits so long within one call
        (RateLimitError("429", retry_after_s=20), False),
        (RateLimitError("you have reached your weekly usage limit"), True),
        (RateLimitError("Limit 14400 requests per day, used 14400"), True),
        (RateLimitError("usage limit reached, try again in 10s"), False),
        (RateLimitError("Rate limit reached for requests per minute"), False),
        (RateLimitError("Resource has been exhausted (e.g. check quota)"), False),
    ],
)
def test_a_quota_is_told_from_a_rate_limit(error, expected):
    assert used_up(error, 300, NOW) is expected


def test_a_header_goes_before_words():
    assert wait_s(RateLimitError("try again in 5s", retry_after_s=60), NOW) == 60
