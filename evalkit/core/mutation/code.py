"""Code with one thing changed that may matter: a part deleted, a number, an operator, a keyword, a name."""

import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

from evalkit.core.mutation.made import Mutation
from evalkit.core.mutation.syntax import Tree, parse

if TYPE_CHECKING:
    from tree_sitter import Node

SWAPS = {
    "+": "-", "-": "+", "*": "+", "/": "*", "%": "*", "**": "*", "<<": ">>", ">>": "<<",
    "+=": "-=", "-=": "+=", "*=": "+=", "/=": "*=", "<<=": ">>=", ">>=": "<<=",
    "==": "!=", "!=": "==", "===": "!==", "!==": "===", "<": ">=", ">": "<=", "<=": ">", ">=": "<",
    "&&": "||", "||": "&&", "and": "or", "or": "and", "..": "..=", "..=": "..", "?": "",
}  # fmt: skip
NAMES = re.compile(r"(^|_)(identifier|type)$|primitive_type|predefined_type")
NUMBERS = re.compile(r"(^|_)(integer|float|number|int)(_|$)")
_DIGITS = re.compile(r"\d[\d_]*")


def broken(example: str, language: str) -> Iterator[Mutation]:
    """All of it, by the syntax tree; nothing where the example does not parse."""
    tree = parse(example, language)
    if tree is None:
        return iter(())
    kinds = (_deletions, _keywords, _operators, _numbers, _strings, _renamed, _doubled)
    return chain.from_iterable(kind(tree) for kind in kinds)


def _deletions(tree: Tree) -> Iterator[Mutation]:
    """Each part of the tree away, with the comma behind it: a statement, a parameter, a comment, an attribute."""
    for node in tree.nodes:
        if node.is_named and node.parent is not None:
            end = node.end_byte
            after = node.next_sibling
            if after is not None and after.type == ",":
                end = after.end_byte
            yield Mutation(f"delete a {_worded(node.type)}", tree.edited((node.start_byte, end, b"")))


def _keywords(tree: Tree) -> Iterator[Mutation]:
    for node in tree.nodes:
        if not node.is_named and node.type.isalpha() and node.type not in SWAPS:
            yield Mutation(f"delete `{node.type}`", tree.replaced([node], ""))


def _operators(tree: Tree) -> Iterator[Mutation]:
    for node in tree.nodes:
        if not node.is_named and node.type in SWAPS:
            yield Mutation(f"`{node.type}` becomes `{SWAPS[node.type]}`", tree.replaced([node], SWAPS[node.type]))


def _numbers(tree: Tree) -> Iterator[Mutation]:
    for node in tree.nodes:
        text = tree.text(node)
        digits = _DIGITS.match(text)
        if NUMBERS.search(node.type) and digits and not node.named_child_count:
            value = int(digits[0].replace("_", ""))
            for other in dict.fromkeys((value + 1, value * 3 + 1, 0)):
                yield Mutation("another number", tree.replaced([node], f"{other}{text[digits.end() :]}"))


def _strings(tree: Tree) -> Iterator[Mutation]:
    for node in tree.nodes:
        if node.type in ("string_content", "string_fragment", "interpreted_string_literal_content"):
            yield Mutation("another string", tree.replaced([node], "changed"))


def _renamed(tree: Tree) -> Iterator[Mutation]:
    """Each name another one, everywhere and in each single place."""
    places: dict[str, list[Node]] = defaultdict(list)
    for node in tree.nodes:
        if node.is_named and not node.named_child_count and NAMES.search(node.type):
            places[tree.text(node)].append(node)
    for name, nodes in places.items():
        yield Mutation("another name", tree.replaced(nodes, f"{name}_other"))
        yield from (Mutation("another name in one place", tree.replaced([node], f"{name}_other")) for node in nodes)


def _doubled(tree: Tree) -> Iterator[Mutation]:
    """Each part of a block or a list twice."""
    for node in tree.nodes:
        if node.is_named and node.parent is not None and node.parent.named_child_count > 1:
            between = "\n" if node.start_point[0] != node.parent.start_point[0] or not node.start_byte else " "
            text = f"{tree.text(node)}{between}{tree.text(node)}"
            yield Mutation(f"a {_worded(node.type)} twice", tree.replaced([node], text))


def _worded(kind: str) -> str:
    return kind.replace("_", " ")
