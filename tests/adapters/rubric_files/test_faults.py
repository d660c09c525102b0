"""All faults of a rubric at once, by line and key."""

import pytest

from evalkit.adapters.rubric_files import read_rubric
from evalkit.core.errors import RubricError
from tests.adapters.rubric_files.given import NESTED, RULE, faults, inline


def test_a_file_with_many_faults_reports_them_all_by_line_and_key():
    text = """\
acept: all
rules:
  - id: a
    kind: regexp
    patern: x
    message: m
  - id: a
    kind: not_regex
    pattern: "(("
    flags: iq
    message: m
    message: again
  - id: yes
    kind: length
    words: {min: 5, max: 2}
    weight: .nan
    knid: x
  - mesage: x
    kind: python_ast
    defines: "def f(:"
    forbid_nodes: [Whlie]
  - text
"""
    found = faults(text)
    expected = [
        "my.yaml:1: acept: unknown key; did you mean 'accept'?",
        "my.yaml:4: rules[0].kind: 'regexp' is no kind of rule; did you mean 'regex'?",
        "my.yaml:5: rules[0].patern: unknown key; did you mean 'pattern'?",
        "my.yaml:7: rules[1].id: 'a' is the id of rules[0] too",
        "my.yaml:9: rules[1].pattern: '((' is no regular expression",
        "my.yaml:10: rules[1].flags: is 'iq'",
        "my.yaml:12: rules[1].message: stands here again (first on line 11)",
        "my.yaml:13: rules[2].id: is True; it must be text; put it in quotes",
        "my.yaml:13: rules[2].message: is missing",
        "my.yaml:15: rules[2].words: min 5 is more than max 2",
        "my.yaml:16: rules[2].weight: '.nan' is no finite number",
        "my.yaml:17: rules[2].knid: unknown key; did you mean 'kind'?",
        "my.yaml:18: rules[3].id: is missing",
        "my.yaml:18: rules[3].mesage: unknown key; did you mean 'message'?",
        "my.yaml:20: rules[3].defines: 'def f(:' is neither a name nor a signature",
        "my.yaml:21: rules[3].forbid_nodes[0]: 'Whlie' is no node class of Python's ast; did you mean 'While'?",
        "my.yaml:22: rules[4]: is 'text'; it must be a mapping",
    ]
    assert len(found) == len(expected), "\n".join(found)
    for line in expected:
        assert any(fault.startswith(line) for fault in found), (line, "\n".join(found))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "my.yaml:1: the rubric: the file is empty"),
        ("rules: [", "my.yaml:1: the rubric: is no YAML"),
        ("a: 1\n---\nb: 2", "my.yaml:2: the rubric: is no YAML"),
        ("[" * 1500, "nested too deeply"),
        ("a: \x07", "is no YAML"),
        ("- 1", "my.yaml:1: the rubric: is [1]; it must be a mapping"),
        ("rules: []", "my.yaml:1: rules: is empty"),
        ("rules: !!python/name:os.system x", "my.yaml:1: rules: the tag 'tag:yaml.org,2002:python/name:os.system'"),
        ("rules: &a [*a]", "rules[0]: its aliases mean more values"),
        ("rules: !!int x", "'x' is no int"),
        ("rules: !!bool x", "'x' is no bool"),
        ("? [1]\n: 2", "a list or a mapping cannot be a key"),
        ("1: 2", "'1' cannot be a key; put it in quotes"),
        ("<<: {a: 1}", "'<<' cannot be a key"),
    ],
)
def test_what_is_hardly_yaml_is_refused_in_one_line(text, fault):
    found = faults(text)
    assert any(fault in line for line in found), found


def test_aliases_that_mean_billions_are_refused_soon():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    assert any("more values than a rubric can hold" in fault for fault in faults("\n".join(lines)))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"accept": 3}, "my.jsonl:3: rules[0].accept: is 3; it must be text or a list; put it in quotes"),
        ({"weight": -1}, "rules[0].weight: is -1; it must be at least 0"),
        ({"weight": 1e300}, "rules[0].weight: is 1e+300; it must be at most"),
        ({"weight": float("nan")}, "rules[0].weight: is nan; it must be a finite number"),
        ({"weight": True}, "rules[0].weight: is True; it must be a number"),
        ({"required": "no"}, "rules[0].required: is 'no'; it must be true or false"),
        ({"message": ""}, "rules[0].message: is empty"),
        ({"pattern": None}, "rules[0].pattern: is None; it must be text"),
        ({"flags": ["i", "q"]}, "rules[0].flags[1]: is 'q'; it must be one of i, m, s, x"),
        ({"kind": "grep"}, "rules[0].kind: 'grep' is no kind of rule"),
        ({"kind": 3}, "rules[0].kind: is 3; it must be text"),
        ({"words": {"max": 1}}, "rules[0].words: unknown key"),
    ],
)
def test_a_faulty_rule_is_refused_by_key(change, fault):
    with pytest.raises(RubricError) as raised:
        inline({**RULE, **change})
    assert fault in str(raised.value)


