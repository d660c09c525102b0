"""`any_of`, `all_of` and `not`: a rule made of other rules' checks, to any depth."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from evalkit.core.rubric import Violation
from evalkit.core.rules.where import MANY, short

LONGEST = 300  # characters of what any_of says of all its alternatives


@dataclass(frozen=True)
class Part:
    """One check under `of`, with its kind's name and what it is for."""

    kind: str
    check: Any  # a Check, an Effect (core/ports) or a Composite
    description: str = ""

    @property
    def name(self) -> str:
        """How messages call it."""
        return self.description or self.kind


@dataclass(frozen=True)
class _Composite:
    """`of` holds the parts; NESTED says to whoever builds it whether that is one part or a list of them."""

    of: tuple[Part, ...]

    NESTED: ClassVar[str] = "list"
    SCHEMA: ClassVar[dict[str, Any]] = {
        "required": ["of"],
        "properties": {"of": {"type": "array", "minItems": 1, "items": {"type": "object"}}},
    }

    @property
    def parts(self) -> tuple[Any, ...]:
        """The checks of its parts."""
        return tuple(part.check for part in self.of)

    def violations(self, candidate: str) -> list[Violation]:
        """Its own violations, where the candidate's text decides; parts that need the world have none here."""
        return self.combined([part.violations(candidate) for part in self.parts])

    def combined(self, found: Sequence[list[Violation]]) -> list[Violation]:
        """Its own violations, given those of each part, in order."""
        raise NotImplementedError


class AnyOf(_Composite):
    """Holds where at least one part holds."""

    def violations(self, candidate: str) -> list[Violation]:
        """None as soon as one part holds: the parts behind it are not asked."""
        found = []
        for part in self.parts:
            found.append(part.violations(candidate))
            if not found[-1]:
                return []
        return self.combined(found)

    def combined(self, found: Sequence[list[Violation]]) -> list[Violation]:
        """One, saying shortly what each alternative misses; its place is the first that any of them names."""
        if not all(found):
            return []
        firsts = {places[0] for places in found}
        if len(firsts) == 1 and found[0][0].line is not None:  # such as where the candidate does not parse
            return [found[0][0]]
        said = (_said(part, places[0]) for part, places in zip(self.of, found, strict=True))
        missed = "; ".join(dict.fromkeys(said))
        first = next((place for places in found for place in places if place.line is not None), Violation())
        return [Violation(short(missed, LONGEST), first.line, first.excerpt, unread=any(map(_unread, found)))]


class AllOf(_Composite):
    """Holds where every part holds."""

    def combined(self, found: Sequence[list[Violation]]) -> list[Violation]:
        """All of every part, each with the part's name where it has a description."""
        return list(self._all(found))[:MANY]

    def _all(self, found: Sequence[list[Violation]]) -> Iterator[Violation]:
        for part, places in zip(self.of, found, strict=True):
            for place in places:
                yield replace(place, detail=_said(part, place)) if part.description else place


class Not(_Composite):
    """Holds where its part does not. What could not be looked at is no proof of that: then neither of them holds."""

    NESTED: ClassVar[str] = "one"
    SCHEMA: ClassVar[dict[str, Any]] = {"required": ["of"], "properties": {"of": {"type": "object"}}}

    def combined(self, found: Sequence[list[Violation]]) -> list[Violation]:
        """One, if the part holds; what it says where it could not look."""
        if not found[0]:
            return [Violation(f"this must not hold, and does: {self.of[0].name}")]
        return found[0] if _unread(found[0]) else []


def _unread(places: Sequence[Violation]) -> bool:
    """Whether a part may hold all the same: nothing but that it could not look speaks against it."""
    return all(place.unread for place in places)


def _said(part: Part, place: Violation) -> str:
    """`doubling: not found`."""
    return f"{part.name}: {place.detail}" if place.detail else f"{part.name}: does not hold"
