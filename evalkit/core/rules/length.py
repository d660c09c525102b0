"""`length`: how many words, lines and characters a candidate may have, blanks around it not counted."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from evalkit.core.rubric import Violation
from evalkit.core.rules.keys import KeyFault, refuse

Bounds = Mapping[str, int]
_BOUNDS = {
    "type": "object",
    "minProperties": 1,
    "additionalProperties": False,
    "properties": {"min": {"type": "integer", "minimum": 0}, "max": {"type": "integer", "minimum": 0}},
}
COUNT: dict[str, Callable[[str], int]] = {
    "words": lambda text: len(text.split()),
    "lines": lambda text: len(text.splitlines()),
    "characters": len,
}


@dataclass(frozen=True)
class Length:
    """Bounds by unit: `words: {min: 3, max: 20}`; either end may be left out."""

    words: Bounds | None = None
    lines: Bounds | None = None
    characters: Bounds | None = None

    SCHEMA: ClassVar[dict[str, Any]] = {"properties": dict.fromkeys(COUNT, _BOUNDS)}

    def __post_init__(self) -> None:
        """Refuse bounds that nothing can meet. Raises KeyFaults."""
        refuse(self._faults())

    def violations(self, candidate: str) -> list[Violation]:
        """One for each unit that is out of its bounds."""
        text = candidate.strip()
        found = (_out_of(unit, COUNT[unit](text), bounds) for unit, bounds in self._bounds())
        return [Violation(detail) for detail in found if detail]

    def _bounds(self) -> Iterator[tuple[str, Bounds]]:
        for unit in COUNT:
            bounds = getattr(self, unit)
            if bounds is not None:
                yield unit, bounds

    def _faults(self) -> Iterator[KeyFault]:
        if not any(self._bounds()):
            yield KeyFault((), f"says nothing to count; give one of {', '.join(COUNT)}, e.g. words: {{max: 50}}")
        for unit, bounds in self._bounds():
            if bounds.get("min", 0) > bounds.get("max", float("inf")):
                yield KeyFault((unit,), f"min {bounds['min']!r} is more than max {bounds['max']!r}")


def _out_of(unit: str, count: int, bounds: Bounds) -> str:
    noun = unit if count != 1 else unit[:-1]
    if count < bounds.get("min", 0):
        return f"it has {count} {noun}; at least {bounds['min']} wanted"
    if count > bounds.get("max", count):
        return f"it has {count} {noun}; at most {bounds['max']} allowed"
    return ""