@pytest.mark.parametrize("key", ["id", "kind", "pattern", "message"])
def test_a_missing_key_is_named(key):
    with pytest.raises(RubricError, match=rf"^my.jsonl:3: rules\[0\].{key}: is missing"):
        inline({name: value for name, value in RULE.items() if name != key})


@pytest.mark.parametrize(
    ("accept", "fault"),
    [
        ("some", "accept: is 'some'; it must be 'all'"),
        ({"threshold": 2}, "accept: is {'threshold': 2}"),
        ({"threshold": 0}, "accept: is {'threshold': 0}"),
        ({"treshold": 0.5}, "threshold: a share of the weights"),
        ({"threshold": float("nan")}, "accept.threshold: is nan"),
    ],
)
def test_a_faulty_accept_is_refused(accept, fault):
    with pytest.raises(RubricError) as raised:
        inline(RULE, accept=accept)
    assert fault in str(raised.value)


def test_a_threshold_of_weights_that_are_all_zero_is_refused():
    with pytest.raises(RubricError, match="every rule's weight is 0"):
        inline({**RULE, "weight": 0}, accept={"threshold": 0.5})


def test_under_a_threshold_only_rules_that_say_so_are_required():
    assert inline(RULE).rules[0].required
    assert not inline(RULE, accept={"threshold": 0.5}).rules[0].required
    assert inline({**RULE, "required": True}, accept={"threshold": 0.5}).rules[0].required


def test_a_description_stands_in_for_a_missing_message():
    rule = {**RULE, "message": "m", "description": "An x is there."}
    del rule["message"]
    assert inline(rule).rules[0].message == "An x is there."


def test_a_date_in_an_example_is_text():
    text = "rules: [{id: a, kind: regex, pattern: x, message: m, accept: [2024-01-01]}]"
    assert read_rubric(text, "my.yaml").rules[0].accept == ("2024-01-01",)


def test_all_faults_of_nested_rules_are_reported_by_line_and_key():
    found = faults(NESTED)
    expected = [
        "my.yaml:4: rules[0].message: {detal} is no placeholder; did you mean {detail}?",
        "my.yaml:6: rules[0].of[0].kind: 'all_off' is no kind of rule; did you mean 'all_of'?",
        "my.yaml:7: rules[0].of[0].of: is empty",
        "my.yaml:8: rules[0].of[1].kind: 'tree_siter' is no kind of rule; did you mean 'tree_sitter'?",
        "my.yaml:9: rules[0].of[1].language: is 'rst'; it must be one of rust, python,",
        "my.yaml:12: rules[0].of[2].id: unknown key",
        "my.yaml:14: rules[0].of[2].of[0].patern: unknown key; did you mean 'pattern'?",
        "my.yaml:15: rules[0].of[2].of[1].pattern: '((' is no regular expression",
        "my.yaml:16: rules[0].of[2].of[2].description: is 4; it must be text",
        "my.yaml:16: rules[0].of[2].of[2].kind: is missing",
        "my.yaml:17: rules[0].of[2].of[3].of.kind: 'lenght' is no kind of rule; did you mean 'length'?",
        "my.yaml:17: rules[0].of[2].of[3].of.words.mn: unknown key; did you mean 'min'?",
        "my.yaml:18: rules[0].of[2].of[4]: is 5; it must be a mapping",
        "my.yaml:23: rules[0].of[3].of.query: line 2, column 4 of the query: 'call_expresion' is no node type",
        "my.yaml:23: rules[0].of[3].of.query: line 3, column 3 of the query: 'functon' is no field name",
        "my.yaml:27: rules[1].of: is [{'kind': 'regex', 'pattern': 'x'}]; it must be a mapping",
        "my.yaml:28: rules[2].of: is missing",
        "my.yaml:29: rules[3].metric: is 'Levenstein'; it must be one of Levenshtein,",
        "my.yaml:29: rules[3].min: is 1.5; it must be at most 1",
        "my.yaml:30: rules[4].declares: 'fn f()' is no head of a function in go; write e.g. 'func FetchAll",
        "my.yaml:31: rules[5].call: 'os.path:join' is neither evalkit's nor an installed plug-in's",
    ]
    assert len(found) == len(expected), "\n".join(found)
    for line in expected:
        assert any(fault.startswith(line) for fault in found), (line, "\n".join(found))
    assert "did you mean 'Levenshtein'?" in str(found)
    assert "did you mean 'rust'?" in str(found)


@pytest.mark.parametrize("word", ["lin", "Line", "lines", "exerpt", "details", "found"])
def test_a_misspelt_placeholder_is_refused_with_the_nearest(word):
    with pytest.raises(RubricError, match=rf"{{{word}}} is no placeholder; did you mean"):
        inline({**RULE, "message": f"See {{{word}}}."})
