"""Whatever has become of a run's folder: commands that read it answer, or say what is wrong; never a traceback."""

import json
import shutil
from zlib import crc32

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.test_command_line import JSON, MORE, ROWS, TEXT, answers, evalkit, fuzzed

RUN = ["dataset=jsonl", "dataset.path=tasks.jsonl", "ladder=scripted", "tracker=none", "preflight=false"]
FILES = {
    "journal.jsonl": ["run", "regrade"],
    "summary.json": ["run", "report", "triage", "compare", "simulate", "watch", "publish", "plan"],
    "record.json": ["report", "regrade", "register", "publish", "compare"],
    "config.yaml": ["report", "regrade", "simulate", "compare", "plan", "from"],
    "lock.json": ["regrade", "report"],
    "instances.jsonl": ["compare", "report"],
    "instances/i1/attempt_1.json": ["report", "triage", "simulate", "compare", "regrade", "plan"],
    "instances/i1/attempt_1.txt": ["report"],
    "instances/i1/summary.json": ["report", "watch"],
}
SLOW = {"publish", "register"} if MORE == 1 else set()  # they load MLflow
WAYS = [(name, way) for name, ways in FILES.items() for way in ways if way not in SLOW]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A home with two finished runs; the first is the one that is damaged."""
    place = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EVALKIT_HOME", str(place))
        patch.chdir(place)
        (place / "tasks.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
        assert evalkit("run", *RUN)[0] == 0
        (first,) = (place / "mlruns/runs").iterdir()
        assert evalkit("run", *RUN, "seed=1")[0] == 0
        (second,) = {*(place / "mlruns/runs").iterdir()} - {first}
        yield place, first, second.name


def command(way, one, other):
    told = {
        "run": ["run", *RUN],
        "plan": ["plan", *RUN],
        "from": ["plan", f"from={one}", "tracker=none"],
        "compare": ["compare", one, other, "--no-track"],
        "watch": ["watch", one, "--once"],
        "register": ["register", one, "--name", "n", "--allow-simulated"],
    }
    return told.get(way, [way, one])


@st.composite
def damaged(draw, content, name):
    """A file's bytes, with one thing wrong."""
    how = draw(st.sampled_from(["value", "value", "value", "cut", "bytes", "other", "line"]))
    if how == "cut":
        return content[: draw(st.integers(0, len(content)))]
    if how == "bytes":
        at = draw(st.integers(0, max(0, len(content) - 1)))
        return content[:at] + draw(st.binary(max_size=4)) + content[at + 1 :]
    if how == "other":
        return draw(st.binary(max_size=40) | JSON.map(lambda value: json.dumps(value).encode()))
    lines = content.splitlines(keepends=True)
    if how == "line" or name.endswith(".txt"):
        at = draw(st.integers(0, max(0, len(lines) - 1)))
        return b"".join(draw(st.sampled_from([[*lines[:at], *lines[at + 1 :]], [*lines, *lines[at : at + 1]]])))
    return written(draw, lines, content, name)


def written(draw, lines, content, name):
    """The same form, another value somewhere; a journal's line is whole."""
    if name.endswith(".yaml"):
        return yaml.safe_dump(changed(draw, yaml.safe_load(content))).encode()
    if not name.endswith(".jsonl"):
        return json.dumps(changed(draw, json.loads(content))).encode()
    at = draw(st.integers(0, len(lines) - 1))
    told = json.loads(lines[at])
    if name != "journal.jsonl":
        lines[at] = json.dumps(changed(draw, told)).encode() + b"\n"
    else:
        body = json.dumps(changed(draw, told["record"]), separators=(",", ":")).encode()
        lines[at] = b'{"crc":"%08x","record":%s}\n' % (crc32(body), body)
    return b"".join(lines)


def changed(draw, value):
    """The value with a part taken away, or another one in its place, however deep."""
    if not isinstance(value, dict | list) or not value or draw(st.integers(0, 3)) == 0:
        return draw(JSON)
    keys = sorted(value) if isinstance(value, dict) else range(len(value))
    key = draw(st.sampled_from(list(keys)))
    if draw(st.integers(0, 4)) == 0:
        return {k: v for k, v in value.items() if k != key} if isinstance(value, dict) else value[:key]
    copied = dict(value) if isinstance(value, dict) else list(value)
    copied[key] = changed(draw, value[key])
    return copied


@pytest.mark.slow
@fuzzed(max_examples=30)
@given(st.data())
def test_any_run_folder_is_read_or_refused_in_words(made, monkeypatch, data):
    place, folder, other = made
    monkeypatch.setenv("EVALKIT_HOME", str(place))
    monkeypatch.chdir(place)
    name, way = data.draw(st.sampled_from(WAYS))
    kept = place / "kept"
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(folder, kept)
    try:
        (folder / name).write_bytes(data.draw(damaged((folder / name).read_bytes(), name)))
        if (name, way) == ("journal.jsonl", "run"):
            (folder / "summary.json").unlink()
        answers(*command(way, folder.name, other))
    finally:
        shutil.rmtree(folder)
        kept.rename(folder)


MARKS = [
    "<<<<<<< SEARCH",
    "=======",
    ">>>>>>> REPLACE",
    "```",
    "```diff",
    "```python",
    "--- a/calc.py",
    "+++ b/calc.py",
]
MARKS += [
    "@@ -1,2 +1,2 @@",
    "@@ -1 +1 @@",
    "@@",
    "calc.py",
    "+x",
    "-x = 1",
    " x = 1",
    "x = 1",
    "/dev/null",
    "",
    "{",
    "\r",
]
FORMS = ["search_replace", "unified_diff", "whole_file", "code:python", "json", "text", "code:rust"]


@fuzzed(max_examples=4)
@given(st.lists(st.tuples(st.sampled_from(FORMS), st.lists(st.sampled_from(MARKS) | TEXT, max_size=8)), min_size=20,
                max_size=30))  # fmt: skip
def test_any_answer_is_judged(tmp_path, monkeypatch, answered):
    monkeypatch.setenv("EVALKIT_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    rows, texts = [], {}
    for number, (form, lines) in enumerate(answered):
        files = {"files": {"calc.py": "x = 1\ny = 2\n"}} if form in FORMS[:3] else {}
        rows.append({**ROWS[0], "id": f"i{number}", "answer": form, **files})
        texts[f"i{number}"] = "\n".join(lines)
    (tmp_path / "tasks.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "script.yaml").write_text(yaml.safe_dump({"default": "x", "instances": texts}))
    shutil.rmtree(tmp_path / "mlruns", ignore_errors=True)
    code = answers("run", *RUN, "ladder.rungs.script.model=scripted/script.yaml", "max_attempts=1", "verifier=rubric")
    assert code == 0
