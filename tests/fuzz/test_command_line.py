"""Whatever stands on the command line or in a user's files: an answer, or words that help, and never a traceback."""

import contextlib
import io
import json
import os
import shutil
from functools import cache

import pytest
import yaml
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from evalkit.cli import main
from evalkit.cli.hydra_app import groups, keys, options

CODES = {0, 2, 3, 4, 5}
MORE = int(os.environ.get("EVALKIT_FUZZ", "1"))  # so many times the examples, and others each time


def fuzzed(max_examples):
    """An example takes a tenth of a second and more: so there are few, the same ones each time, and none is shrunk."""
    return settings(
        max_examples=max_examples * MORE,
        derandomize=MORE == 1,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
    )


RULE = {"id": "r", "kind": "regex", "pattern": "x", "message": "Say x."}
ROWS = [{"id": f"i{n}", "prompt": f"Task {n}.", "rubric": {"rules": [RULE]}, "good": ["x"]} for n in range(3)]


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("EVALKIT_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tasks.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return tmp_path


def evalkit(*args):
    """Exit code and stderr of a command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(list(args))
        except SystemExit as end:
            code = end.code
    return code, out.getvalue(), err.getvalue()


def answers(*args):
    """Run it; whatever comes, it is no traceback, and what is wrong is told."""
    code, out, err = evalkit(*args)
    assert code in CODES, (code, err)
    assert "Traceback" not in out + err, err
    if code:
        assert err.strip(), "it says what is wrong"
    return code


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
NASTY = [
    "",
    "null",
    "[",
    "]",
    "{",
    "}",
    "{a: [}",
    "-1",
    "0",
    "1.5",
    "1e999",
    "nan",
    "inf",
    "true",
    "9" * 400,
    "${",
    "${x}",
]
NASTY += [
    "${oc.env:NOT_SET_HERE}",
    "${.}",
    "${..a}",
    "'",
    '"',
    "\\",
    "a=b",
    "[1,2",
    "{a: 1}",
    "[[]]",
    "1,2",
    "a,b",
    "\n",
    "é",
]
NASTY += [
    "../../x",
    "_target_",
    "range(3)",
    "choice(1,2)",
    "glob(*)",
    "int(x)",
    "${oc.decode:'['}",
    "???",
    "!!python/object:x",
]


@cache
def names():
    return [
        *keys(),
        *groups(),
        "name",
        "seed",
        "rung@ladder.rungs.x",
        "hydra.run.dir",
        "hydra.mode",
        "from",
        "_target_",
    ]


@st.composite
def words(draw):
    """An override as it may be mistyped."""
    if draw(st.integers(0, 5)) == 0:
        return draw(TEXT)
    name = draw(st.sampled_from(names()))
    value = draw(st.sampled_from([*NASTY, *options(name.split(".")[0].split("@")[0])]) | TEXT)
    return (
        draw(st.sampled_from(["", "", "", "+", "++", "~"]))
        + name
        + draw(st.sampled_from(["=", "=", "=", "", ":", "=="]))
        + value
    )


@fuzzed(max_examples=8)
@given(st.lists(words(), min_size=1, max_size=2))
@example(["tracker=null"])
@example(["tracker.scrub=[(]"])
@example(["from="])
def test_any_override_is_taken_or_refused_in_words(home, given):
    first = [one for one in given if not one.startswith("-")]
    answers("plan", "dataset=jsonl", "dataset.path=tasks.jsonl", "ladder=scripted", "tracker=none", *first)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def datasets(draw):
    """A dataset's file with a key or a line changed."""
    rows = [dict(row) for row in ROWS]
    row = draw(st.sampled_from(rows))
    where = draw(
        st.sampled_from(["id", "prompt", "tests", "rubric", "good", "bad", "tags", "answer", "files", "repo", "new"])
    )
    row[where] = draw(JSON)
    lines = [json.dumps(one) for one in rows]
    if draw(st.booleans()):
        lines[draw(st.integers(0, 2))] = draw(TEXT)
    return "\n".join(lines).encode()


@fuzzed(max_examples=12)
@given(datasets() | st.binary(max_size=60))
def test_any_dataset_is_checked_or_refused_in_words(home, content):
    (home / "fuzzed.jsonl").write_bytes(content)
    answers("dataset", "show", "dataset=jsonl", "dataset.path=fuzzed.jsonl")


RUBRIC = {"name": "mine", "accept": "all", "rules": [{"id": "r", "kind": "regex", "pattern": "x", "message": "m"}]}


@st.composite
def rubrics(draw):
    """A rubric's file with a key changed."""
    made = json.loads(json.dumps(RUBRIC))
    place = draw(st.sampled_from([made, made["rules"][0]]))
    place[draw(st.sampled_from([*place, "weight", "flags", "accept", "reject", "description"]))] = draw(JSON)
    return yaml.safe_dump(made, allow_unicode=True).encode()


@fuzzed(max_examples=12)
@given(rubrics() | st.binary(max_size=60))
def test_any_rubric_is_shown_or_refused_in_words(home, content):
    (home / "rubrics").mkdir(exist_ok=True)
    (home / "rubrics" / "mine.yaml").write_bytes(content)
    answers("rubric", "show", "mine")


@fuzzed(max_examples=6)
@given(
    st.sampled_from(["ladder", "tracker", "limits", "strategy", "context", "sandbox", "verifier"]), JSON, st.booleans()
)
def test_any_config_file_of_a_users_own_is_taken_or_refused_in_words(home, group, content, raw):
    place = home / "conf" / group / "mine.yaml"
    place.parent.mkdir(parents=True, exist_ok=True)
    text = str(content) if raw else yaml.safe_dump(content, allow_unicode=True)
    place.write_bytes(text.encode("utf-8", "replace"))
    base = {"dataset": "jsonl", "dataset.path": "tasks.jsonl", "ladder": "scripted", "tracker": "none", group: "mine"}
    try:
        answers("plan", *(f"{name}={value}" for name, value in base.items()))
    finally:
        shutil.rmtree(home / "conf")
