"""Names that a function keeps to itself, renamed."""

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from evalkit.core.mutation.made import Rewrite
from evalkit.core.mutation.syntax import Tree

if TYPE_CHECKING:
    from tree_sitter import Node

# Where a local gets its name: the node and the field that holds the name, or a pattern of names.
BINDS = {
    "rust": (("let_declaration", "pattern"), ("for_expression", "pattern")),
    "python": (("assignment", "left"), ("for_statement", "left")),
    "go": (("short_var_declaration", "left"), ("range_clause", "left")),
    "javascript": (("variable_declarator", "name"),),
    "typescript": (("variable_declarator", "name"),),
    "tsx": (("variable_declarator", "name"),),
    "java": (("variable_declarator", "name"),),
    "c": (("init_declarator", "declarator"),),
}
FUNCTION = re.compile(r"function|method|closure|lambda")
# Names in these are seen from outside, are labels or keys, or cannot be told from such.
OUTSIDE = re.compile(
    r"parameter|keyword_argument|shorthand|keyed_element|literal_element|^pair$|field_(initializer|declaration)"
    r"|label|import|global|nonlocal|attribute_item|class|macro_definition"
)
BLANK = "_"  # no local: Go refuses `for unused, x := range xs`, and a rule may ask for it
PATTERNS = ("identifier", "tuple_pattern", "pattern_list", "expression_list", "mut_pattern")
_WORD = re.compile(r"\w+")


def renamed(tree: Tree) -> Iterator[Rewrite]:
    """Each local by itself, then all of them."""
    places = _safe(tree)
    free = (f"local_{number}" for number in range(1, 10_000) if f"local_{number}".encode() not in tree.source)
    fresh = dict(zip(places, free, strict=False))
    for name, nodes in places.items():
        yield Rewrite(f"`{name}` renamed", tree.replaced(nodes, fresh[name]), "names")
    if len(places) > 1:
        edits = [(node.start_byte, node.end_byte, fresh[name].encode()) for name in places for node in places[name]]
        yield Rewrite("all locals renamed", tree.edited(*edits), "names")


def _safe(tree: Tree) -> "dict[str, list[Node]]":
    """The places of each local's name; without those whose name also means something else, or stands in a text."""
    wanted = {tree.text(node) for node in _bound(tree)} - {BLANK}
    places: dict[str, list[Node]] = defaultdict(list)
    unsafe: set[str] = set()
    for node in tree.nodes:
        if "string" in node.type and not node.named_child_count:
            unsafe.update(_WORD.findall(tree.text(node)))
        if node.named_child_count or (name := tree.text(node)) not in wanted:
            continue
        if node.type == "identifier" and not _outside(tree, node):
            places[name].append(node)
        else:
            unsafe.add(name)
    return {name: nodes for name, nodes in places.items() if name not in unsafe}


def _bound(tree: Tree) -> "Iterator[Node]":
    binds = dict(BINDS.get(tree.language, ()))
    for node in tree.nodes:
        field = binds.get(node.type)
        pattern = node.child_by_field_name(field) if field else None
        if pattern is not None and pattern.type in PATTERNS and _in_function(node):
            yield from (
                [pattern]
                if pattern.type == "identifier"
                else (one for one in pattern.named_children if one.type == "identifier")
            )


def _outside(tree: Tree, node: "Node") -> bool:
    """Whether this place of the name is not the local alone: a member, a key, a parameter, a function's name."""
    parent = node.parent
    if parent is None or OUTSIDE.search(parent.type) or not _in_function(node):
        return True
    before = tree.source[: node.start_byte].rstrip()[-2:]
    after = tree.source[node.end_byte :].lstrip()[:2]
    if before.endswith((b".", b"::", b"->", b"'")) or after == b"::":
        return not before.endswith(b"..")  # `a..b` is a range
    if parent.type == "token_tree" and after[:1] in (b":", b"="):
        return after not in (b"==", b"=>")
    return node == parent.child_by_field_name("name") and bool(FUNCTION.search(parent.type))


def _in_function(node: "Node") -> bool:
    """Whether the node stands in a function's body; its own name and head are outside."""
    child, parent = node, node.parent
    while parent is not None:
        if FUNCTION.search(parent.type) and child == parent.child_by_field_name("body"):
            return True
        child, parent = parent, parent.parent
    return False
