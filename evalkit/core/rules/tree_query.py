"""A tree-sitter query, compiled, with all that is wrong in it by line and column."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import lru_cache

from evalkit.core.rules.languages import compiled, field_names, node_names
from evalkit.core.rules.where import short

MATCH = "match"  # the capture that a pattern without one of its own gets
PREDICATES = (
    "eq?",
    "not-eq?",
    "any-eq?",
    "any-not-eq?",
    "match?",
    "not-match?",
    "any-match?",
    "any-not-match?",
    "any-of?",
    "not-any-of?",
)
_TOKEN = re.compile(r';[^\n]*|"(?:\\.|[^"\\])*"|[()\[\]]|[^\s()\[\]";]+')
_ARGUMENT = r'(?:"(?:\\.|[^"\\])*"|[^\s()"@]+)'
_NONE_OF = re.compile(rf"\(\s*#not-any-of\?\s+(@[\w.-]+)((?:\s+{_ARGUMENT})+)\s*\)")
_ERROR = re.compile(r"^Invalid (node type|field name|capture name) at row (\d+), column (\d+): (.+)$", re.DOTALL)
_PLACE = re.compile(r" at row (\d+)(?:, column (\d+))?")
_FAULTS = 20  # a text that is no query at all needs no longer list


@dataclass
class _Pattern:
    """One pattern of the query's text: its place there, and the names of its captures."""

    start: int
    end: int = 0
    captures: list[str] = field(default_factory=list)

    @property
    def shown(self) -> tuple[str, ...]:
        """The captures that may be shown, the best first."""
        public = dict.fromkeys(name for name in reversed(self.captures) if not name.startswith("_"))
        return (MATCH, *(name for name in public if name != MATCH))


class TreeQuery:
    """A query that compiles: `text` as it is run, its `captures`, and for each pattern which of them are `shown`.

    That is `@match`, else the last one in the pattern's text whose name does not begin with `_` (such captures
    serve predicates), else the whole match.
    """

    def __init__(self, language: str, text: str) -> None:
        """Raises ValueError with every fault, one a line."""
        if faults := list(_faults(language, text)):
            raise ValueError("\n".join(faults))
        patterns = _patterns(text)
        self.shown = [pattern.shown for pattern in patterns]
        self.captures = {name for pattern in patterns for name in pattern.captures}
        self.text = _captured(text, patterns)


@lru_cache(maxsize=1024)
def read_query(language: str, text: str) -> TreeQuery:
    """The query, read once. Raises ValueError with every fault, one a line."""
    return TreeQuery(language, text)


def _tokens(text: str) -> Iterator[tuple[int, str]]:
    return ((found.start(), found.group()) for found in _TOKEN.finditer(text) if not found.group().startswith(";"))


def _patterns(text: str) -> list[_Pattern]:
    """The patterns that stand beside each other on the outermost level."""
    patterns: list[_Pattern] = []
    depth = 0
    for at, word in _tokens(text):
        depth -= word in ")]"
        goes_on = word[0] in ")]@*+?" or (patterns and text[patterns[-1].end - 1] == ":")  # `field: (node) @name`
        if depth == 0 and not goes_on:
            patterns.append(_Pattern(at))
        depth += word in "(["
        if patterns:
            patterns[-1].end = at + len(word)
            if word[0] == "@":
                patterns[-1].captures.append(word[1:])
    return patterns


def _captured(text: str, patterns: list[_Pattern]) -> str:
    """The query in which every pattern captures what it shows."""
    for pattern in reversed(patterns):
        if all(name.startswith("_") for name in pattern.captures):
            text = f"{text[: pattern.end]} @{MATCH}{text[pattern.end :]}"
    return _NONE_OF.sub(_each_unequal, text)


def _each_unequal(found: re.Match[str]) -> str:
    """The library (0.26) takes #not-any-of? for "differs from one of them", hence one #not-eq? for each."""
    return " ".join(f"(#not-eq? {found[1]} {value})" for value in re.findall(_ARGUMENT, found[2]))


def _faults(language: str, text: str) -> Iterator[str]:
    from tree_sitter import QueryError  # noqa: PLC0415  see languages.grammar

    patterns = _patterns(text)
    if not patterns:
        yield "it holds no pattern; write e.g. (call_expression)"
        return
    rest = text
    for _ in range(_FAULTS):
        try:
            compiled.__wrapped__(language, rest)
            break
        except QueryError as error:
            fault, rest = _worded(language, rest, str(error))
            yield fault
            if not rest:
                break
    yield from _predicate_faults(text, patterns)


def _worded(language: str, text: str, error: str) -> tuple[str, str]:
    """One error of the library for a person, and the text without its cause (empty: nothing more can be said)."""
    found = _ERROR.match(error)
    if found is None:
        place = _PLACE.search(error)
        where = f"{_where(int(place[1]), int(place[2] or 0))}: " if place else ""
        reason = error.replace(place.group() if place else "", "")
        if error.startswith("Unexpected EOF"):
            reason = "it ends before its brackets are closed"
        return where + reason[:1].lower() + reason[1:], ""
    what, row, column, name = found[1], int(found[2]), int(found[3]), found[4]
    known = {"node type": node_names(language), "field name": field_names(language)}.get(what, ())
    captures = set(re.findall(r"@([\w.-]+)", text)) - {name}
    near = get_close_matches(name, known or captures, 1, 0.5)
    owner = "of the query" if what == "capture name" else f"of {language}'s grammar"
    meant = f"; did you mean {near[0]!r}?" if near else ""
    if what == "capture name" and not near:
        meant = f"; it has: {', '.join(sorted(captures)) or 'none'}"
    fault = f"{_where(row, column)}: {short(name)!r} is no {what} {owner}{meant}"
    return fault, "" if what == "capture name" else _without(text, row, column, name, what)


def _without(text: str, row: int, column: int, name: str, what: str) -> str:
    """The text with the faulty name made harmless, so that the next fault shows, at its own place."""
    lines = text.split("\n")
    line = lines[row].encode()
    end = column + len(name.encode())
    quoted = line[column - 1 : column] == b'"'
    if quoted:
        column, end = column - 1, end + 1
    elif what == "field name":
        end += len(line[end:]) - len(line[end:].lstrip(b" "))
        end += line[end : end + 1] == b":"
    instead = b" " if what == "field name" else b"_"
    lines[row] = (line[:column] + instead.ljust(end - column) + line[end:]).decode()
    rest = "\n".join(lines)
    return "" if rest == text else rest


def _predicate_faults(text: str, patterns: list[_Pattern]) -> Iterator[str]:
    starts = {pattern.start for pattern in patterns}
    for at, word in _tokens(text):
        if not word.startswith("#"):
            continue
        row, column = text.count("\n", 0, at), at - text.rfind("\n", 0, at) - 1
        if word[1:] not in PREDICATES:
            near = get_close_matches(word[1:], PREDICATES, 1, 0.5)
            meant = f"did you mean '#{near[0]}'?" if near else f"known: {', '.join('#' + one for one in PREDICATES)}"
            yield f"{_where(row, column)}: {word!r} is no predicate; {meant}"
        if text.rfind("(", 0, at) in starts and text[text.rfind("(", 0, at) + 1 : at].strip() == "":
            yield (
                f"{_where(row, column)}: {word!r} stands outside of its pattern and would be ignored; "
                'write ((identifier) @name (#eq? @name "x"))'
            )


def _where(row: int, column: int) -> str:
    return f"line {row + 1}, column {column + 1} of the query"
