"""A rubric: rules as data, and the pure judgement of a candidate by them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol


@dataclass(frozen=True, slots=True)
class Violation:
    """One place where a rule does not hold; `line` counts from 1. `detail` completes the rule's message.

    `unread`: the candidate could not be looked at, e.g. does not parse; that proves nothing to a `not` either.
    """

    detail: str = ""
    line: int | None = None
    excerpt: str = ""
    unread: bool = False


class Check(Protocol):
    """A rule kind's own part: what in a candidate breaks the rule (nothing: the rule holds)."""

    def violations(self, candidate: str) -> list[Violation]:
        """All places that break the rule, in order."""
        ...


class Composite(Protocol):
    """A check made of other checks: any_of, all_of, not."""

    @property
    def parts(self) -> "tuple[Check, ...]":
        """The checks that it is made of; each is a Check, an Effect (core/ports) or a Composite."""
        ...

    def combined(self, found: Sequence[list[Violation]]) -> list[Violation]:
        """Its own violations, given those of each part, in order."""
        ...


def leaves(check: Any) -> Iterator[Any]:
    """The checks that a check is made of in the end: itself, where it has no parts."""
    parts = getattr(check, "parts", None)
    if parts is None:
        yield check
    else:
        for part in parts:
            yield from leaves(part)


def source(check: Any) -> str:
    """The `source` of what a check finds: `test` as soon as a part of it shows how hidden tests ended."""
    return "test" if any(getattr(leaf, "source", "") == "test" for leaf in leaves(check)) else "rule"


class Kind(Check, Protocol):
    """A kind of rule: a dataclass of its keys, which `SCHEMA` describes (`properties` and `required`)."""

    SCHEMA: ClassVar[dict[str, Any]]

    def __init__(self, **keys: Any) -> None: ...


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule with its examples. `check` is the object of the rule's kind (core/rules)."""

    id: str
    kind: str
    check: Check
    message: str
    description: str = ""
    weight: float = 1.0
    required: bool = True
    tags: tuple[str, ...] = ()
    accept: tuple[str, ...] = ()
    reject: tuple[str, ...] = ()
    sensitive: tuple[str, ...] = ()  # what it is meant to see beside the meaning: core/mutation.CHANGES


@dataclass(frozen=True, slots=True)
class RejectedAnswer:
    """A whole answer that a rubric must reject, and the ids of the rules that it breaks, where that is said."""

    text: str
    rules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Examples:
    """Whole answers that a rubric must accept and reject."""

    accept: tuple[str, ...] = ()
    reject: tuple[RejectedAnswer, ...] = ()


@dataclass(frozen=True, slots=True)
class Rubric:
    """Rules; they accept when all required ones hold and, with a threshold, this share of the weights.

    The threshold is above 0 and at most 1. In a file rules are required by default, but with a threshold only
    those that say `required: true`.
    """

    name: str
    rules: tuple[Rule, ...]
    description: str = ""
    threshold: float | None = None
    examples: Examples = Examples()
