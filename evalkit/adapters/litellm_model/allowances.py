"""What a provider's rate-limit headers say is left, in OpenAI's names (which most others use) and Anthropic's."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from evalkit.core.concurrency import Told

PREFIX = "llm_provider-"  # litellm's, before the name that the provider gave
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
SECONDS_AT_MOST = 10_000_000  # a larger plain number is a moment, as OpenRouter gives it (in seconds or milliseconds)
MILLISECONDS = 100_000_000_000


def told(response: Any, now: datetime | None = None) -> Told | None:
    """What a response's headers say; None where they say nothing, as with servers of one's own."""
    return of_headers((getattr(response, "_hidden_params", None) or {}).get("additional_headers") or {}, now)


def of_headers(headers: Mapping[str, Any], now: datetime | None = None) -> Told | None:
    """The same of an answer's headers themselves."""
    if not any("ratelimit" in name.lower() for name in headers):
        return None
    return read({name.removeprefix(PREFIX).lower(): str(value) for name, value in headers.items()}, now)


def read(headers: Mapping[str, str], now: datetime | None = None) -> Told:
    """The same of the provider's own headers, names in small letters."""
    now = now or datetime.now(UTC)
    found: list[float | None] = []
    for what in ("requests", "tokens"):
        left = _first(headers, f"x-ratelimit-remaining-{what}", f"anthropic-ratelimit-{what}-remaining")
        reset = _first(headers, f"x-ratelimit-reset-{what}", f"anthropic-ratelimit-{what}-reset")
        if what == "requests":
            left = left or headers.get("x-ratelimit-remaining")
            reset = reset or headers.get("x-ratelimit-reset")
        found += [_number(left), seconds(reset, now)]
    requests, requests_reset, tokens, tokens_reset = found
    return Told(_whole(requests), requests_reset, _whole(tokens), tokens_reset)


def seconds(text: str | None, now: datetime) -> float | None:
    """Seconds until a reset: `6m0s`, `20ms`, plain seconds, a moment as RFC 3339 or since 1970; None: unreadable."""
    if not text:
        return None
    if (number := _number(text)) is not None:
        moment = number / 1000 if number > MILLISECONDS else number
        return max(0.0, moment - now.timestamp()) if number > SECONDS_AT_MOST else max(0.0, number)
    parts = PART.findall(text)
    if parts and "".join(map("".join, parts)) == text:
        return sum(float(value) * UNITS[unit] for value, unit in parts)
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return None
    return max(0.0, (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() - now.timestamp())


def _first(headers: Mapping[str, str], *names: str) -> str | None:
    return next((headers[name] for name in names if name in headers), None)


def _number(text: str | None) -> float | None:
    try:
        number = float(text) if text else None
    except ValueError:
        return None
    return number if number is not None and abs(number) != float("inf") and number == number else None  # noqa: PLR0124  nan


def _whole(number: float | None) -> int | None:
    return None if number is None else int(number)
