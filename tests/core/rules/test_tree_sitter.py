"""tree_sitter: queries that must match or must not, and what is wrong with a query."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.core.rules.keys import KeyFaults
from evalkit.core.rules.languages import LANGUAGES
from evalkit.core.rules.syntax import LARGEST, read_syntax
from evalkit.core.rules.tree_sitter import TreeSitter, unite

UNWRAP = '((call_expression function: (field_expression field: (field_identifier) @_m)) @call (#eq? @_m "unwrap"))'
TESTS = '((attribute_item) @_a . (mod_item) @tests (#match? @_a "cfg\\\\(test\\\\)"))'


def rust(query, **keys):
    return TreeSitter("rust", query, **keys)


@pytest.mark.parametrize(
    ("language", "query", "text"),
    [
        ("rust", "(unsafe_block)", "fn f() { unsafe {} }"),
        ("python", "(while_statement)", "while True: pass"),
        ("typescript", "(interface_declaration)", "interface A { b: string }"),
        ("tsx", "(jsx_element)", "const a = <b>c</b>"),
        ("javascript", "(arrow_function)", "const f = x => x"),
        ("go", "(go_statement)", "func f() { go g() }"),
        ("java", "(class_declaration)", "class A {}"),
        ("c", "(goto_statement)", "int f(void) { a: goto a; }"),
    ],
)
def test_every_language_has_queries_that_match(language, query, text):
    assert TreeSitter(language, query).violations(text) == []
    assert TreeSitter(language, query).violations("")[0].detail == "not found"
    assert TreeSitter(language, query, expect="no_match").violations("") == []
    assert TreeSitter(language, query, expect="no_match").violations(text)[0].line == 1


def test_all_languages_are_in_the_table_above():
    assert set(LANGUAGES) == {"rust", "python", "typescript", "tsx", "javascript", "go", "java", "c"}


@pytest.mark.parametrize(
    ("predicate", "names"),
    [
        ('#eq? @n "ab"', ["ab"]),
        ('#not-eq? @n "ab"', ["f", "ac", "b"]),
        ('#match? @n "^a"', ["ab", "ac"]),
        ('#not-match? @n "^a"', ["f", "b"]),
        ('#any-of? @n "b" "ac"', ["ac", "b"]),
        ('#not-any-of? @n "b" "ac" "f"', ["ab"]),
    ],
)
def test_predicates_and_their_negations(predicate, names):
    check = rust(f"((identifier) @n ({predicate}))", expect="no_match")
    assert [place.detail for place in check.violations("fn f() { ab; ac; b }")] == [f"found {name!r}" for name in names]


@pytest.mark.parametrize(
    ("check", "text", "details"),
    [
        (rust(UNWRAP, expect="no_match"), "fn f() {\n  a.unwrap();\n  b.c()\n   .unwrap()\n}", [2, 3]),
        (rust(UNWRAP, expect="no_match"), 'fn f() {\n  println!("{}",\n a.unwrap()) }', [3]),
        (rust(UNWRAP, expect="no_match"), "fn f() { select! { x = a => {\n vec![b(\nc.unwrap())]\n} } }", [3]),
        (rust(UNWRAP, expect="no_match"), "macro_rules! m { ($x:expr) => {\n $x.unwrap() } }", [2]),
        (rust(UNWRAP, expect="no_match"), '// a.unwrap()\nfn f() { "a.unwrap()"; unwrap(); a.unwrap_or(b) }', []),
        (rust(UNWRAP, expect="no_match", outside=TESTS), "#[cfg(test)]\nmod t { fn f() { a.unwrap() } }", []),
        (rust(UNWRAP, expect="no_match", outside=TESTS), "#[test]\nmod t {\n fn f() { a.unwrap() } }", [3]),
        (rust(UNWRAP, expect="no_match", within=TESTS), "fn g() { b.unwrap() }", []),
        (rust("(unsafe_block)", expect="no_match"), "a\r\nb\rfn f() {\r\n unsafe {} }", [4]),
        (rust('"unsafe"', expect="no_match"), "unsafe fn f() {}", [1]),
        (rust("(line_comment) (unsafe_block)", expect="no_match"), "// a\nfn f() { unsafe {} }", [1, 2]),
        (rust("(function_item body: (block (_) @b))", expect="no_match"), "fn f() {\n a(); }", [2]),
        (
            rust("(call_expression arguments: (_) @args) @c", capture="args", expect="no_match"),
            "fn f() { a\n(1) }",
            [2],
        ),
    ],
)
def test_each_place_is_found_by_its_line(check, text, details):
    assert [place.line for place in check.violations(text)] == details


@pytest.mark.parametrize(
    ("count", "calls", "detail", "line"),
    [
        (None, 0, "not found", None),
        ({"min": 2}, 1, "found 1 time; at least 2 wanted", 2),
        ({"min": 2}, 0, "found 0 times; at least 2 wanted", None),
        ({"max": 2}, 3, "found 3 times; at most 2 allowed", 4),
        ({"max": 2}, 0, "not found", None),
        ({"min": 0, "max": 2}, 0, None, None),
        ({"min": 2, "max": 2}, 2, None, None),
    ],
)
def test_a_count_bounds_the_matches(count, calls, detail, line):
    text = "fn f() {\n" + "a();\n" * calls + "}"
    found = rust("(call_expression)", count=count).violations(text)
    assert [(place.detail, place.line) for place in found] == ([(detail, line)] if detail else [])


def test_one_node_counts_once_however_often_it_matches():
    assert rust("(block (expression_statement) @_a) @b", count={"max": 1}).violations("fn f() { a; b; c; }") == []


def test_what_does_not_parse_breaks_a_rule_that_asks_and_not_one_that_forbids_unless_it_says_so():
    text = "fn f() {\n a();\n g(1\n}"
    assert "does not parse as rust" in rust("(call_expression)").violations(text)[0].detail
    assert rust("(call_expression)", syntax="ignore").violations(text) == []
    assert rust("(unsafe_block)", expect="no_match").violations(text) == []
    assert "does not parse" in rust("(unsafe_block)", expect="no_match", syntax="reject").violations(text)[0].detail
    assert rust("(call_expression)").violations("fn f() {\n a() }\nfn g( {")[0].line == 3


def test_what_is_no_code_at_all_is_refused_whatever_the_rule_says():
    for text, why in [("{" * 5000, "does not parse"), ("x" * (LARGEST + 1), "too long")]:
        assert why in rust("(identifier)", expect="no_match").violations(text)[0].detail


def test_the_rules_of_a_rubric_share_one_parse():
    assert read_syntax("rust", "fn f() {}") is read_syntax("rust", "fn f() {}")


@pytest.mark.parametrize(
    ("keys", "path", "fault"),
    [
        ({"query": "(call_expresion)"}, "query", "line 1, column 2 of the query: 'call_expresion' is no node type"),
        ({"query": "(call_expresion)"}, "query", "; did you mean 'call_expression'?"),
        ({"query": '(block\n  "unsaf")'}, "query", "line 2, column 4 of the query: 'unsaf' is no node type"),
        ({"query": "(call_expression\n fn: (_))"}, "query", "line 2, column 2 of the query: 'fn' is no field name"),
        ({"query": "(call_expression functon: (_))"}, "query", "did you mean 'function'?"),
        ({"query": "(block"}, "query", "ends before its brackets are closed"),
        ({"query": "(block))"}, "query", "line 1, column 8 of the query: invalid syntax"),
        ({"query": "(call_expression (match_arm))"}, "query", "column 18 of the query: impossible pattern"),
        ({"query": '((block) @b (#eq? @c "x"))'}, "query", "'c' is no capture name of the query; it has: b"),
        ({"query": '((block) @b (#eqq? @b "x"))'}, "query", "'#eqq?' is no predicate; did you mean '#eq?'?"),
        ({"query": '(block) @b (#eq? @b "x")'}, "query", "'#eq?' stands outside of its pattern and would be ignored"),
        ({"query": '((block) @b (#match? @b "(("))'}, "query", "invalid predicate"),
        ({"query": "; nothing"}, "query", "holds no pattern"),
        ({"query": "(block)", "within": "(blok)"}, "within", "did you mean 'block'?"),
        ({"query": "(block)", "outside": ")"}, "outside", "holds no pattern"),
        ({"query": "(block) @b", "capture": "c"}, "capture", "'c' is no capture of the query; it has: b"),
        ({"query": "(block)", "count": {"max": 0}}, "count", "for none at all say expect: no_match"),
        ({"query": "(block)", "count": {"min": 3, "max": 2}}, "count", "min 3 is more than max 2"),
        ({"query": "(block)", "count": {"max": 2}, "expect": "no_match"}, "count", "goes with expect: match"),
    ],
)
def test_a_query_that_cannot_be_used_is_told_by_line_column_and_nearest_name(keys, path, fault):
    with pytest.raises(KeyFaults) as raised:
        TreeSitter("rust", **keys)
    assert any(one.path == (path,) and fault in one.text for one in raised.value.faults), raised.value


def test_all_faults_of_a_query_are_told_at_once():
    with pytest.raises(KeyFaults) as raised:
        rust('(call_expresion functon: (identifer) @a (#eqq? @a "x"))')
    words = ["call_expression", "function", "identifier", "#eq?"]
    assert all(f"did you mean {word!r}" in str(raised.value) for word in words)


PIECES = st.sampled_from(
    r"""( ) [ ] @a @_b #eq? #match? "x" block identifier _ body: . * + ? ! ERROR MISSING ; é (block) @match
    (identifier) / \ " : | (#eq? (identifier)@a""".split()  # noqa: SIM905  thirty quoted signs cannot be read
)


