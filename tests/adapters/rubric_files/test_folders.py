"""Rubrics in files and folders, those that come with evalkit, and kinds of rules of a plug-in."""

import json
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from evalkit.adapters.rubric_files import RubricFolder, load_rubric
from evalkit.core.errors import RubricError
from evalkit.core.judge import failed_examples, judge
from evalkit.core.rules import EFFECTS, KINDS
from tests.adapters.rubric_files.given import NESTED, RULE, inline

SHIPPED = Path(__file__).parents[3] / "rubrics"


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_rules_do_as_their_examples_say(path):
    rubric = load_rubric(path)
    assert rubric.name == path.stem
    for rule in rubric.rules:
        assert failed_examples(rule) == []
        assert rule.accept, rule.id
        assert rule.reject or rule.kind == "length", rule.id
        assert rule.description, rule.id


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
    path = Path(__file__).parents[3] / "evalkit" / "schemas" / "rubric.json"
    schema = json.loads(path.read_text())
    said = schema["$defs"]["kinds"]
    assert set(said) == set(KINDS), "run python scripts/rubric_schema.py"
    for name, kind in KINDS.items():
        assert set(said[name]["properties"]) == set(kind.SCHEMA["properties"]), "run python scripts/rubric_schema.py"
    check = Draft202012Validator(schema)
    for shipped in SHIPPED.glob("*.yaml"):
        assert list(check.iter_errors(yaml.safe_load(shipped.read_text()))) == []
    assert len(list(check.iter_errors(yaml.safe_load(NESTED)))) > 5


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
