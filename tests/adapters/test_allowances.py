"""What rate-limit headers say, in the ways of several providers."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from evalkit.adapters.litellm_model.allowances import read, told
from evalkit.core.concurrency import Told

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
SAID = "x-ratelimit-{}-requests"


@pytest.mark.parametrize(
    ("headers", "means"),
    [
        ({SAID.format("remaining"): "3", SAID.format("reset"): "6m0s"}, Told(3, 360.0)),
        ({SAID.format("remaining"): "3", SAID.format("reset"): "20ms"}, Told(3, 0.02)),
        ({SAID.format("remaining"): "3", SAID.format("reset"): "2m59.56s"}, Told(3, 179.56)),
        ({"x-ratelimit-remaining-tokens": "10", "x-ratelimit-reset-tokens": "7.66"}, Told(None, None, 10, 7.66)),
        (
            {
                "anthropic-ratelimit-requests-remaining": "9",
                "anthropic-ratelimit-requests-reset": "2026-11-23T04:00:30Z",
            },
            Told(9, 30.0),
        ),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(NOW.timestamp() * 1000) + 5000)}, Told(0, 5.0)),
        ({SAID.format("remaining"): "many", SAID.format("reset"): "soon"}, Told()),
        ({SAID.format("remaining"): "nan", SAID.format("reset"): "-5"}, Told(None, 0.0)),
        ({}, Told()),
    ],
)
def test_headers_of_several_providers_are_read(headers, means):
    assert read(headers, NOW) == means


def test_litellms_names_for_them_are_known_and_a_server_that_says_nothing_costs_nothing():
    headers = {"llm_provider-x-ratelimit-remaining-requests": "3", "llm_provider-x-ratelimit-reset-requests": "1s"}
    assert told(SimpleNamespace(_hidden_params={"additional_headers": headers}), NOW) == Told(3, 1.0)
    assert told(SimpleNamespace(_hidden_params={"additional_headers": {"llm_provider-date": "x"}}), NOW) is None
