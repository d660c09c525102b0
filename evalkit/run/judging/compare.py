"""Whether a value that came back is the expected one, as JSON compares, with a tolerance for floats."""

import json
from collections.abc import Mapping, Sequence
from math import isclose
from typing import Any


def same(expected: Any, got: Any, tolerance: float) -> bool:
    """Compare JSON values: a tuple equals a list, 2 equals 2.0, but no bool equals a number."""
    if isinstance(expected, bool) or isinstance(got, bool):
        return expected is got
    if isinstance(expected, int | float) and isinstance(got, int | float):
        return _close(expected, got, tolerance)
    if isinstance(expected, Mapping) and isinstance(got, Mapping):
        expected, got = (sorted(side.items()) for side in (expected, got))
    if _is_list(expected) and _is_list(got):
        pairs = zip(expected, got, strict=False)
        return len(expected) == len(got) and all(same(left, right, tolerance) for left, right in pairs)
    return type(expected) is type(got) and bool(expected == got)


def same_rows(expected: Any, got: Any, tolerance: float, *, ordered: bool) -> bool:
    """Compare a query's rows; unordered, each row must be there as often as it should."""
    if ordered or not _is_list(expected) or not _is_list(got):
        return same(expected, got, tolerance)
    left = list(got)
    for row in expected:
        found = next((number for number, other in enumerate(left) if same(row, other, tolerance)), None)
        if found is None:
            return False
        del left[found]
    return not left


def show(value: Any, longest: int = 200) -> str:
    """A value as Python writes it, cut to a sensible length."""
    try:
        text = _show(value)
    except RecursionError:
        text = "a value nested too deep to show"
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _show(value: Any) -> str:
    if isinstance(value, Mapping):
        if (tagged := _show_tagged(value)) is not None:
            return tagged
        return "{" + ", ".join(f"{key!r}: {_show(item)}" for key, item in value.items()) + "}"
    if _is_list(value):
        return "[" + ", ".join(map(_show, value)) + "]"
    return repr(value)


def _show_tagged(value: Mapping[str, Any]) -> str | None:
    match list(value.items()):
        case [("$repr" | "$float", str(text))]:
            return text
        case [("$set", list(items))]:
            return "{" + ", ".join(map(_show, items)) + "}" if items else "set()"
        case [("$bytes", str(digits))]:
            return f"bytes.fromhex({digits!r})"
        case [("$complex", [real, imaginary])]:
            return f"complex({_show(real)}, {_show(imaginary)})"
    return None


def text_of(value: Any) -> str:
    """JSON for the way into the sandbox."""
    return json.dumps(value, default=_plain)


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else list(value)


def _close(expected: float, got: float, tolerance: float) -> bool:
    if isinstance(expected, int) and isinstance(got, int):
        return expected == got
    try:
        return isclose(expected, got, rel_tol=tolerance, abs_tol=tolerance)
    except OverflowError:  # an integer beyond the floats
        return expected == got


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)
