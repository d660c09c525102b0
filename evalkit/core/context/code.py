"""What a source file defines and imports, by lines; read once for each content."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit.core.context.bags import Memory
from evalkit.core.rules.languages import grammar

if TYPE_CHECKING:
    from tree_sitter import Node

LANGUAGES = {
    ".py": "python", ".pyi": "python", ".js": "javascript", ".jsx": "javascript", ".mjs": "javascript",
    ".ts": "typescript", ".tsx": "tsx", ".rs": "rust", ".go": "go", ".java": "java", ".c": "c", ".h": "c",
}  # fmt: skip
_HOLDERS = frozenset(  # what has definitions of its own: its head is a block, and so is each of them
    {"class_definition", "class_declaration", "interface_declaration", "impl_item", "trait_item", "mod_item"}
    | {"enum_declaration", "internal_module"}
)
_DEFINED = _HOLDERS | {
    "function_definition", "function_declaration", "method_definition", "method_declaration", "function_item",
    "struct_item", "enum_item", "type_declaration", "constructor_declaration", "generator_function_declaration",
    "type_alias_declaration", "macro_definition", "struct_specifier",
}  # fmt: skip
_WRAPPERS = frozenset({"decorated_definition", "export_statement"})
_DEFINITION = re.compile(
    r"^[ \t]*(?:export\s+|pub(?:\([^)]*\))?\s+|public\s+|static\s+|abstract\s+|async\s+|default\s+|cdef\s+|cpdef\s+)*"
    r"(?:def|class|function|func|fn|struct|enum|trait|interface|type)\s+(?:\([^)]*\)\s*)?(\w+)",
    re.MULTILINE,
)
_FROM = re.compile(r"^[ \t]*from[ \t]+(\.*[\w.]*)[ \t]+import[ \t]+(\([^)]*\)|[^\n#]*)", re.MULTILINE)
_IMPORT = re.compile(r"^[ \t]*import[ \t]+([\w., \t]+)", re.MULTILINE)
_CHUNK = 30  # lines of a part without definitions that are taken together


@dataclass(frozen=True, slots=True)
class Block:
    """Lines `start` to `end` (from 1) that are shown together; `heads` are the first lines of what they stand in."""

    start: int
    end: int
    name: str = ""
    heads: tuple[int, ...] = ()
    body: int = 0  # where a definition's body begins; 0: it is none


@dataclass(frozen=True, slots=True)
class Names:
    """What a file defines (name, line), and the modules that it imports, as written: `.x.y` is relative."""

    defined: tuple[tuple[str, int], ...]
    imported: tuple[str, ...]


_NAMES: Memory[Names] = Memory(3_000_000, lambda one: len(one.defined) + len(one.imported) + 5)  # about 150 B each


def names(key: str, read: Callable[[], str]) -> Names:
    """What stands in a text whose content is called `key`."""

    def made() -> Names:
        text = read()
        return Names(tuple(_definitions(text)), tuple(dict.fromkeys(_imports(text))))

    return _NAMES.get(key, made)


def _definitions(text: str) -> Iterator[tuple[str, int]]:
    line, at = 1, 0
    for found in _DEFINITION.finditer(text):
        line += text.count("\n", at, found.start(1))
        at = found.start(1)
        yield found[1], line


def _imports(text: str) -> Iterator[str]:
    """`from a.b import c` is a.b and a.b.c, for c may be a module."""
    for found in _FROM.finditer(text):
        module = found[1]
        yield module
        joint = "" if module.endswith(".") else "."
        for name in re.findall(r"(\w+)(?:[ \t]+as[ \t]+\w+)?", found[2]):
            yield f"{module}{joint}{name}"
    for found in _IMPORT.finditer(text):
        yield from (part.split()[0] for part in found[1].split(",") if part.strip())


def blocks(path: str, text: str) -> list[Block]:
    """The file in parts that are shown whole or not at all: definitions, and what stands between them."""
    count = text.count("\n") + (not text.endswith("\n"))
    language = LANGUAGES.get("." + path.rpartition(".")[2])
    if language is None:
        return list(_plain(1, count))
    from tree_sitter import Parser  # noqa: PLC0415  see languages.grammar

    root = Parser(grammar(language)).parse(text.encode(errors="replace")).root_node
    found: list[Block] = []
    _collect(root, 1, count, (), found)
    return sorted(found, key=lambda one: one.start)


def _collect(parent: "Node", start: int, end: int, heads: tuple[int, ...], found: list[Block]) -> None:
    """Split lines `start` to `end` of what is inside `parent`."""
    for outer, node in _inside(parent):
        first, last = outer.start_point[0] + 1, outer.end_point[0] + 1
        if first < start or last > end:
            continue  # shares a line with the one before
        found += _plain(start, first - 1, heads)
        start = last + 1
        name = node.child_by_field_name("name") or node.child_by_field_name("type")
        called = (name.text or b"").decode(errors="replace") if name else ""
        body = node.child_by_field_name("body")
        line = node.start_point[0] + 1
        begins = body.start_point[0] + 1 if body else last + 1
        first_inside = next((one.start_point[0] + 1 for one, _ in _inside(body)), 0) if body else 0
        if node.type in _HOLDERS and body and first_inside > line:
            found.append(Block(first, first_inside - 1, called, heads, begins))
            _collect(body, first_inside, last, (*heads, line), found)
        else:
            found.append(Block(first, last, called, heads, begins))
    found += _plain(start, end, heads)


def _inside(parent: "Node") -> Iterator[tuple["Node", "Node"]]:
    """Definitions right below a node, with their decorators (outer, inner); those in an if or try count too."""
    for child in parent.children:
        if child.type in _DEFINED:
            yield child, child
        elif child.type in _WRAPPERS:
            inner = next((one for one in child.children if one.type in _DEFINED), None)
            if inner is not None:
                yield child, inner
        elif child.type in {"declaration_list", "class_body", "block", "interface_body"}:
            yield from _inside(child)


def _plain(start: int, end: int, heads: tuple[int, ...] = ()) -> Iterator[Block]:
    for first in range(start, end + 1, _CHUNK):
        yield Block(first, min(end, first + _CHUNK - 1), "", heads)
