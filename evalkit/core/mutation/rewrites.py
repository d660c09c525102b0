"""The same code written another way: names of locals, comments, layout, order of items, ways to write a number.

Each rewrite is parsed again and left out where it does not parse; where a grammar cannot tell whether a rewrite
is safe, it is not made.
"""

import re
from collections.abc import Iterator
from itertools import chain, pairwise
from typing import TYPE_CHECKING

from evalkit.core.mutation.code import NUMBERS
from evalkit.core.mutation.locals import renamed
from evalkit.core.mutation.made import Rewrite
from evalkit.core.mutation.syntax import Tree, parse

if TYPE_CHECKING:
    from tree_sitter import Node

COMMENT = {"python": "#"}  # all others: //
BLOCKS = re.compile(r"(^|_)(block|body|module|source_file|program|translation_unit)$")
LISTS = ("parameters", "formal_parameters", "parameter_list", "arguments", "argument_list")
COMMA_LAST = ("python", "rust", "go", "javascript", "typescript", "tsx")  # may end a broken list
# Items that may stand in any order; C wants a declaration first, Python decorators and defaults are evaluated.
MOVABLE = {
    "rust": ("function_item", "struct_item", "enum_item", "const_item", "static_item", "impl_item", "trait_item"),
    "python": ("function_definition",),
    "go": ("function_declaration", "method_declaration", "type_declaration"),
    "javascript": ("function_declaration",),
    "typescript": ("function_declaration", "interface_declaration", "type_alias_declaration"),
    "tsx": ("function_declaration", "interface_declaration", "type_alias_declaration"),
    "java": ("method_declaration",),
}
PLAIN = ("arguments", "argument_list", "array_expression", "array", "list", "tuple", "tuple_expression")
TIGHT = ("+", "*", "==", "+=", "*=", "<<", "=")
THOUSAND = 1000  # from here on people group digits
NOTABLE = 10  # smaller numbers are not written as the double of another one
_NUMBER = re.compile(r"(\d+)([a-zA-Z]\w*)?")


def rewritten(example: str, language: str) -> Iterator[Rewrite]:
    """All of it; nothing where the example does not parse."""
    tree = parse(example, language)
    if tree is None:
        return
    kinds = (renamed, _commented, _spaced, _indented, _broken_lists, _tightened, _reordered, _grouped, _computed)
    for rewrite in chain.from_iterable(kind(tree) for kind in kinds):
        if parse(rewrite.text, language):
            yield rewrite


def _commented(tree: Tree) -> Iterator[Rewrite]:
    """A comment over a statement, behind one, and at the end."""
    mark = COMMENT.get(tree.language, "//")
    for node in _statements(tree):
        indent = tree.source[: node.start_byte].rpartition(b"\n")[2]
        comment = f"{mark} As was asked for.\n".encode() + indent
        yield Rewrite("a comment over it", tree.edited((node.start_byte, node.start_byte, comment)), "comments")
        if _ends_line(tree, node):
            behind = f"  {mark} see above".encode()
            yield Rewrite("a comment behind it", tree.edited((node.end_byte, node.end_byte, behind)), "comments")
    whole = tree.source.decode().rstrip()
    yield Rewrite("a comment at the end", f"{whole}\n{mark} The end.\n", "comments")


def _spaced(tree: Tree) -> Iterator[Rewrite]:
    """Blank lines between statements, and at the end."""
    for node in _statements(tree):
        start = tree.source.rfind(b"\n", 0, node.start_byte) + 1
        if start:
            yield Rewrite("a blank line", tree.edited((start, start, b"\n")), "layout")
    yield Rewrite("a newline at the end", tree.source.decode().rstrip() + "\n\n", "layout")


def _indented(tree: Tree) -> Iterator[Rewrite]:
    """Twice the indentation, unless a text goes over several lines."""
    texts = (node for node in tree.nodes if "string" in node.type or "comment" in node.type)
    if not any(b"\n" in (node.text or b"").rstrip() for node in texts):
        text = tree.source.decode()
        yield Rewrite("deeper indentation", re.sub(r"(?m)^[ \t]+", lambda blanks: blanks[0] * 2, text), "layout")


def _broken_lists(tree: Tree) -> Iterator[Rewrite]:
    """Parameters and arguments one a line, as formatters do with long ones."""
    for node in tree.nodes:
        if node.type not in LISTS or not node.named_child_count or b"\n" in (node.text or b""):
            continue
        edits = [(one.start_byte, one.start_byte, b"\n        ") for one in node.named_children]
        last = node.named_children[-1]
        comma = b"," if tree.language in COMMA_LAST and last.next_sibling == node.children[-1] else b""
        if comma and "rest" not in last.type:
            yield Rewrite("a comma behind the last", tree.edited((last.end_byte, last.end_byte, comma)), "layout")
        edits.append((last.end_byte, last.end_byte, comma + b"\n    "))
        yield Rewrite("a line for each parameter or argument", tree.edited(*edits), "layout")


