"""A candidate as the syntax tree of its language; parsed once for all rules of a rubric."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from evalkit.core.rubric import Violation
from evalkit.core.rules.languages import compiled, grammar
from evalkit.core.rules.where import excerpt, short

if TYPE_CHECKING:
    from tree_sitter import Node, Parser, Tree

LARGE = 200_000  # characters: a tree takes many times its text, too much to keep
_BREAK = re.compile(r"\r\n?")
# Rust's macros take tokens: what stands in them is no syntax until it is parsed as the expression it mostly is.
_TOKENS = {"rust": "[(macro_invocation (token_tree) @t) (macro_rule right: (token_tree) @t)]"}


@dataclass(frozen=True)
class Syntax:
    """The tree of a text, with those of what stands in macros. Lines count from 1."""

    language: str
    text: str
    tree: "Tree"

    @cached_property
    def roots(self) -> tuple["Node", ...]:
        """The tree's root, then that of each macro's tokens (places are those of the whole text)."""
        return (self.tree.root_node, *self._inside(self.tree.root_node))

    @cached_property
    def problem(self) -> Violation | None:
        """Where the text does not parse, if it does not."""
        root = self.tree.root_node
        if not root.has_error:
            return None
        wrong = next((node for node in walk(root, broken=True) if node.is_error or node.is_missing), root)
        if wrong.is_missing:
            return self.violation(wrong, f"it does not parse as {self.language}: {wrong.type!r} is missing")
        return self.violation(wrong, f"it does not parse as {self.language}: {shown(wrong)!r}")

    def violation(self, node: "Node", detail: str) -> Violation:
        """A violation at a node."""
        line = node.start_point[0] + 1
        return Violation(detail, line, excerpt(self.text, line))

    def _inside(self, root: "Node") -> Iterator["Node"]:
        from tree_sitter import QueryCursor  # noqa: PLC0415  see languages.grammar

        query = _TOKENS.get(self.language)
        if query is None or "!" not in self.text:
            return
        source = root.text or b""
        todo = [root]
        for parent in todo:  # grows while it is walked: macros stand in macros
            for _, captured in QueryCursor(compiled(self.language, query)).matches(parent):
                part = _part(self.language, source, captured["t"][0])
                todo.append(part)
                yield part


def read_syntax(language: str, text: str) -> Syntax:
    """Parse it; what does not parse has a `problem`."""
    return _parsed(language, text) if len(text) <= LARGE else _parsed.__wrapped__(language, text)


@lru_cache(maxsize=2)  # the rules of a rubric look at one candidate after another
def _parsed(language: str, text: str) -> Syntax:
    text = _BREAK.sub("\n", text)  # the grammars count lines by \n alone
    return Syntax(language, text, _parser(language).parse(text.encode(errors="replace")))


def _part(language: str, source: bytes, node: "Node") -> "Node":
    """The tokens between a macro's brackets as a tuple, a list or a block."""
    from tree_sitter import Range  # noqa: PLC0415  see languages.grammar

    parser = _parser(language)
    parser.included_ranges = [Range(node.start_point, node.end_point, node.start_byte, node.end_byte)]
    return parser.parse(source).root_node


def _parser(language: str) -> "Parser":
    from tree_sitter import Parser  # noqa: PLC0415  see languages.grammar

    return Parser(grammar(language))


def walk(root: "Node", *, broken: bool = False) -> Iterator["Node"]:
    """All nodes below the root, in the text's order; `broken`: only those with an error in them."""
    todo = list(reversed(root.children))
    while todo:
        node = todo.pop()
        if broken and not (node.has_error or node.is_missing):
            continue
        yield node
        todo += reversed(node.children)


def text_of(node: "Node") -> str:
    """The text of a node."""
    return (node.text or b"").decode(errors="replace")


def shown(node: "Node") -> str:
    """The text of a node on one line, cut."""
    return short(" ".join(text_of(node).split()), 80)
