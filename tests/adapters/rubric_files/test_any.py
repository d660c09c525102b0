"""Whatever is given is a whole rubric or a RubricError, never a traceback."""

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalkit.adapters.rubric_files import load_rubric, parse_rubric
from evalkit.core.errors import RubricError
from evalkit.core.rubric import Rubric
from tests.adapters.rubric_files.given import RULE

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
