"""`python_ast`: what a Python candidate defines, calls and imports, seen in its syntax, not its text.

It checks style and the task's terms and is no security: a candidate can hide a call; the sandbox holds it.
"""

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from itertools import islice
from typing import Any, ClassVar

from evalkit.core.rubric import Violation
from evalkit.core.rules.keys import KeyFault, as_list, refuse, words
from evalkit.core.rules.signature import Signature, definitions, read_signature
from evalkit.core.rules.source import Source, read_source
from evalkit.core.rules.where import MANY, excerpt, short

_ROOTS = (ast.stmt, ast.expr, ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.pattern)
NODES = sorted(
    {node.__name__ for root in _ROOTS for node in root.__subclasses__()} | {"ExceptHandler", "comprehension", "keyword"}
)
_NAME = re.compile(r"[\w.*?\[\]!]+")
_TEXTS = {"type": ["string", "array"], "minLength": 1, "items": {"type": "string", "minLength": 1}}


@dataclass(frozen=True)
class PythonAst:
    """One name or several a key.

    `defines`: a function or class (`f`, `Stack.push`), or a signature (`def f(a: int, b=1) -> bool`), as
    syntax; an annotation that it leaves out is free. Calls and imports are dotted names as the imports of the
    candidate resolve them (`from os import system as s; s()` calls `os.system`), with `*` as wildcard
    (`subprocess.*`, `*.append`); forbidding `os` forbids `os.path` too. `forbid_nodes` are classes of the
    module `ast` (While, Try, ListComp …).
    """

    defines: str | Sequence[str] = ()
    forbid_calls: str | Sequence[str] = ()
    forbid_imports: str | Sequence[str] = ()
    require_calls: str | Sequence[str] = ()
    forbid_nodes: str | Sequence[str] = ()

    SCHEMA: ClassVar[dict[str, Any]] = {
        "properties": {
            "defines": _TEXTS,
            "forbid_calls": _TEXTS,
            "forbid_imports": _TEXTS,
            "require_calls": _TEXTS,
            "forbid_nodes": {"type": ["string", "array"], "items": {"type": "string"}},
        }
    }

    def __post_init__(self) -> None:
        """Refuse signatures, names and node classes that are none. Raises KeyFaults."""
        refuse(self._faults())

    @cached_property
    def wanted(self) -> tuple[Signature, ...]:
        """The definitions asked for, read once a rule."""
        return tuple(read_signature(text) for text in words(self.defines))

    def violations(self, candidate: str) -> list[Violation]:
        """The syntax error, or all that is missing and then all that is forbidden, by line."""
        try:
            source = read_source(candidate)
        except SyntaxError as error:
            detail = f"it does not parse: {error.msg}"
            return [Violation(detail, error.lineno, excerpt(candidate, error.lineno), unread=True)]
        except (
            ValueError,
            RecursionError,
            MemoryError,
        ) as error:  # null bytes, lone surrogates, nested too deeply
            return [Violation(f"it does not parse: {error or type(error).__name__}", unread=True)]
        seen = [*self._missing(source), *sorted(self._forbidden(source), key=lambda found: found[1])]
        return [Violation(detail, line, excerpt(candidate, line)) for detail, line in islice(seen, MANY)]

    def _missing(self, source: Source) -> Iterator[tuple[str, int | None]]:
        if self.wanted:
            defined = definitions(source.tree)
            yield from (missing for want in self.wanted if (missing := want.missing(defined)))
        if self.require_calls:
            names = [name for name, _ in source.calls]
            for pattern in words(self.require_calls):
                if not any(fnmatchcase(name, pattern) for name in names):
                    yield f"it does not call {pattern}", None

    def _forbidden(self, source: Source) -> Iterator[tuple[str, int]]:
        if self.forbid_calls:
            yield from (
                (f"it calls {name}", line) for name, line in source.calls if _any(words(self.forbid_calls), name)
            )
        if self.forbid_imports:
            yield from (
                (f"it imports {name}", line) for name, line in source.imports if _inside(self.forbid_imports, name)
            )
        if self.forbid_nodes:
            forbidden = set(words(self.forbid_nodes))
            for node in source.nodes:
                if type(node).__name__ in forbidden:
                    yield f"it uses {type(node).__name__}", getattr(node, "lineno", 1)

    def _faults(self) -> Iterator[KeyFault]:
        for key, index, text in self._texts("defines"):
            try:
                read_signature(text)
            except ValueError as error:
                yield KeyFault((key, *index), str(error))
        for key, index, text in self._texts("forbid_calls", "forbid_imports", "require_calls"):
            if not _NAME.fullmatch(text):
                yield KeyFault((key, *index), f"{short(text)!r} is no name; write e.g. 'os.system' or '*.append'")
        for key, index, text in self._texts("forbid_nodes"):
            if text not in NODES:
                yield KeyFault((key, *index), f"{short(text)!r} is no node class of Python's ast{_near(text)}")

    def _texts(self, *keys: str) -> Iterator[tuple[str, tuple[int, ...], str]]:
        """Each text under the keys with its index (none where the key holds one text)."""
        for key in keys:
            value = getattr(self, key)
            for index, text in enumerate(as_list(value)):
                yield key, (() if isinstance(value, str) else (index,)), str(text)


def _any(patterns: Iterable[str], name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _inside(patterns: str | Sequence[str], name: str) -> bool:
    """Whether the name, or a package that it lies in, is among the patterns."""
    parts = name.split(".")
    return any(_any(words(patterns), ".".join(parts[:end])) for end in range(1, len(parts) + 1))


def _near(text: str) -> str:
    from difflib import get_close_matches  # noqa: PLC0415  only wrong input needs it

    near = get_close_matches(text, NODES, 1) or [node for node in NODES if node.lower() == text.lower()]
    return f"; did you mean {near[0]!r}?" if near else "; e.g. While, Try, ListComp"
