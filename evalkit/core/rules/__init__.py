"""The kinds of rules, by the name that a rubric's `kind` uses.

A kind is a frozen dataclass whose fields are its keys, with `SCHEMA` (the JSON Schema of these keys) and
`violations(candidate)`, or, where it needs the world, `async found(candidate, world)` (core/ports.Effect); such a
kind may have `stage` (1: the sandbox, 2: a grader; later stages cost more), `source` (`test`: hidden from models)
and `missing(instance)`. Its constructor raises KeyFaults, or any ValueError, on keys that cannot be used.
Plug-ins add theirs as entry points of the group `evalkit.rules`, which adapters/rubric_files/ resolves.
"""

from typing import Any

from evalkit.core.rubric import Kind
from evalkit.core.rules.code_signature import CodeSignature
from evalkit.core.rules.command import Command
from evalkit.core.rules.compiles import Compiles
from evalkit.core.rules.composite import AllOf, AnyOf, Not
from evalkit.core.rules.grader import Judge
from evalkit.core.rules.instance_tests import InstanceTests
from evalkit.core.rules.json_schema import JsonSchema
from evalkit.core.rules.length import Length
from evalkit.core.rules.python_ast import PythonAst
from evalkit.core.rules.python_function import PythonFunction
from evalkit.core.rules.regex import NotRegex, Regex
from evalkit.core.rules.similarity import Similarity
from evalkit.core.rules.tree_sitter import TreeSitter

EFFECTS: dict[str, Any] = {"compiles": Compiles, "command": Command, "tests": InstanceTests, "judge": Judge}
KINDS: dict[str, type[Kind]] = {
    "regex": Regex,
    "not_regex": NotRegex,
    "length": Length,
    "json_schema": JsonSchema,
    "python_ast": PythonAst,
    "tree_sitter": TreeSitter,
    "signature": CodeSignature,
    "similarity": Similarity,
    "python": PythonFunction,
    "any_of": AnyOf,
    "all_of": AllOf,
    "not": Not,
    **EFFECTS,
}
