"""Each kind of rule: what holds, what breaks it and where, and keys that cannot be used."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.core.errors import GraderError
from evalkit.core.rules import KINDS
from evalkit.core.rules.json_schema import JsonSchema
from evalkit.core.rules.keys import KeyFaults
from evalkit.core.rules.length import Length
from evalkit.core.rules.python_ast import PythonAst
from evalkit.core.rules.regex import NotRegex, Regex
from evalkit.core.rules.where import MANY

SIGNATURE = 'def f(a: int, b: str = "x") -> bool'
POINT = {"type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"]}

HOLDS = [
    (Regex("^b", "m"), "a\nb"),
    (Regex("A.B", ["i", "s"]), "a\nb"),
    (NotRegex("^b"), "a\nb"),
    (Length(words={"min": 2, "max": 2}), "  one two\n"),
    (Length(lines={"max": 1}, characters={"max": 3}), "\nabc\n\n"),
    (JsonSchema({"type": "object"}), ' {"a": 1}\n'),
    (JsonSchema(schema=True), "[1e400]"),
    (JsonSchema({"$ref": "https://json-schema.org/draft/2020-12/schema"}), '{"type": "string"}'),
    (PythonAst(), ""),
    (PythonAst(defines="f"), "def f(): ..."),
    (PythonAst(defines=["Stack.push", "Stack"]), "class Stack:\n    def push(self, x): ..."),
    (PythonAst(defines=SIGNATURE), "def f(a:int, b : str='x')->bool:\n    return True"),
    (PythonAst(defines=SIGNATURE + ":"), "def f(a):\n  pass\n\n" + SIGNATURE + ": ..."),
    (PythonAst(defines="def f(a, *rest, key=1)"), "def f(a: int, *rest: str, key: int = 1) -> None: ..."),
    (PythonAst(forbid_calls="print"), "# print('x')\nx = 'print(1)'"),
    (PythonAst(forbid_calls="eval"), "import ast\nast.literal_eval('1')"),
    (PythonAst(forbid_imports="os"), "import posix, osmium"),
    (PythonAst(require_calls="math.sqrt"), "from math import sqrt as root\nroot(2)"),
    (PythonAst(forbid_nodes="While"), "for x in []: pass"),
]

BREAKS = [
    (Regex("b"), "a", "", None),
    (NotRegex("^b", "m"), "a\nb c", "found 'b'", 2),
    (NotRegex(r"\s+b"), "a\n\n  b", "found 'b'", 3),
    (Length(words={"min": 2}), "one", "it has 1 word; at least 2 wanted", None),
    (Length(characters={"max": 2}), "abc", "it has 3 characters; at most 2 allowed", None),
    (JsonSchema(schema=True), "{\n'a': 1}", "it is not JSON: Expecting property name enclosed in double quotes", 2),
    (JsonSchema(schema=True), "NaN", "NaN is no JSON number", None),
    (JsonSchema(schema=True), "[" * 100_000, "recursion", None),
    (JsonSchema(schema=True), "1" * 5000, "digits", None),
    (JsonSchema({"items": POINT}), '[{"x": 1}, {"x": "1"}]', "$[1].x: '1' is not of type 'number'", None),
    (JsonSchema({"anyOf": [{"items": POINT}, False]}), "[{}]", "", None),
    (JsonSchema({"multipleOf": 0.5}), "1e999", "", None),
    (JsonSchema({"format": "date"}), '"2024-13-01"', "$: '2024-13-01' is not a 'date'", None),
    (PythonAst(), "x = 1\ndef f(:\n", "it does not parse: invalid syntax", 2),
    (PythonAst(), "x\0", "null bytes", None),
    (PythonAst(), "-" * 100_000 + "1", "it does not parse", None),
    (PythonAst(), "a" + ".b" * 50_000, "it does not parse", None),
    (PythonAst(), "x = '\ud800'", "it does not parse", None),
    (PythonAst(defines="f"), "def g(): ...", "it does not define f", None),
    (PythonAst(defines="f"), "def g():\n    def f(): ...", "it does not define f", None),
    (PythonAst(defines=SIGNATURE), "x=1", "it does not define def f(a: int, b: str='x') -> bool", None),
    (PythonAst(defines=SIGNATURE), "x=1\ndef f(a, b='x'): ...", "it defines def f(a, b='x'), not def f", 2),
    (PythonAst(defines=SIGNATURE), 'def f(a: int, b: str = "y") -> bool: ...', "it defines", 1),
    (PythonAst(defines="def f(a)"), "def f(b): ...", "it defines def f(b), not def f(a)", 1),
    (PythonAst(defines="def f(a)"), "def f(a, *, b): ...", "it defines", 1),
    (PythonAst(defines="def f(a)"), "async def f(a): ...", "it defines async def f(a)", 1),
    (PythonAst(defines="def f(a)"), "class f: ...", "it defines class f", 1),
    (PythonAst(forbid_calls="print"), "x = 1\n\nprint(x)", "it calls print", 3),
    (PythonAst(forbid_calls="os.system"), "from os import system as s\ns('ls')", "it calls os.system", 2),
    (PythonAst(forbid_calls=["os.*"]), "import os as o\no.path.join('a')", "it calls os.path.join", 2),
    (PythonAst(forbid_calls="*.append"), "[].append(1)", "it calls .append", 1),
    (PythonAst(forbid_calls="eval"), "import builtins\nbuiltins.eval('1')", "it calls eval", 2),
    (PythonAst(forbid_imports="os"), "import re, os.path", "it imports os.path", 1),
    (PythonAst(forbid_imports=["os.path"]), "from os import path", "it imports os.path", 1),
    (PythonAst(forbid_imports="os"), "def f():\n    __import__('os')", "it imports os", 2),
    (PythonAst(forbid_imports="*"), "from . import x", "it imports", 1),
    (PythonAst(require_calls="sorted"), "sorted = 1", "it does not call sorted", None),
    (PythonAst(forbid_nodes=["Try", "While"]), "x\nwhile x: pass", "it uses While", 2),
]


@pytest.mark.parametrize(("check", "candidate"), HOLDS)
def test_a_rule_holds(check, candidate):
    assert check.violations(candidate) == []


@pytest.mark.parametrize(("check", "candidate", "detail", "line"), BREAKS)
def test_a_rule_is_broken_and_says_where(check, candidate, detail, line):
    violation = check.violations(candidate)[0]
    assert detail in violation.detail
    assert violation.line == line
    assert violation.excerpt == (candidate.splitlines()[line - 1].strip()[:120] if line else "")


@pytest.mark.parametrize(
    ("kind", "keys", "path"),
    [
        (Regex, {"pattern": "(("}, ("pattern",)),
        (Regex, {"pattern": "a{99999999999999}"}, ("pattern",)),
        (NotRegex, {"pattern": "(?<=a+)"}, ("pattern",)),
        (Regex, {"pattern": "a", "flags": "q"}, ("flags",)),
        (Length, {}, ()),
        (Length, {"words": {"min": 3, "max": 2}}, ("words",)),
        (JsonSchema, {"schema": {"type": "objec"}}, ("schema", "type")),
        (JsonSchema, {"schema": {"properties": {"a": {"pattern": "(("}}}}, ("schema", "properties", "a", "pattern")),
        (JsonSchema, {"schema": {"properties": {"a": {"$ref": "#/nope"}}}}, ("schema",)),
        (JsonSchema, {"schema": {"$ref": "https://example.invalid/x"}}, ("schema",)),
        (JsonSchema, {"schema": {"$ref": "#"}}, ("schema",)),
        (JsonSchema, {"schema": {"$schema": [1]}}, ("schema",)),
        (PythonAst, {"defines": "def f("}, ("defines",)),
        (PythonAst, {"defines": ["f", "def f(): x\ndef g()"]}, ("defines", 1)),
        (PythonAst, {"defines": "x = 1"}, ("defines",)),
        (PythonAst, {"forbid_calls": ["a b"]}, ("forbid_calls", 0)),
        (PythonAst, {"forbid_nodes": ["Whlie"]}, ("forbid_nodes", 0)),
    ],
)
def test_keys_that_cannot_be_used_are_refused_by_their_path(kind, keys, path):
    with pytest.raises(KeyFaults) as raised:
        kind(**keys)
    assert raised.value.faults[0].path == path


def test_a_misspelt_node_class_is_told_the_nearest():
    with pytest.raises(KeyFaults, match="did you mean 'While'"):
        PythonAst(forbid_nodes="Whlie")


def test_a_reference_that_leads_nowhere_is_the_graders_fault():
    nested = {"properties": {"a": {"$id": "http://x.invalid/", "$defs": {"b": {}}, "$dynamicRef": "#c"}}}
    try:
        check = JsonSchema(nested)
    except KeyFaults:
        return  # found at once is better still
    with pytest.raises(GraderError):
        check.violations('{"a": 1}')


def test_a_pattern_that_matches_everywhere_fills_no_memory():
    assert len(NotRegex("").violations("x" * 100_000)) == MANY


CHECKS = [check for check, *_ in HOLDS + BREAKS]


@settings(deadline=None)
@given(st.sampled_from(CHECKS), st.text() | st.sampled_from([case[1] for case in BREAKS]))
def test_no_candidate_breaks_a_rule_itself(check, candidate):
    found = check.violations(candidate)
    assert found == check.violations(candidate)
    assert len(found) <= MANY
    assert all(len(violation.excerpt) <= 120 for violation in found)


WORDS = ["type", "$ref", "$id", "$schema", "$anchor", "properties", "items", "pattern", "anyOf", "minimum", "required"]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(WORDS), inner),
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(WORDS), VALUES) | VALUES, st.recursive(st.integers(), st.lists))
def test_whatever_is_given_as_a_schema_is_refused_or_works(schema, value):
    try:
        check = JsonSchema(schema)
    except KeyFaults:
        return
    assert isinstance(check.violations(json.dumps(value)), list)


def test_every_kind_describes_its_keys():
    for kind in KINDS.values():
        assert set(kind.SCHEMA.get("required", ())) <= set(kind.SCHEMA["properties"])
