"""How each language writes the head of a function, in the words of its grammar."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalkit.core.rules.function import Parameter, Piece, flat, piece, words
from evalkit.core.rules.syntax import text_of

if TYPE_CHECKING:
    from tree_sitter import Node


@dataclass(frozen=True)
class Head:
    """What a language's grammar calls the parts of a head.

    `query` finds functions, `owners` what they may belong to, `marks` are the children that say pub, async and
    the like, `names_of` gives the nodes of a parameter that make up its name, `wraps` are texts around a head
    that make it a whole function.
    """

    query: str
    wraps: tuple[str, ...]
    example: str
    owners: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    returns: str = "return_type"
    clauses: str = ""
    names_matter: bool = False
    names_of: "Callable[[Node], list[Node]]" = lambda node: [node]


def parameters(language: str, node: "Node", head: Head, names: Mapping[str, str]) -> Iterator[Parameter]:
    """What a function takes, in order."""
    single = node.child_by_field_name("parameter")  # x => x
    around = _declarator(node).child_by_field_name("parameters") or single
    listed = [single] if single is not None else around.named_children if around is not None else []
    for one in listed:
        if "comment" in one.type or "attribute" in one.type or one.type == "receiver_parameter":
            continue
        if language == "go":
            yield from _go_parameters(one, names)
            continue
        name = head.names_of(one)
        form = _specified(one, names, name) if language == "c" else piece(one, names, frozenset(n.id for n in name))
        if (language, form.words) != ("c", ("void",)):
            yield Parameter(" ".join(text_of(n) for n in name if n.type != "mutable_specifier"), form, flat(one))


def result(language: str, node: "Node", head: Head, names: Mapping[str, str]) -> Piece:
    """What a function returns; nothing is the empty piece."""
    if language == "c":
        return _c_result(node, names)
    returned = node.child_by_field_name(head.returns)
    if returned is None:
        return Piece()
    if language == "go" and returned.type == "parameter_list":
        forms = [one.form.words for given in returned.named_children for one in _go_parameters(given, names)]
        flattened = tuple(word for form in forms for word in (*form, ","))[:-1]
        return Piece(flattened, flat(returned))
    dimensions = node.child_by_field_name("dimensions")  # Java: int f()[]
    found = words(returned, names) + (words(dimensions, names) if dimensions is not None else ())
    if language == "rust" and found == ("(", ")"):
        return Piece()
    return Piece(found[1:] if found[:1] == (":",) else found, flat(returned).lstrip(": "))


def _declarator(node: "Node") -> "Node":
    """C: what holds the name and the parameters; elsewhere the node itself."""
    inner = node.child_by_field_name("declarator")
    found = node
    while inner is not None:
        if inner.type == "function_declarator":
            found = inner
        inner = inner.child_by_field_name("declarator") or (
            inner.named_children[0] if inner.type == "parenthesized_declarator" else None
        )
    return found


def _c_result(node: "Node", names: Mapping[str, str]) -> Piece:
    own = _declarator(node)
    left_out = [own.child_by_field_name("parameters"), own.child_by_field_name("declarator")]
    left_out += [child for child in node.children if child.type in ("storage_class_specifier", "compound_statement")]
    without = frozenset(one.id for one in left_out if one is not None)
    specified = _specified(node, names, [], without)
    return Piece(specified.words, " ".join(specified.words))


def _specified(
    node: "Node", names: Mapping[str, str], name: "list[Node]", without: frozenset[int] = frozenset()
) -> Piece:
    """C: `const char` is `char const`, hence the specifiers sorted, then the declarator."""
    without |= {one.id for one in name}
    declarator = node.child_by_field_name("declarator")
    before = [word for child in node.children if child != declarator for word in words(child, names, without)]
    behind = words(declarator, names, without) if declarator is not None else ()
    return Piece((*sorted(before), *behind), flat(node))


def _go_parameters(node: "Node", names: Mapping[str, str]) -> Iterator[Parameter]:
    kind = node.child_by_field_name("type")
    if kind is None:
        return
    dots = ("...",) if node.type == "variadic_parameter_declaration" else ()
    form = Piece((*dots, *words(kind, names)), "".join(dots) + flat(kind))
    for called in [text_of(name) for name in node.children_by_field_name("name")] or [""]:
        yield Parameter(called, form, f"{called} {form.text}".strip())


def _rust_name(node: "Node") -> "list[Node]":
    pattern = node.child_by_field_name("pattern")
    if pattern is None or pattern.type == "self":
        return []
    return [pattern, *(child for child in node.children if child.type == "mutable_specifier")]


def _python_name(node: "Node") -> "list[Node]":
    name = node.child_by_field_name("name") or node
    while name.type in ("typed_parameter", "list_splat_pattern", "dictionary_splat_pattern"):
        name = name.named_children[0]
    return [name] if name.type == "identifier" else []


def _script_name(node: "Node") -> "list[Node]":
    name = node.child_by_field_name("pattern") or node.child_by_field_name("left") or node
    if name.type == "rest_pattern":
        name = name.named_children[0]
    return [name] if name.type == "identifier" else []


def _java_name(node: "Node") -> "list[Node]":
    name = node.child_by_field_name("name")
    inner = [one.child_by_field_name("name") for one in node.named_children if one.type == "variable_declarator"]
    modifiers = [child for child in node.children if child.type == "modifiers"]  # final is the function's own affair
    return [one for one in (name, *inner) if one is not None] + modifiers


def _c_name(node: "Node") -> "list[Node]":
    found = node.child_by_field_name("declarator")
    while found is not None and found.type != "identifier":
        found = found.child_by_field_name("declarator") or next(iter(found.named_children), None)
    return [found] if found is not None else []


_SCRIPT_OWNERS = ("class_declaration", "class", "abstract_class_declaration", "interface_declaration")
_SCRIPT_MARKS = ("async", "*", "static", "get", "set", "accessibility_modifier", "override_modifier", "abstract")
_SCRIPT_BODIES = (
    "(function_declaration) (generator_function_declaration) (method_definition)"
    "(variable_declarator value: [(arrow_function) (function_expression) (generator_function)])"
)
_SCRIPT_WRAPS = ("HEAD {}", "class _ { HEAD {} }")
_TYPESCRIPT = Head(
    query=f"[{_SCRIPT_BODIES} (function_signature) (method_signature) (abstract_method_signature)]",
    wraps=_SCRIPT_WRAPS,
    example="async function fetchAll(urls: string[], limit: number): Promise<string[]>",
    owners=_SCRIPT_OWNERS,
    marks=_SCRIPT_MARKS,
    names_of=_script_name,
)

HEADS: dict[str, Head] = {
    "rust": Head(
        query="[(function_item) (function_signature_item)]",
        wraps=("HEAD {}",),
        example="pub async fn fetch_all(urls: &[String], limit: usize) -> Result<Vec<String>, FetchError>",
        owners=("impl_item", "trait_item"),
        marks=("visibility_modifier",),
        clauses="where_clause",
        names_of=_rust_name,
    ),
    "python": Head(
        query="(function_definition)",
        wraps=("HEAD: ...",),
        example="async def fetch_all(urls: list[str], limit: int = 4) -> list[str]",
        owners=("class_definition",),
        marks=("async",),
        names_matter=True,
        names_of=_python_name,
    ),
    "typescript": _TYPESCRIPT,
    "tsx": _TYPESCRIPT,
    "javascript": Head(
        query=f"[{_SCRIPT_BODIES}]",
        wraps=_SCRIPT_WRAPS,
        example="async function fetchAll(urls, limit = 4)",
        owners=_SCRIPT_OWNERS,
        marks=_SCRIPT_MARKS,
        names_of=_script_name,
    ),
    "go": Head(
        query="[(function_declaration) (method_declaration)]",
        wraps=("HEAD {}",),
        example="func FetchAll(ctx context.Context, urls []string) ([]string, error)",
        returns="result",
    ),
    "java": Head(
        query="[(method_declaration) (constructor_declaration)]",
        wraps=("class _ { HEAD {} }", "class _ { HEAD; }"),
        example="public static List<String> fetchAll(List<String> urls, int limit) throws IOException",
        owners=("class_declaration", "interface_declaration", "record_declaration", "enum_declaration"),
        returns="type",
        clauses="throws",
        names_of=_java_name,
    ),
    "c": Head(
        query="(function_definition)",
        wraps=("HEAD {}",),
        example="static char *fetch_all(const char **urls, size_t limit)",
        marks=("storage_class_specifier",),
        names_of=_c_name,
    ),
}
