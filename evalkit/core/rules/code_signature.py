"""`signature`: the candidate has a function with exactly this head, compared as syntax."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, ClassVar

from evalkit.core.rubric import Violation
from evalkit.core.rules.function import Function, Piece
from evalkit.core.rules.functions import ANY, ON, functions, read_head
from evalkit.core.rules.heads import HEADS
from evalkit.core.rules.keys import KeyFault, refuse
from evalkit.core.rules.languages import LANGUAGES
from evalkit.core.rules.syntax import read_syntax
from evalkit.core.rules.where import excerpt, short

LONGEST = 300  # characters of what is said of one function
_FREE = ("export", "default")  # a module's way to name what it gives away: asked for only where declared


@dataclass(frozen=True)
class CodeSignature:
    """`declares` is the function's head, as one writes it.

    Marks (pub, async, static …), type parameters, parameters, what it returns and its where or throws have to
    be the same; white space, comments, trailing commas and the names of type parameters and lifetimes do not
    count. Parameters' names count where callers use them (Python), or as `names` says. `owner` is the class,
    trait or type that it must belong to. `syntax` is that of `tree_sitter`, `reject` by default.
    """

    language: str
    declares: str
    names: bool | None = None
    owner: str = ""
    syntax: str = "reject"

    SCHEMA: ClassVar[dict[str, Any]] = {
        "required": ["language", "declares"],
        "properties": {
            "language": {"enum": list(LANGUAGES)},
            "declares": {"type": "string", "minLength": 1},
            "names": {"type": "boolean"},
            "owner": {"type": "string", "minLength": 1},
            "syntax": {"enum": ["reject", "ignore"]},
        },
    }

    def __post_init__(self) -> None:
        """Refuse what is no head of a function. Raises KeyFaults."""
        refuse(self._faults())

    def violations(self, candidate: str) -> list[Violation]:
        """None, or one that says what is missing or in what the nearest function of that name differs."""
        syntax = read_syntax(self.language, candidate)
        if refused := syntax.refused(self.syntax):
            return refused
        want = _wanted(self.language, self.declares)
        named = [one for one in functions(syntax, want.name) if not one.nested]
        placed = [one for one in named if self._in_place(want, one)]
        if not placed:
            others = named or [one for one in functions(syntax) if not one.nested]
            return [self._missing(want, others, syntax.text)]
        differing = [(list(self._differences(want, one)), one) for one in placed]
        least, nearest = min(differing, key=lambda pair: len(pair[0]))
        detail = short(f"{want.name} {'; '.join(least)}", LONGEST)
        return [Violation(detail, nearest.line, excerpt(syntax.text, nearest.line))] if least else []

    def _in_place(self, want: Function, found: Function) -> bool:
        owner = self.owner or want.owner
        if owner and owner != ANY:
            return found.owner == owner
        if not found.has_body:
            return self.language == "java"
        return owner == ANY or not found.owner or _takes_self(want)

    def _missing(self, want: Function, others: Sequence[Function], text: str) -> Violation:
        owner = self.owner or want.owner.strip(ANY)
        where = f" in {owner}" if owner else ""
        detail = f"it has no function {want.name}{where}"
        near = get_close_matches(want.name, [one.name for one in others], 1)
        if not near:
            return Violation(detail)
        found = next(one for one in others if one.name == near[0])
        called = f"{found.owner}'s {found.name}" if found.owner and found.owner != ANY else found.name
        bodyless = "" if found.has_body else " (without a body)"
        return Violation(f"{detail}; nearest is {called}{bodyless}", found.line, excerpt(text, found.line))

    def _differences(self, want: Function, found: Function) -> Iterator[str]:
        yield from (f"is not {mark}" for mark in want.marks if mark not in found.marks)
        yield from (
            f"is {mark}" for mark in found.marks if mark not in (*want.marks, *_FREE) and not mark.startswith(ON)
        )
        alike = want.generics == found.generics
        if not alike:
            yield f"has {_or_no(found.generics, 'type parameters')}, not {_or_no(want.generics, 'type parameters')}"
        yield from self._parameters(want, found, alike)
        if _differ(want.returns, found.returns, alike):
            yield f"returns {found.returns.text or 'nothing'}, not {want.returns.text or 'nothing'}"
        if want.clauses != found.clauses and (alike or want.clauses_text != found.clauses_text):
            clause = HEADS[self.language].clauses.removesuffix("_clause")
            yield f"has {found.clauses_text or f'no {clause}'}, not {want.clauses_text or f'no {clause}'}"

    def _parameters(self, want: Function, found: Function, alike: bool) -> Iterator[str]:
        many = len(want.parameters)
        if len(found.parameters) != many:
            yield f"takes {len(found.parameters)} parameter{'' if len(found.parameters) == 1 else 's'}, not {many}"
            return
        named = HEADS[self.language].names_matter if self.names is None else self.names
        for number, (one, other) in enumerate(zip(want.parameters, found.parameters, strict=True), 1):
            if _differ(one.form, other.form, alike) or (named and one.name != other.name):
                yield f"takes {other.text} as parameter {number}, not {one.text}"

    def _faults(self) -> Iterator[KeyFault]:
        try:
            _wanted(self.language, self.declares)
        except ValueError as error:
            yield KeyFault(("declares",), str(error))


@lru_cache(maxsize=256)
def _wanted(language: str, text: str) -> Function:
    return read_head(language, text)


def _differ(want: Piece, found: Piece, alike: bool) -> bool:
    """Where the type parameters are not alike, which is said, the same text is no second difference."""
    return want != found and (alike or want.text != found.text)


def _takes_self(want: Function) -> bool:
    first = want.parameters[0] if want.parameters else None
    return first is not None and ("self" in first.form.words or first.name in ("self", "cls"))


def _or_no(piece: Piece, what: str) -> str:
    return f"{what} {piece.text}" if piece.text else f"no {what}"
