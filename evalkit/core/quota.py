"""Whether a provider says that a quota or subscription is used up, and when it says that it is full again."""

import re
from datetime import UTC, datetime

from evalkit.core.errors import QuotaError, RateLimitError

USED_UP = re.compile(
    r"\b(usage|session|hourly|daily|weekly|monthly|spending|spend)[ _-]?(usage[ _-]?)?(limit|cap|quota)\b"
    r"|(requests?|tokens?) per (day|week|month)\b|\b[TR]PD\b",
    re.IGNORECASE,
)
UNITS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
UNIT = r"(?P<unit>d(?:ays?)?|h(?:ours?|rs?)?|ms|milliseconds?|m(?:in(?:utes?)?)?|s(?:ec(?:onds?)?)?)"
PART = re.compile(rf"(?P<number>\d{{1,9}}(?:\.\d{{1,6}})?)\s*{UNIT}(?![a-z])", re.IGNORECASE)
WAIT = re.compile(
    rf"(?:resets?|reset|again|retry|available|renews?|refill(?:ed|s)?)\s+(?:in|after)\s+"
    rf"(?P<span>(?:\d{{1,9}}(?:\.\d{{1,6}})?\s*(?:{UNIT.replace('?P<unit>', '?:')})(?![a-z])[\s,]*(?:and\s+)?)+)",
    re.IGNORECASE,
)
MOMENT = re.compile(
    r"(?:resets?|again|retry|available|renews?)\s+(?:at|on|after)\s+"
    r"(?P<when>\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?\s*(?:Z|UTC|[+-]\d\d:?\d\d)?)",
    re.IGNORECASE,
)


def used_up(error: RateLimitError, patience_s: float, now: datetime) -> bool:
    """Whether waiting a little does not help: the provider says so, or asks for more than `patience_s`."""
    if isinstance(error, QuotaError):
        return True
    wait = wait_s(error, now)
    return bool(USED_UP.search(str(error))) if wait is None else wait > patience_s


def wait_s(error: RateLimitError, now: datetime) -> float | None:
    """Seconds until the stated reset, by the header or else the text; None where nothing is stated."""
    return stated(str(error), now) if error.retry_after_s is None else error.retry_after_s


def stated(text: str, now: datetime) -> float | None:
    """Seconds until the reset that a text states: `try again in 2h 5m`, `resets at 2026-01-31T08:00Z` (UTC if none)."""
    if found := WAIT.search(text):
        return sum(float(part["number"]) * UNITS[_unit(part["unit"])] for part in PART.finditer(found["span"]))
    if found := MOMENT.search(text):
        return _until(found["when"], now)
    return None


def _unit(word: str) -> str:
    word = word.lower()
    return "ms" if word.startswith(("ms", "milli")) else word[0]


def _until(when: str, now: datetime) -> float | None:
    text = re.sub(r"\s*(UTC|Z)$", "+00:00", when.strip(), flags=re.IGNORECASE)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())
