"""An example as its syntax tree, and edits of its text by place."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from evalkit.core.rules.languages import grammar

if TYPE_CHECKING:
    from tree_sitter import Node

LARGEST = 50_000  # bytes of an example: whatever is larger is no example


@dataclass(frozen=True)
class Tree:
    """A text and the root of its syntax tree; places are counted in bytes of UTF-8."""

    source: bytes
    root: "Node"
    language: str

    @cached_property
    def nodes(self) -> "list[Node]":
        """All nodes, parents first, in the order of the text."""
        return list(_below(self.root))

    def edited(self, *edits: tuple[int, int, bytes]) -> str:
        """The text with each stretch from one place to another replaced; the stretches must not overlap."""
        text = self.source
        for start, end, new in sorted(edits, reverse=True):
            text = text[:start] + new + text[end:]
        return text.decode()

    def text(self, node: "Node") -> str:
        """A node's own text."""
        return self.source[node.start_byte : node.end_byte].decode(errors="replace")

    def replaced(self, nodes: "Sequence[Node]", new: str) -> str:
        """The text with each of these nodes replaced by the same words."""
        return self.edited(*((node.start_byte, node.end_byte, new.encode()) for node in nodes))


def parse(text: str, language: str) -> Tree | None:
    """The tree; None where the text is not of that language: an error in it, or nothing at all."""
    from tree_sitter import Parser  # noqa: PLC0415  see rules/languages.grammar

    try:
        source = text.encode()
    except UnicodeEncodeError:  # half a surrogate pair
        return None
    if not text.strip() or len(source) > LARGEST:
        return None
    root = Parser(grammar(language)).parse(source).root_node
    return None if root.has_error or not root.named_child_count else Tree(source, root, language)


def _below(node: "Node") -> "Iterator[Node]":
    """Without recursion: an example may be nested deeply."""
    waiting = [node]
    while waiting:
        found = waiting.pop()
        yield found
        waiting += reversed(found.children)
