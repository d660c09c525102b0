"""A function's head taken apart, and the words by which heads are compared: white space changes none."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from evalkit.core.rules.syntax import text_of

if TYPE_CHECKING:
    from tree_sitter import Node

_CLOSING = {")", "]", "}", ">", "|", ""}
_QUOTES = ("'", '"')


@dataclass(frozen=True)
class Piece:
    """A part of a head: its words, by which it is compared, and its text for messages."""

    words: tuple[str, ...] = ()
    text: str = field(default="", compare=False)


@dataclass(frozen=True)
class Parameter:
    """`form` is all of it but its name: type, default, stars, marks."""

    name: str
    form: Piece
    text: str


@dataclass(frozen=True)
class Function:
    """A function's head. `owner` is the class, trait or type that it belongs to, `clauses` are `where` or `throws`."""

    name: str
    line: int
    owner: str = ""
    nested: bool = False  # inside another function
    has_body: bool = True
    marks: tuple[str, ...] = ()  # pub, async, static …
    generics: Piece = Piece()
    parameters: tuple[Parameter, ...] = ()
    returns: Piece = Piece()
    clauses: frozenset[tuple[str, ...]] = frozenset()
    clauses_text: str = ""


def piece(node: "Node | None", names: Mapping[str, str], without: "frozenset[int]" = frozenset()) -> Piece:
    """A node as a piece, without some nodes in it."""
    return Piece(words(node, names, without), flat(node)) if node is not None else Piece()


def words(node: "Node", names: Mapping[str, str], without: "frozenset[int]" = frozenset()) -> tuple[str, ...]:
    """The words of a node; comments and commas before a closing bracket are none, and declared names are numbers."""
    found: list[str] = []
    todo = [node]
    while todo:
        node = todo.pop()
        if node.id in without or "comment" in node.type:
            continue
        if node.child_count and node.type != "lifetime" and "string" not in node.type:
            todo += reversed(node.children)
        elif word := text_of(node):
            found.append(names.get(word) or _quoted(word))
    pairs = pairwise([*found, ""])
    return tuple(word for word, after in pairs if word != "," or after not in _CLOSING)


def flat(node: "Node") -> str:
    """The text on one line."""
    return " ".join(text_of(node).split())


def _quoted(word: str) -> str:
    """A string in double quotes, where that is the same string."""
    plain = len(word) > 1 and word[0] == word[-1] and word[0] in _QUOTES and not set(word[1:-1]) & {*_QUOTES, "\\"}
    return f'"{word[1:-1]}"' if plain else word
