"""The kinds of rules, by the name that a rubric's `kind` uses.

A kind is a frozen dataclass whose fields are its keys, with `SCHEMA` (the JSON Schema of these keys) and
`violations(candidate)`; its constructor raises KeyFaults, or any ValueError, on keys that cannot be used.
Plug-ins add theirs as entry points of the group `evalkit.rules`, which adapters/rubric_files.py resolves.
"""

from evalkit.core.rubric import Kind
from evalkit.core.rules.composite import AllOf, AnyOf, Not
from evalkit.core.rules.json_schema import JsonSchema
from evalkit.core.rules.length import Length
from evalkit.core.rules.python_ast import PythonAst
from evalkit.core.rules.regex import NotRegex, Regex
from evalkit.core.rules.tree_sitter import TreeSitter

KINDS: dict[str, type[Kind]] = {
    "regex": Regex,
    "not_regex": NotRegex,
    "length": Length,
    "json_schema": JsonSchema,
    "python_ast": PythonAst,
    "tree_sitter": TreeSitter,
    "any_of": AnyOf,
    "all_of": AllOf,
    "not": Not,
}
