"""Rubrics from files and inline data: all faults at once, never a traceback."""

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from evalkit.adapters.rubric_files import RubricFolder, load_rubric, parse_rubric, read_rubric
from evalkit.core.errors import RubricError
from evalkit.core.judge import failed_examples, judge
from evalkit.core.rubric import Rubric
from evalkit.core.rules import EFFECTS, KINDS

SHIPPED = Path(__file__).parents[2] / "rubrics"
RULE = {"id": "a", "kind": "regex", "pattern": "x", "message": "Write an x."}


def faults(text):
    with pytest.raises(RubricError) as raised:
        read_rubric(text, "my.yaml")
    return str(raised.value).splitlines()


def inline(*rules, **more):
    return parse_rubric({"rules": list(rules), **more}, "my.jsonl:3")


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_rules_do_as_their_examples_say(path):
    rubric = load_rubric(path)
    assert rubric.name == path.stem
    for rule in rubric.rules:
        assert failed_examples(rule) == []
        assert rule.accept, rule.id
        assert rule.reject or rule.kind == "length", rule.id
        assert rule.description, rule.id


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


def test_the_folder_finds_the_users_own_first_and_names_the_nearest(tmp_path):
    own, installed = tmp_path / "own", tmp_path / "installed"
    for folder, message in ((own, "mine"), (installed, "theirs")):
        folder.mkdir()
        rubric = {"rules": [{**RULE, "message": message}]}
        (folder / "terse.yaml").write_text(yaml.safe_dump(rubric))
    (installed / "wordy.yml").write_text(yaml.safe_dump({"rules": [RULE]}))
    rubrics = RubricFolder([str(own), str(installed), str(tmp_path / "absent")])
    assert rubrics.names() == ["terse", "wordy"]
    assert rubrics.find("terse").rules[0].message == "mine"
    assert rubrics.find("wordy").name == "wordy"
    assert rubrics.find("wordy") is rubrics.find("wordy")
    with pytest.raises(RubricError, match=r"no rubric 'tersee' in .*did you mean 'terse'"):
        rubrics.find("tersee")
    with pytest.raises(RubricError, match="no rubric"):
        rubrics.find("../own/terse")


def test_an_inline_rubric_names_the_line_and_the_key_of_its_dataset():
    with pytest.raises(RubricError, match=r"^my.jsonl:3: rubric.rules\[0\].patern: unknown key; did you mean"):
        RubricFolder([]).parse({"rules": [{**RULE, "patern": "y"}]}, "my.jsonl:3")


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00bad", b""])
def test_a_file_that_cannot_be_read_is_one_line(tmp_path, content):
    path = tmp_path / "r.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RubricError, match=r"r\.yaml.*: "):
        load_rubric(path)


PLUG_IN = """\
from dataclasses import dataclass
from evalkit.core.rubric import Violation

@dataclass(frozen=True)
class Ends:
    word: str
    SCHEMA = {"required": ["word"], "properties": {"word": {"type": "string"}}}

    def __post_init__(self):
        if " " in self.word:
            raise ValueError(f"{self.word!r} is no word")

    def violations(self, candidate):
        return [] if candidate.endswith(self.word) else [Violation()]
"""


def test_a_plug_in_adds_a_kind_and_its_keys_are_checked(tmp_path, monkeypatch):
    (tmp_path / "ends_plugin.py").write_text(PLUG_IN)
    facts = tmp_path / "ends_plugin-1.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: ends-plugin\nVersion: 1\n")
    entry = "[evalkit.rules]\nends = ends_plugin:Ends\nbroken = no_such_module:X\n"
    (facts / "entry_points.txt").write_text(entry)
    monkeypatch.syspath_prepend(str(tmp_path))
    rubric = inline({"id": "e", "kind": "ends", "word": "end", "message": "End so."})
    assert rubric.rules[0].check.violations("the end") == []
    for change, fault in [
        ({"word": "a b"}, r"rules\[0\]: 'a b' is no word"),
        ({"wrd": "x"}, "did you mean 'word'"),
        ({"kind": "broken"}, "kind 'broken' cannot be loaded"),
    ]:
        with pytest.raises(RubricError, match=fault):
            inline({"id": "e", "kind": "ends", "word": "end", "message": "m", **change})


NESTED = """\
rules:
  - id: a
    kind: any_of
    message: "{detal} in {\\"a\\": {line}}"
    of:
      - kind: all_off
        of: []
      - kind: tree_siter
        language: rst
        query: (block)
      - kind: all_of
        id: x
        of:
          - {kind: regex, patern: x}
          - {kind: regex, pattern: "(("}
          - {description: 4}
          - {kind: not, of: {kind: lenght, words: {mn: 3}}}
          - 5
      - kind: not
        of:
          kind: tree_sitter
          language: rust
          query: |
            (block
              (call_expresion)
              functon: (_))
  - {id: b, kind: not, message: m, of: [{kind: regex, pattern: x}]}
  - {id: c, kind: any_of, message: m}
  - {id: d, kind: similarity, message: m, reference: x, min: 1.5, metric: Levenstein}
  - {id: e, kind: signature, message: m, language: go, declares: "fn f()"}
  - {id: f, kind: python, message: m, call: "os.path:join"}
"""


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


@pytest.mark.parametrize(
    "message", ['Write {"a": {"b": 1}}.', "GET /users/{id}", "println!({name})", "{}", "{line}: {x}"]
)
def test_other_braces_may_stand_in_a_message(message):
    assert inline({**RULE, "message": message}).rules[0].message == message