@settings(deadline=None, max_examples=300)
@given(st.lists(PIECES, max_size=12).map(" ".join) | st.text(max_size=20), st.sampled_from(LANGUAGES))
def test_whatever_is_given_as_a_query_is_refused_or_works(query, language):
    try:
        check = TreeSitter(language, query, expect="no_match")
    except KeyFaults:
        return
    assert isinstance(check.violations("fn f() { a(b) }"), list)


@settings(deadline=None)
@given(st.text() | st.text("fn(){}!;,a\n'\"<>#[]"), st.sampled_from(LANGUAGES))
def test_whatever_is_given_as_a_candidate_has_a_verdict(text, language):
    check = TreeSitter(language, "(_) @a (ERROR) @b", expect="no_match")
    lines = 1 + text.replace("\r\n", "\n").replace("\r", "\n").count("\n")
    assert all(1 <= place.line <= lines for place in check.violations(text))


@settings(deadline=None)
@given(st.lists(st.sampled_from(["a.unwrap();", "unsafe { b(); }", "c!(d.unwrap());", "let e = 1;", "}"]), max_size=6))
def test_rules_that_are_run_together_find_what_each_finds_alone(lines):
    def rules():
        queries = ["(unsafe_block)", UNWRAP, "(identifier) @a (call_expression)", "(let_declaration)"]
        checks = [rust(query, expect="no_match") for query in queries]
        return [
            *checks,
            rust("(identifier) @a", outside="(macro_invocation)", within="(unsafe_block)", syntax="ignore"),
        ]

    text = "fn f() {\n" + "\n".join(lines) + "\n}"
    together = rules()
    unite(together)
    assert together[0].together
    assert [check.violations(text) for check in together] == [check.violations(text) for check in rules()]
