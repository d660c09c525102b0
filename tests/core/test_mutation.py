"""Mutations of accepted examples: what may break a rule, and what means the same."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.core.mutation import CHANGES, harmless, sampled, violating
from evalkit.core.mutation.languages import language_of
from evalkit.core.mutation.syntax import parse

BACKOFF = '''\
def delays(count, first=250):
    """Milliseconds."""
    # doubled each time
    found = []
    for step in range(count):
        found.append(first * 2 ** step)
    limit = 1000
    return [min(one, limit) for one in found if one != 500]


def total(count):
    return sum(delays(count))
'''
RUST = """\
/// Fetches.
#[must_use]
pub async fn fetch(url: &str, tries: usize) -> Result<u64, Error> {
    let mut delay = 250u64;
    let waits = [500, 1000];
    for attempt in 0..tries {
        println!("{attempt}");
        delay *= 2;
    }
    Ok(delay)
}

/// What went wrong.
pub enum Error { Timeout }
"""
GO = "package main\n\nfunc f(a int) int {\n\tb := a * 2\n\treturn b\n}\n\nfunc g() int {\n\treturn 1000\n}\n"
JAVA = "class A {\n  int f(int a) {\n    int b = a * 2;\n    return b;\n  }\n  int g() { return 1; }\n}\n"
TYPESCRIPT = "function f(a: number): number {\n  const b = a * 2;\n  return b;\n}\nfunction g() {\n  return f(1);\n}\n"
C = "int f(int a) {\n    int b = a * 2;\n    return b;\n}\n"
EXAMPLES = {"python": BACKOFF, "rust": RUST, "go": GO, "java": JAVA, "typescript": TYPESCRIPT, "c": C}

ANY_TEXT = st.text(st.characters(), max_size=200)
SOME_LANGUAGE = st.sampled_from(["", "json", *EXAMPLES])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(example=ANY_TEXT, rejected=ANY_TEXT, language=SOME_LANGUAGE)
@settings(max_examples=60, deadline=None)
def test_whatever_the_text_each_mutation_is_another_one_that_can_be_judged(example, rejected, language):
    texts = [mutation.text for mutation in violating(example, [rejected], language)]
    assert example not in texts
    assert len(texts) == len(set(texts))
    assert all(text.strip() for text in texts)
    assert all(rewrite.changes in CHANGES for rewrite in harmless(example, language))


@given(value=JSON)
@settings(deadline=None)
def test_json_written_another_way_is_the_same_value(value):
    for rewrite in harmless(json.dumps(value), "json"):
        assert json.loads(rewrite.text) == value


@given(value=JSON)
@settings(max_examples=50, deadline=None)
def test_json_mutations_of_values_are_other_values(value):
    for mutation in violating(json.dumps(value), (), "json"):
        if mutation.operator in ("another value", "a key away", "another key", "an item away"):
            found = json.loads(mutation.text)
            assert (type(found), found) != (type(value), value) or repr(found) != repr(value)


@pytest.mark.parametrize("language", EXAMPLES)
def test_every_rewrite_still_parses_and_there_is_one_of_each_sort(language):
    rewrites = list(harmless(EXAMPLES[language], language))
    assert all(parse(rewrite.text, language) for rewrite in rewrites)
    wanted = {"comments", "layout", "names"} | ({"order"} if language != "c" else set())
    assert wanted <= {rewrite.changes for rewrite in rewrites}


def test_rewritten_python_does_what_it_did():
    rewrites = list(harmless(BACKOFF, "python"))
    for rewrite in rewrites:
        assert [_run(rewrite.text)(count) for count in range(5)] == [_run(BACKOFF)(count) for count in range(5)]
    assert {
        "`found` renamed", "all locals renamed", "a comment over it", "a comment behind it", "a blank line",
        "deeper indentation", "a line for each parameter or argument", "a comma behind the last",
        "no blanks around an operator", "items in another order", "digits in groups", "a computed number",
    } <= {rewrite.operator for rewrite in rewrites}  # fmt: skip


@pytest.mark.parametrize(
    ("language", "example", "never"),
    [
        ("python", "def f(a):\n    b = a.b\n    return b\n", "`b` renamed"),  # a member of the same name
        ("python", "def f(a):\n    b = 1\n    return g(b=b)\n", "`b` renamed"),  # a caller's keyword
        ("python", "def f(a):\n    b = 1\n    return eval('b + 1')\n", "`b` renamed"),  # named in a text
        ("python", "b = 1\ndef f():\n    return b\n", "`b` renamed"),  # the module's
        ("python", "def f(a):\n    a = 1\n    return a\n", "`a` renamed"),  # a parameter
        ("go", "package p\n\nfunc f(a []int) {\n\tfor _, b := range a {\n\t\tg(b)\n\t}\n}\n", "`_` renamed"),  # no name
        ("python", "def f(a=1):\n    return a\ndef g(b=f()):\n    return b\n", "items in another order"),
        ("python", "def f(x):\n    match x:\n        case 500: return 250\n", "a computed number"),
        ("rust", 'fn f() { let b = 1; println!("{b}"); }', "`b` renamed"),  # captured by the text
        ("rust", "fn f() -> S { let b = 1; S { b } }", "`b` renamed"),  # the field's name too
        ("c", "int f(void) { return 1000; }", "digits in groups"),  # C has none
        ("c", "void g(void); void f(void) { g(); } void g(void) { }", "items in another order"),
    ],
)
def test_what_could_change_the_meaning_is_not_rewritten(language, example, never):
    assert parse(example, language)
    assert never not in {rewrite.operator for rewrite in harmless(example, language)}


@pytest.mark.parametrize(
    ("language", "operator", "gone"),
    [
        ("rust", "delete a function modifiers", "async"),
        ("rust", "delete a visibility modifier", "pub async"),
        ("rust", "delete a line comment", "/// Fetches."),
        ("rust", "delete a attribute item", "#[must_use]"),
        ("rust", "`*=` becomes `+=`", "*= 2"),
        ("python", "delete a comment", "# doubled"),
        ("python", "another number", "250"),
        ("python", "another name", "def delays("),
        ("python", "another string", "Milliseconds"),
        ("python", "delete `return`", "return sum"),
        ("python", "delete a line", "limit = 1000"),
    ],
)
def test_mutations_change_what_rules_are_about(language, operator, gone):
    made = [mutation.text for mutation in violating(EXAMPLES[language], (), language) if mutation.operator == operator]
    assert any(gone not in text for text in made)


def test_what_a_rejected_example_holds_is_put_into_the_accepted_one():
    rejected = RUST.replace("Ok(delay)", "Ok(delay.checked_mul(2).unwrap())")
    texts = {mutation.text for mutation in violating(RUST, [rejected, "// TODO\n"], "rust")}
    assert rejected in texts
    assert any("// TODO" in text and "pub enum Error" in text for text in texts)


def test_the_same_seed_draws_the_same_mutations_and_every_operator_has_its_turn():
    made = list(violating(RUST, (), "rust"))
    few = sampled(made, 40, seed=1)
    assert few == sampled(made, 40, seed=1) != sampled(made, 40, seed=2)
    assert len(few) == len({one.operator for one in few}) == 40


@pytest.mark.parametrize(
    ("example", "likely", "language"),
    [
        (RUST, [], "rust"),
        (BACKOFF, [], "python"),
        (GO, [], "go"),
        ('{"a": 1}', ["python"], "json"),
        ("x = 1", ["python"], "python"),
        ("Water boils at 100 degrees.", ["python"], ""),
        ("SELECT name FROM people;", [], ""),
    ],
)
def test_an_example_is_taken_for_what_it_is_written_in(example, likely, language):
    assert language_of(example, likely) == language


def _run(source):
    names = {}
    exec(compile(source, "example", "exec"), names)
    return lambda count: (names["delays"](count), names["total"](count))