def test_every_kind_fills_the_placeholders_of_a_message():
    made = {
        "regex": ({"pattern": "x"}, ""),
        "not_regex": ({"pattern": "b"}, "found 'b'"),
        "length": ({"words": {"min": 9}}, "it has"),
        "json_schema": ({"schema": {}}, "it is not JSON"),
        "python_ast": ({"defines": "f"}, "it does not define f"),
        "tree_sitter": ({"language": "python", "query": "(while_statement)"}, "not found"),
        "signature": ({"language": "python", "declares": "def f(a)"}, "it has no function f"),
        "similarity": ({"reference": "x", "min": 1}, "its similarity"),
        "python": ({"call": "evalkit.core.rules.where:short"}, "a = b"),
        "any_of": ({"of": [{"kind": "not_regex", "pattern": "b"}]}, "found 'b'"),
        "all_of": ({"of": [{"kind": "not_regex", "pattern": "b"}]}, "found 'b'"),
        "not": ({"of": {"kind": "regex", "pattern": "b"}}, "this must not hold, and does: regex"),
    }
    assert set(made) == set(KINDS) - set(EFFECTS)
    for kind, (keys, detail) in made.items():
        rubric = inline({"id": "a", "kind": kind, "message": "<{detail}|{line}|{excerpt}>", **keys})
        (finding,) = judge(rubric, "a = b").findings
        line = "?" if finding.line is None else finding.line
        assert finding.message.endswith(f"|{line}|{finding.excerpt}>")
        assert detail in finding.message


def test_the_schema_file_describes_all_kinds():
    path = Path(__file__).parents[2] / "evalkit" / "schemas" / "rubric.json"
    schema = json.loads(path.read_text())
    said = schema["$defs"]["kinds"]
    assert set(said) == set(KINDS), "run python scripts/rubric_schema.py"
    for name, kind in KINDS.items():
        assert set(said[name]["properties"]) == set(kind.SCHEMA["properties"]), "run python scripts/rubric_schema.py"
    check = Draft202012Validator(schema)
    for shipped in SHIPPED.glob("*.yaml"):
        assert list(check.iter_errors(yaml.safe_load(shipped.read_text()))) == []
    assert len(list(check.iter_errors(yaml.safe_load(NESTED)))) > 5


KEYS = st.sampled_from(
    ["id", "kind", "pattern", "flags", "message", "weight", "required", "accept", "reject", "words", "min", "max"]
) | st.sampled_from(
    ["schema", "defines", "forbid_calls", "forbid_nodes", "threshold", "rules", "of", "language", "query", "tags"]
)
WORDS = st.sampled_from(
    ["regex", "not_regex", "length", "json_schema", "python_ast", "any_of", "not", "tree_sitter", "rust", "((", ""]
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | WORDS
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5))
RULES = st.fixed_dictionaries(
    {"id": WORDS, "kind": WORDS, "message": WORDS},
    optional=dict.fromkeys(["pattern", "flags", "words", "schema", "defines", "weight", "accept", "kin", "of"], VALUES),
)
DATA = VALUES | st.fixed_dictionaries({"rules": st.lists(RULES | VALUES, max_size=4)}, optional={"accept": VALUES})


@settings(deadline=None)
@given(DATA)
def test_whatever_is_given_is_a_whole_rubric_or_a_rubric_error(data):
    try:
        rubric = parse_rubric(data, "here")
    except RubricError as error:
        refusal = str(error)
    else:
        assert isinstance(rubric, Rubric)
        assert len(rubric.rules) == len(data["rules"]) > 0
        return
    assert all(line.startswith("here: ") for line in refusal.splitlines())


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.text(), st.binary(), DATA.map(json.dumps), st.text("[]{}:,-&*!|>'\"\n ax?<")))
def test_whatever_is_in_a_file_is_a_rubric_or_a_rubric_error(tmp_path, content):
    path = tmp_path / "r.yaml"
    path.write_bytes(content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content)
    try:
        assert load_rubric(path).rules
    except RubricError as error:
        refusal = str(error)
    else:
        return
    assert str(path) in refusal


GOOD = {"rules": [RULE, {"id": "l", "kind": "length", "words": {"max": 3}, "message": "m"}]}


@settings(deadline=None)
@given(st.sampled_from(["id", "kind", "pattern", "message"]), VALUES)
def test_one_changed_key_never_makes_a_rule_vanish(key, value):
    try:
        rubric = parse_rubric({"rules": [{**RULE, key: value}, GOOD["rules"][1]]}, "here")
    except RubricError:
        return
    assert len(rubric.rules) == 2


def test_a_name_with_a_suffix_is_a_file_as_it_stands_in_a_folder_or_beside_one(tmp_path, monkeypatch):
    (tmp_path / "rubrics").mkdir()
    for place in ("mine.yaml", "rubrics/shared.yml"):
        (tmp_path / place).write_text(yaml.safe_dump({"rules": [RULE]}))
    folder = RubricFolder([str(tmp_path / "rubrics")])
    for name in ("mine.yaml", "shared.yml", "rubrics/shared.yml", str(tmp_path / "mine.yaml")):
        assert [rule.id for rule in folder.find(name).rules] == ["a"]
    monkeypatch.chdir(tmp_path)
    assert RubricFolder([]).find("mine.yaml") == folder.find("mine.yaml")
    with pytest.raises(RubricError, match=r"no file 'shred\.yaml'; looked in .*'shared'"):
        folder.find("shred.yaml")
