"""Where queries match in a candidate: all those of a rubric in one walk over its tree, which is what takes time."""

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from evalkit.core.rules.languages import compiled
from evalkit.core.rules.syntax import Syntax
from evalkit.core.rules.tree_query import read_query

if TYPE_CHECKING:
    from tree_sitter import Node

Captured = Mapping[str, "list[Node]"]


def find(syntax: Syntax, query: str, capture: str | None = None, together: tuple[str, ...] = ()) -> "list[Node]":
    """The node that each match of the query shows, by place, each once; `together` are queries run with it."""
    asked = read_query(syntax.language, query)
    matches = _walk(syntax, together if query in together else (query,))[query]
    found: dict[tuple[int, int, int], Node] = {}
    for number, captured in matches:
        names = (capture,) if capture else asked.shown[number]
        node = next((captured[name][0] for name in names if name in captured), None)
        if node is not None:
            found.setdefault((node.start_byte, -node.end_byte, node.kind_id), node)
    return [found[place] for place in sorted(found)]


@lru_cache(maxsize=8)  # the rules of a rubric look at one candidate after another
def _walk(syntax: Syntax, queries: tuple[str, ...]) -> dict[str, list[tuple[int, Captured]]]:
    """By query, each match with its pattern's number in that query."""
    from tree_sitter import QueryCursor  # noqa: PLC0415  see languages.grammar

    read = [(query, read_query(syntax.language, query)) for query in queries]
    whose = [(query, number) for query, one in read for number in range(len(one.shown))]
    query = compiled(syntax.language, "\n".join(one.text for _, one in read))
    found: dict[str, list[tuple[int, Captured]]] = {query: [] for query in queries}
    for root in syntax.roots:
        for number, captured in QueryCursor(query).matches(root):
            owner, own_number = whose[number]
            found[owner].append((own_number, captured))
    return found
