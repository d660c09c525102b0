"""A definition that a rule asks for, as a name or as the text of a signature, compared as syntax."""

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest

from evalkit.core.rules.where import short

Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = Function | ast.ClassDef
_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


@dataclass(frozen=True)
class Signature:
    """What has to be defined; `function` is None where any function or class of that name will do."""

    name: str
    function: Function | None = None

    def missing(self, defined: Mapping[str, Definition]) -> tuple[str, int | None] | None:
        """What is wrong with the definition of this name and on which line, or None."""
        found = defined.get(self.name)
        if found is None:
            wanted = head(self.function) if self.function else self.name
            return f"it does not define {wanted}", None
        if self.function is None:
            return None
        if isinstance(found, ast.ClassDef) or not _same(self.function, found):
            return f"it defines {head(found)}, not {head(self.function)}", found.lineno
        return None


def read_signature(text: str) -> Signature:
    """Read `f`, `Stack.push` or `def f(a: int) -> bool`. Raises ValueError saying what is wrong."""
    wanted = text.strip().removesuffix("...").rstrip().removesuffix(":")
    if _NAME.fullmatch(wanted):
        return Signature(wanted)
    try:
        body = ast.parse(f"{wanted}: ...").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        raise ValueError(f"{short(text)!r} is neither a name nor a signature ({reason}); {_EXAMPLE}") from None
    if len(body) == 1 and isinstance(body[0], Function):
        return Signature(body[0].name, body[0])
    raise ValueError(f"{short(text)!r} is neither a name nor a signature; {_EXAMPLE}")


def definitions(tree: ast.Module) -> dict[str, Definition]:
    """Functions and classes of the module by name, methods as `Class.method`; the last of a name counts."""
    found: dict[str, Definition] = {}
    todo: list[tuple[str, ast.stmt]] = [("", node) for node in tree.body]
    for prefix, node in todo:  # grows while it is walked
        if isinstance(node, Definition):
            found[prefix + node.name] = node
        if isinstance(node, ast.ClassDef):
            todo += [(f"{prefix}{node.name}.", inner) for inner in node.body]
    return found


def head(node: Definition) -> str:
    """`def f(a: int) -> bool`, as Python would print it."""
    if isinstance(node, ast.ClassDef):
        return f"class {node.name}"
    kind = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    try:
        returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
        return short(f"{kind} {node.name}({ast.unparse(node.args)}){returns}", 200)
    except RecursionError:  # a default value of a thousand terms
        return f"{kind} {node.name}(…)"


def _same(want: Function, found: Function) -> bool:
    if type(want) is not type(found):
        return False
    if want.returns and not _equal(want.returns, found.returns):
        return False
    return _shape(want.args) == _shape(found.args) and _annotated(want.args, found.args)


def _shape(args: ast.arguments) -> tuple[object, ...]:
    """Names, kinds and defaults of the parameters, without annotations."""
    groups = [[arg.arg for arg in group] for group in (args.posonlyargs, args.args, args.kwonlyargs)]
    stars = [arg.arg if arg else None for arg in (args.vararg, args.kwarg)]
    defaults = [None if value is None else _dump(value) for value in (*args.defaults, None, *args.kw_defaults)]
    return groups, stars, defaults


def _annotated(want: ast.arguments, found: ast.arguments) -> bool:
    pairs = zip_longest(_all(want), _all(found))
    return all(w.annotation is None or _equal(w.annotation, f.annotation) for w, f in pairs)


def _all(args: ast.arguments) -> list[ast.arg]:
    stars = [arg for arg in (args.vararg, args.kwarg) if arg]
    return [*args.posonlyargs, *args.args, *args.kwonlyargs, *stars]


def _equal(want: ast.expr, found: ast.expr | None) -> bool:
    return found is not None and _dump(want) == _dump(found)


def _dump(node: ast.expr) -> str:
    return ast.dump(node)


_EXAMPLE = "write e.g. 'solve' or 'def solve(items: list[int]) -> int'"
