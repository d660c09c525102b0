"""JSON with one value changed, and the same JSON written another way."""

import json
from collections.abc import Iterator
from typing import Any

from evalkit.core.mutation.made import Mutation, Rewrite

OTHERS: tuple[Any, ...] = (None, "", "other", -1, 0.5, 10**6, True, [], {})


def broken(example: str) -> Iterator[Mutation]:
    """Each key and item away, each value another one, of another type too; and what is no JSON any more."""
    try:
        value = json.loads(example)
    except (ValueError, RecursionError):
        return
    for name, changed in _changed(value):
        yield Mutation(name, json.dumps(changed, ensure_ascii=False))
    yield Mutation("single quotes", example.replace('"', "'"))
    yield Mutation("a comment in it", f"// the answer\n{example}")
    yield Mutation("a comma too much", f"{example.rstrip()[:-1]},{example.rstrip()[-1:]}")


def rewritten(example: str) -> Iterator[Rewrite]:
    """Indented, compact, its keys in another order, its characters escaped."""
    try:
        value = json.loads(example)
    except (ValueError, RecursionError):
        return
    yield Rewrite("indented", json.dumps(value, indent=2, ensure_ascii=False), "layout")
    yield Rewrite("compact", json.dumps(value, separators=(",", ":"), ensure_ascii=False), "layout")
    yield Rewrite("a newline at the end", example.rstrip() + "\n", "layout")
    yield Rewrite("keys in another order", json.dumps(_turned(value), ensure_ascii=False), "order")
    yield Rewrite("escaped characters", json.dumps(value), "layout")


def _changed(value: Any) -> Iterator[tuple[str, Any]]:
    """The value with one change in it, at each depth."""
    for other in OTHERS:
        if type(other) is not type(value) or other != value:
            yield "another value", other
    if isinstance(value, dict):
        for key, inner in value.items():
            yield "a key away", {name: one for name, one in value.items() if name != key}
            yield "another key", {(f"{name}_other" if name == key else name): one for name, one in value.items()}
            yield from ((how, {**value, key: other}) for how, other in _changed(inner))
        yield "a key too much", {**value, "other": 1}
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield "an item away", value[:place] + value[place + 1 :]
            yield from ((how, [*value[:place], other, *value[place + 1 :]]) for how, other in _changed(inner))
        yield "an item twice", [*value, *value[-1:]]


def _turned(value: Any) -> Any:
    """Keys have no order in JSON; items have."""
    if isinstance(value, dict):
        return {key: _turned(value[key]) for key in reversed(value)}
    return [_turned(one) for one in value] if isinstance(value, list) else value
