"""The languages whose syntax trees rules look at, by name, and what each grammar calls its nodes."""

from functools import cache, lru_cache
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Language, Query

GRAMMARS = {  # name: module and function of the grammar's wheel
    "rust": ("tree_sitter_rust", "language"),
    "python": ("tree_sitter_python", "language"),
    "typescript": ("tree_sitter_typescript", "language_typescript"),
    "tsx": ("tree_sitter_typescript", "language_tsx"),
    "javascript": ("tree_sitter_javascript", "language"),
    "go": ("tree_sitter_go", "language"),
    "java": ("tree_sitter_java", "language"),
    "c": ("tree_sitter_c", "language"),
}
LANGUAGES = tuple(GRAMMARS)


@cache
def grammar(language: str) -> "Language":
    """The grammar, loaded when a rule first asks for it."""
    from tree_sitter import Language  # noqa: PLC0415  50 ms that rubrics without syntax need not pay

    module, function = GRAMMARS[language]
    return Language(getattr(import_module(module), function)())


@lru_cache(maxsize=1024)
def compiled(language: str, query: str) -> "Query":
    """The query, compiled once. Raises tree_sitter.QueryError for its first fault."""
    from tree_sitter import Query  # noqa: PLC0415  see grammar

    return Query(grammar(language), query)


@cache
def node_names(language: str) -> tuple[str, ...]:
    """All names of nodes, keywords and signs (such as `=>`) included."""
    known = grammar(language)
    names = (known.node_kind_for_id(number) for number in range(known.node_kind_count))
    return tuple(sorted({name for name in names if name}))


@cache
def field_names(language: str) -> tuple[str, ...]:
    """All names of fields, such as `body` in `body: (block)`."""
    known = grammar(language)
    names = (known.field_name_for_id(number) for number in range(1, known.field_count + 1))
    return tuple(sorted({name for name in names if name}))
