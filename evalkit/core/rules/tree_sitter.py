"""`tree_sitter`: a query on the candidate's syntax tree that has to match, or must not."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from evalkit.core.rubric import Violation
from evalkit.core.rules.keys import KeyFault, refuse
from evalkit.core.rules.languages import LANGUAGES
from evalkit.core.rules.matching import find
from evalkit.core.rules.syntax import Syntax, read_syntax, shown
from evalkit.core.rules.tree_query import TreeQuery, read_query
from evalkit.core.rules.where import MANY

if TYPE_CHECKING:
    from tree_sitter import Node

_BOUND = {"type": "integer", "minimum": 0}
_QUERY = {"type": "string", "minLength": 1}


@dataclass(frozen=True)
class TreeSitter:
    """`expect`: `match` (the default) or `no_match`; `count` bounds the matches (min is 1 unless it says so).

    `within` and `outside` are queries for the places in which, or outside of which, a match counts. `capture`
    is the node that is shown and counted. `syntax` says what becomes of a candidate that does not parse:
    `reject` (the default of `match`) breaks the rule, `ignore` (that of `no_match`) looks at what is left.
    """

    language: str
    query: str
    expect: str = "match"
    count: Mapping[str, int] | None = None
    capture: str | None = None
    within: str | None = None
    outside: str | None = None
    syntax: str | None = None

    together: ClassVar[tuple[str, ...]] = ()  # of each object, once `unite` has seen it
    SCHEMA: ClassVar[dict[str, Any]] = {
        "required": ["language", "query"],
        "properties": {
            "language": {"enum": list(LANGUAGES)},
            "query": _QUERY,
            "expect": {"enum": ["match", "no_match"]},
            "count": {
                "type": "object",
                "minProperties": 1,
                "additionalProperties": False,
                "properties": {"min": _BOUND, "max": _BOUND},
            },
            "capture": {"type": "string", "minLength": 1},
            "within": _QUERY,
            "outside": _QUERY,
            "syntax": {"enum": ["reject", "ignore"]},
        },
    }

    def __post_init__(self) -> None:
        """Refuse queries that do not compile and bounds that nothing can meet. Raises KeyFaults."""
        refuse(self._faults())

    def violations(self, candidate: str) -> list[Violation]:
        """Each match that must not be, or one that says what is missing or too many."""
        syntax = read_syntax(self.language, candidate)
        if refused := syntax.refused(self.syntax or ("reject" if self.expect == "match" else "ignore")):
            return refused
        found = self._found(syntax)
        if self.expect == "no_match":
            return [syntax.violation(node, f"found {shown(node)!r}") for node in found[:MANY]]
        return self._miscounted(syntax, found)

    @property
    def queries(self) -> tuple[str, ...]:
        """All that it asks of a tree."""
        return tuple(query for query in (self.query, self.within, self.outside) if query)

    def _found(self, syntax: Syntax) -> "list[Node]":
        found = find(syntax, self.query, self.capture, self.together)
        if found and self.within:
            regions = find(syntax, self.within, None, self.together)
            found = [node for node in found if _inside(node, regions)]
        if found and self.outside:
            regions = find(syntax, self.outside, None, self.together)
            found = [node for node in found if not _inside(node, regions)]
        return found

    def _miscounted(self, syntax: Syntax, found: "list[Node]") -> list[Violation]:
        count = self.count or {}
        least, most = count.get("min", 1), count.get("max", len(found))
        times = f"found {len(found)} time{'' if len(found) == 1 else 's'}"
        if len(found) < least:
            if not found and least == 1:
                return [Violation("not found")]
            detail = f"{times}; at least {least} wanted"
            return [syntax.violation(found[-1], detail) if found else Violation(detail)]
        if len(found) > most:
            return [syntax.violation(found[most], f"{times}; at most {most} allowed")]
        return []

    def _faults(self) -> Iterator[KeyFault]:
        for key in ("query", "within", "outside"):
            text = getattr(self, key)
            if text is None:
                continue
            try:
                query = read_query(self.language, text)
            except ValueError as error:
                yield from (KeyFault((key,), line) for line in str(error).split("\n"))
                continue
            if key == "query" and self.capture is not None:
                yield from self._capture_faults(query)
        yield from self._count_faults()

    def _capture_faults(self, query: TreeQuery) -> Iterator[KeyFault]:
        if self.capture not in query.captures:
            known = ", ".join(sorted(query.captures)) or "none"
            yield KeyFault(("capture",), f"{self.capture!r} is no capture of the query; it has: {known}")

    def _count_faults(self) -> Iterator[KeyFault]:
        if self.count is None:
            return
        if self.expect == "no_match":
            yield KeyFault(("count",), "goes with expect: match; drop one of the two")
        elif self.count.get("min", 1) > self.count.get("max", float("inf")):
            least = self.count.get("min", 1)
            yield KeyFault(
                ("count",),
                f"min {least} is more than max {self.count['max']}; for none at all say expect: no_match"
                if "min" not in self.count
                else f"min {least} is more than max {self.count['max']}",
            )


def unite(checks: Iterable[object]) -> None:
    """Let those checks of a rubric that ask for queries of one language run them in one walk."""
    queries: dict[str, dict[str, None]] = {}
    asking = [check for check in checks if isinstance(check, TreeSitter)]
    for check in asking:
        queries.setdefault(check.language, {}).update(dict.fromkeys(check.queries))
    for check in asking:
        object.__setattr__(check, "together", tuple(queries[check.language]))  # no setting: it changes no verdict


def _inside(node: "Node", regions: "list[Node]") -> bool:
    return any(region.start_byte <= node.start_byte and node.end_byte <= region.end_byte for region in regions)
