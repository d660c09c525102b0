"""The functions of a candidate, and the one that a rule asks for."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from evalkit.core.rules.function import Function, flat, piece, words
from evalkit.core.rules.heads import HEADS, Head, parameters, result
from evalkit.core.rules.languages import compiled
from evalkit.core.rules.syntax import Syntax, read_syntax, text_of
from evalkit.core.rules.where import short

if TYPE_CHECKING:
    from tree_sitter import Node

ANY = "_"  # the owner of a function that was read out of a wrapping class: any will do
ON = "on "  # Go: the mark that names the receiver's type


def read_head(language: str, text: str) -> Function:
    """The head that a rule asks for. Raises ValueError with an example."""
    bare = text.strip().removesuffix("...").rstrip().removesuffix(";").removesuffix(":").rstrip()
    bare = bare.removesuffix("{}").rstrip()
    for wrap in HEADS[language].wraps:
        syntax = read_syntax(language, wrap.replace("HEAD", bare))
        found = [] if syntax.problem else list(functions(syntax))
        if len(found) == 1 and not found[0].nested:
            return found[0]
    raise ValueError(f"{short(text)!r} is no head of a function in {language}; write e.g. {HEADS[language].example!r}")


def functions(syntax: Syntax, name: str = "") -> Iterator[Function]:
    """All functions, or those of a name, in order; those in macros are none until the macro is used."""
    from tree_sitter import QueryCursor  # noqa: PLC0415  see languages.grammar

    head = HEADS[syntax.language]
    query = compiled(syntax.language, f"{head.query} @function")
    for _, captured in QueryCursor(query).matches(syntax.tree.root_node):
        node = captured["function"][0]
        if name in ("", _name(node)):
            yield _function(syntax.language, head, node)


def _function(language: str, head: Head, node: "Node") -> Function:
    """One function's head."""
    inner = node.child_by_field_name("value") if node.type == "variable_declarator" else node
    inner = inner or node
    generics = inner.child_by_field_name("type_parameters")
    names = _declared(generics)
    owner, nested = _place(head, node)
    clauses = [child for child in inner.children if child.type == head.clauses]
    returned = result(language, inner, head, names)
    return Function(
        name=_name(node),
        line=node.start_point[0] + 1,
        owner=owner,
        nested=nested,
        has_body=inner.child_by_field_name("body") is not None,
        marks=tuple(_marks(head, node, inner)),
        generics=piece(generics, names),
        parameters=tuple(parameters(language, inner, head, names)),
        returns=returned,
        clauses=frozenset(words(one, names) for clause in clauses for one in clause.named_children),
        clauses_text=" ".join(flat(clause).rstrip(",") for clause in clauses),
    )


def _declared(generics: "Node | None") -> dict[str, str]:
    """The type parameters and lifetimes that a head declares, by number: their names are its own affair."""
    names: dict[str, str] = {}
    for one in generics.named_children if generics is not None else ():
        for node in one.children_by_field_name("name") or _first_name(one):
            names.setdefault(text_of(node), f"${len(names) + 1}")
    return names


def _first_name(node: "Node") -> "list[Node]":
    while node.named_child_count and node.type not in ("lifetime", "identifier", "type_identifier"):
        node = node.named_children[0]
    return [node]


def _name(node: "Node") -> str:
    name = node.child_by_field_name("name")
    declarator = node
    while name is None:  # C: int *f(void)
        inner = declarator.child_by_field_name("declarator") or next(iter(declarator.named_children), None)
        if inner is None:
            return ""
        declarator = inner
        name = inner if inner.type == "identifier" else None
    return text_of(name)


def _marks(head: Head, node: "Node", inner: "Node") -> Iterator[str]:
    around = node.parent.parent if node.type == "variable_declarator" and node.parent is not None else node.parent
    if around is not None and around.type == "export_statement":
        yield from (child.type for child in around.children if child.type in ("export", "default"))
    receiver = node.child_by_field_name("receiver")
    if receiver is not None:
        yield f"{ON}{flat(receiver).strip('()').split(' ')[-1]}"
    for child in inner.children:
        if child.type in ("function_modifiers", "modifiers"):
            yield from (flat(word) for word in child.children if "annotation" not in word.type)
        elif child.type in head.marks:
            yield flat(child)


def _place(head: Head, node: "Node") -> tuple[str, bool]:
    """What it belongs to, and whether it stands inside another function."""
    receiver = node.child_by_field_name("receiver")
    if receiver is not None:
        return _bare(flat(receiver).strip("()").split(" ")[-1]), False
    above = node.parent
    while above is not None:
        if above.type in head.owners:
            named = above.child_by_field_name("type") or above.child_by_field_name("name")
            return (_bare(flat(named)) if named is not None else ""), False
        if above.child_by_field_name("parameters") is not None:
            return "", True
        above = above.parent
    return "", False


def _bare(name: str) -> str:
    """`Fetcher` of `*http.Fetcher[T]` and of `Fetcher<'a>`."""
    for bracket in "<[":
        name = name.split(bracket, 1)[0]
    return name.strip("*& ").replace("::", ".").rpartition(".")[2]
