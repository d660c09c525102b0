"""What a rubric's examples and mutations showed about each of its rules."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from evalkit.core.judge import FailedExample

OK, WRONG, NEVER_FIRES, BRITTLE, UNCHECKED = "ok", "wrong", "never_fires", "brittle", "unchecked"


@dataclass(frozen=True, slots=True)
class Brittle:
    """A rewrite without a change of meaning on which a rule fires, and what it said of it."""

    rewrite: str
    changes: str
    example: str
    text: str
    found: str


@dataclass(frozen=True, slots=True)
class Tried:
    """So many texts were held against a rule; on so many it fired."""

    tried: int = 0
    caught: int = 0

    def and_one(self, *, fired: bool) -> "Tried":
        """With one text more."""
        return Tried(self.tried + 1, self.caught + fired)


@dataclass(frozen=True, slots=True)
class RuleReport:
    """`accepts` and `rejects` count the examples that the rule judges as it should.

    `mutations` should be caught, `rewrites` should not. `verdict` is ok, wrong (an example is judged wrongly, or `why`
    says why the rule can judge nothing), never_fires, brittle, or unchecked (`why` says what was missing).
    """

    id: str
    accepts: int
    rejects: int
    failed_examples: tuple[FailedExample, ...]
    mutations: Tried
    verdict: str
    rewrites: Tried = Tried()
    brittle: tuple[Brittle, ...] = ()
    why: str = ""


@dataclass(frozen=True, slots=True)
class Crossing:
    """An accept example of one rule that other rules reject: mostly a fragment, seldom a contradiction."""

    rule: str
    example: str
    rejected_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RubricReport:
    """One rubric. `failed_answers` are its whole answers that it judges wrongly as a whole."""

    name: str
    rules: tuple[RuleReport, ...]
    failed_answers: tuple[FailedExample, ...] = ()
    crossings: tuple[Crossing, ...] = ()
    coverage: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # without_accept, without_reject: rule ids

    def failures(self, *, lenient: bool = False) -> list[str]:
        """The ids of the rules that fail, and `examples` where a whole answer does."""
        bad = (WRONG,) if lenient else (WRONG, NEVER_FIRES, BRITTLE)
        failed = [rule.id for rule in self.rules if rule.verdict in bad]
        return failed + (["examples"] if self.failed_answers else [])


def verdict_of(*, failed: int, rejects: int, mutations: Tried, brittle: int) -> tuple[str, str]:
    """A rule's verdict and why. A reject example that is rejected proves, like a caught mutation, that it fires."""
    if failed:
        return WRONG, f"{failed} of its examples {'is' if failed == 1 else 'are'} judged wrongly"
    if mutations.tried and not mutations.caught and not rejects:
        return NEVER_FIRES, (
            f"none of {mutations.tried} mutations of accepted examples breaks it; if something does, "
            "give it as a reject example"
        )
    if brittle:
        return (
            BRITTLE,
            "it fires where the meaning is the same; mend it, or say what it is meant to see: sensitive: […]",
        )
    return OK, ""
