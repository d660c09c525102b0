"""Python source as its syntax, with what it calls and imports; read once for all rules of a rubric."""

import ast
import warnings
from dataclasses import dataclass
from functools import cached_property, lru_cache

LARGE = 200_000  # characters: a syntax tree takes some hundred times its text, too much to keep


@dataclass(frozen=True)
class Source:
    """A syntax tree. Names come with their line."""

    tree: ast.Module

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """All nodes of the tree."""
        return tuple(ast.walk(self.tree))

    @cached_property
    def calls(self) -> tuple[tuple[str, int], ...]:
        """Every call's name, resolved through the source's own imports."""
        meant = self._aliases()
        found = []
        for node in self.nodes:
            if isinstance(node, ast.Call):
                head, *rest = _dotted(node.func)
                name = ".".join([meant.get(head, head), *rest])
                found.append((name.removeprefix("builtins."), node.lineno))
        return tuple(found)

    @cached_property
    def imports(self) -> tuple[tuple[str, int], ...]:
        """Every imported name: `os.path` for `from os import path`, with dots in front where relative."""
        found: list[tuple[str, int]] = []
        for node in self.nodes:
            if isinstance(node, ast.Import):
                found += [(alias.name, node.lineno) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                module = "." * node.level + (node.module or "")
                found += [(f"{module}.{alias.name}", node.lineno) for alias in node.names]
            elif isinstance(node, ast.Call) and _dotted(node.func)[-1] in ("__import__", "import_module"):
                found += [(str(arg.value), node.lineno) for arg in node.args[:1] if isinstance(arg, ast.Constant)]
        return tuple(found)

    def _aliases(self) -> dict[str, str]:
        meant: dict[str, str] = {}
        for node in self.nodes:
            if isinstance(node, ast.Import):
                meant.update({alias.asname: alias.name for alias in node.names if alias.asname})
            elif isinstance(node, ast.ImportFrom) and not node.level:
                meant.update({alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names})
        return meant


def read_source(text: str) -> Source:
    """Parse it. Raises SyntaxError, ValueError, RecursionError or MemoryError, as Python's parser does."""
    return _parsed(text) if len(text) <= LARGE else _parsed.__wrapped__(text)


@lru_cache(maxsize=1)  # the rules of a rubric look at one candidate after another
def _parsed(text: str) -> Source:
    # The parser's warnings, of an invalid escape for example, are no matter of the user's.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Source(ast.parse(text))


def _dotted(node: ast.expr) -> list[str]:
    """`a.b.c` as its names; what is no name (a call, a literal) is the empty name."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    names.append(node.id if isinstance(node, ast.Name) else "")
    return names[::-1]
