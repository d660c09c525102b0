"""A candidate as the syntax tree of its language; parsed once for all rules of a rubric."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import chain
from typing import TYPE_CHECKING

from evalkit.core.rubric import Violation
from evalkit.core.rules.languages import compiled, grammar
from evalkit.core.rules.where import excerpt, short

if TYPE_CHECKING:
    from tree_sitter import Node, Parser, Tree

LARGEST = 100_000  # characters: grammars take up to 0.3 ms each to make sense of one where nothing fits
WIDEST = 1000  # nodes side by side in a place that does not parse: queries take the square of that
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
    def unreadable(self) -> Violation | None:
        """Why no rule can look at it, whatever it says of what does not parse."""
        if len(self.text) > LARGEST:
            return Violation(f"it is too long to be read as {self.language}: {len(self.text)} characters")
        return None if _narrow(self.tree.root_node) else self.problem

    @cached_property
    def problem(self) -> Violation | None:
        """Where the text does not parse, if it does not."""
        root = self.tree.root_node
        if not root.has_error:
            return None
        broken = (node for node in walk(root, broken=True) if node.is_error or node.is_missing)
        wrong = root if root.is_error else next(broken, root)
        if wrong.is_missing:
            return self.violation(wrong, f"it does not parse as {self.language}: {wrong.type!r} is missing")
        return self.violation(wrong, f"it does not parse as {self.language}: {shown(wrong)!r}")

    def refused(self, strictness: str | None) -> list[Violation]:
        """What breaks a rule before it has looked, where `strictness` is `reject`, and else."""
        found = self.unreadable or (self.problem if strictness == "reject" else None)
        return [replace(found, unread=True)] if found else []

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
        left = 10 * len(source)  # bytes: a thousand macros in each other are read only so deep
        todo = [root]
        for parent in todo:  # grows while it is walked: macros stand in macros
            for _, captured in QueryCursor(compiled(self.language, query)).matches(parent):
                node = captured["t"][0]
                left -= node.end_byte - node.start_byte
                if left > 0 and _narrow(part := _part(self.language, source, node)):
                    todo.append(part)
                    yield part


@lru_cache(maxsize=2)  # the rules of a rubric look at one candidate after another
def read_syntax(language: str, text: str) -> Syntax:
    """Parse it; what does not parse has a `problem`."""
    text = _BREAK.sub("\n", text)  # the grammars count lines by \n alone
    read = text if len(text) <= LARGEST else ""
    return Syntax(language, text, _parser(language).parse(read.encode(errors="replace")))


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
    todo = root.children[::-1]
    while todo:
        node = todo.pop()
        if broken and not (node.has_error or node.is_missing):
            continue
        yield node
        todo += node.children[::-1]


def _narrow(root: "Node") -> bool:
    """Whether queries can be run on it: no place that does not parse is a long list of signs."""
    if not root.has_error:
        return True
    nodes = chain([root], walk(root, broken=True))
    return not any(node.is_error and node.child_count > WIDEST for node in nodes)


def text_of(node: "Node") -> str:
    """The text of a node."""
    return (node.text or b"").decode(errors="replace")


def shown(node: "Node") -> str:
    """The text of a node on one line, cut."""
    return short(" ".join(text_of(node).split()), 80)