def _tightened(tree: Tree) -> Iterator[Rewrite]:
    """`a * 2` as `a*2`."""
    for node in tree.nodes:
        before, after = node.prev_sibling, node.next_sibling
        if node.type not in TIGHT or before is None or after is None:
            continue
        behind = tree.source[after.start_byte : after.start_byte + 1]
        if behind.isalnum() or behind == b"(":
            edit = (before.end_byte, after.start_byte, node.type.encode())
            yield Rewrite("no blanks around an operator", tree.edited(edit), "layout")


def _reordered(tree: Tree) -> Iterator[Rewrite]:
    """Two neighbouring items change places, with the comments and attributes over them."""
    movable = MOVABLE.get(tree.language, ())
    for one, two in pairwise(node for node in tree.nodes if node.type in movable):
        first, second = _with_heads(one), _with_heads(two)
        if one.parent != two.parent or first[1] > second[0] or tree.source[first[1] : second[0]].strip():
            continue
        if tree.language == "python" and (one.parent != tree.root or _needs(tree, one, two)):
            continue
        texts = [tree.source[start:end] for start, end in (first, second)]
        edits = ((*first, texts[1]), (*second, texts[0]))
        yield Rewrite("items in another order", tree.edited(*edits), "order")


def _grouped(tree: Tree) -> Iterator[Rewrite]:
    """`1000` as `1_000`, where the language has it."""
    for node, digits, suffix in _numbers(tree):
        if int(digits) >= THOUSAND and tree.language != "c":
            yield Rewrite("digits in groups", tree.replaced([node], f"{int(digits):_}{suffix}"), "numbers")


def _computed(tree: Tree) -> Iterator[Rewrite]:
    """A number that is the double of another one in the example, computed from it: `1000` as `500 * 2`."""
    numbers = list(_numbers(tree))
    known = {int(digits) for _, digits, _ in numbers}
    for node, digits, suffix in numbers:
        half, odd = divmod(int(digits), 2)
        if half in known and not odd and half >= NOTABLE:
            text = f"{half}{suffix} * 2"
            plain = node.parent is not None and node.parent.type in PLAIN
            yield Rewrite("a computed number", tree.replaced([node], text if plain else f"({text})"), "numbers")


def _numbers(tree: Tree) -> "Iterator[tuple[Node, str, str]]":
    """Decimal whole numbers in expressions: node, digits, suffix (`u64`)."""
    for node in tree.nodes:
        if NUMBERS.search(node.type) and not node.named_child_count and not _in_pattern(node):
            match = _NUMBER.fullmatch(tree.text(node).replace("_", ""))
            if match and not (match[1].startswith("0") and len(match[1]) > 1):
                yield node, match[1], match[2] or ""


def _in_pattern(node: "Node") -> bool:
    parent = node.parent
    while parent is not None:
        if "pattern" in parent.type or "attribute" in parent.type or "preproc" in parent.type:
            return True
        parent = parent.parent
    return False


def _statements(tree: Tree) -> "Iterator[Node]":
    """The parts of blocks that begin a line, less those whose comments and attributes stand over them."""
    for node in tree.nodes:
        if node.parent is None or not node.is_named or not BLOCKS.search(node.parent.type) or _is_head(node):
            continue
        before = node.prev_sibling
        line = tree.source[: node.start_byte].rpartition(b"\n")[2]
        if not line.strip() and not (before is not None and _is_head(before)):
            yield node


def _ends_line(tree: Tree, node: "Node") -> bool:
    return tree.source[node.end_byte : node.end_byte + 1] in (b"", b"\n") and "comment" not in node.type


def _is_head(node: "Node") -> bool:
    return "comment" in node.type or "attribute_item" in node.type or node.type == "decorator"


def _with_heads(node: "Node") -> tuple[int, int]:
    """From the first comment or attribute directly over an item to the item's end; `//!` is the file's own."""
    start, above = node.start_byte, node.prev_sibling
    while above is not None and _is_head(above) and not (above.text or b"").startswith(b"//!"):
        start, above = above.start_byte, above.prev_sibling
    return start, node.end_byte


def _needs(tree: Tree, one: "Node", two: "Node") -> bool:
    """Whether the head of the one function, which is evaluated where it stands, names the other."""
    return any(_head(tree, a) & {_name(tree, b)} for a, b in ((one, two), (two, one)))


def _head(tree: Tree, function: "Node") -> set[str]:
    body = function.child_by_field_name("body")
    end = body.start_byte if body is not None else function.end_byte
    return set(re.findall(r"\w+", tree.source[function.start_byte : end].decode()))


def _name(tree: Tree, function: "Node") -> str:
    name = function.child_by_field_name("name")
    return tree.text(name) if name is not None else ""
