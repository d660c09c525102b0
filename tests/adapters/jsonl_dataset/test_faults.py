"""All faults of a dataset file come out at once, by line and key."""

import gzip
import json
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalkit.adapters.jsonl_dataset import JsonlDataset
from evalkit.adapters.rubric_files import RubricFolder
from evalkit.core.errors import ConfigError, DatasetError
from evalkit.places import Places
from tests.adapters.jsonl_dataset.lines import CODE, RULE, TEXT, faults


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"promt": "x"}, "promt: unknown key; did you mean 'prompt'?"),
        ({"zzz": 1}, "zzz: unknown key; known are id, prompt, answer, tags, difficulty, rubric, tests, good, bad"),
        ({"id": "a/b"}, "id: must start with a letter or digit and hold only letters, digits, '.', '_' and '-'"),
        ({"id": ".."}, "id: must start with a letter"),
        ({"id": "x" * 121}, "id: must start with a letter"),
        ({"id": "a\n"}, "id: must start with a letter"),
        ({"id": 7}, "id: must be a text, not 7"),
        ({"prompt": "  "}, "prompt: must not be empty, not '  '"),
        ({"answer": "python"}, "answer: must be 'text', 'json', 'code:LANGUAGE' or 'completion:LANGUAGE'"),
        ({"tags": "python"}, "tags: must be a list, not 'python'"),
        ({"tags": ["a", "a"]}, "tags: holds an entry twice"),
        ({"good": [3]}, "good[0]: must be a text or an object, not 3"),
        ({"good": ["hi"], "bad": ["ho", "hi"]}, "bad: 'hi' stands among the good answers too"),
        ({"files": {"../secret": "x"}}, "files: '../secret' must be a relative path without '..'"),
        ({"files": {"/etc/x": "x"}}, "files: '/etc/x' must be a relative path"),
        ({"rubric": "politte"}, "rubric: no rubric 'politte'"),
        ({"rubric": {"rules": [{**RULE, "kind": "lenght"}]}}, "rubric.rules[0].kind: "),
        ({"rubric": 3}, "rubric: must be an object or a text, not 3"),
    ],
)  # fmt: skip
def test_a_fault_names_file_line_and_key(reader, change, expected):
    (fault,) = faults(reader, CODE, {**TEXT, **change})
    assert fault.startswith(f"2: {expected}"), fault


def cases(**case):
    return {"kind": "cases", "call": "f", "cases": [case]}


def sqlite(*rows, **more):
    return {"kind": "sqlite", "setup": "", "cases": [{"returns": list(rows)}], **more}


@pytest.mark.parametrize(
    ("tests", "expected"),
    [
        ({}, "tests.kind: is missing"),
        (
            {"kind": "case"},
            "tests.kind: must be one of cases, sqlite, pytest, command, rust, repo, not 'case'; did you mean 'cases'?",
        ),
        ({"kind": ["cases"]}, "tests.kind: must be one of"),
        ({"kind": "cases", "call": "f"}, "tests.cases: is missing"),
        ({"kind": "cases", "call": "f", "cases": []}, "tests.cases: must hold at least one entry"),
        ({**cases(returns=1), "call": "f(x)"}, "tests.call: 'f(x)' is not the name of a function"),
        (cases(arg=[1], returns=1), "tests.cases[0].arg: unknown key; did you mean 'args'?"),
        (cases(args=[1]), "tests.cases[0]: give either 'returns' or 'raises'"),
        (cases(returns=1, raises="ValueError"), "tests.cases[0]: give either 'returns' or 'raises'"),
        (sqlite(1), "tests.cases[0].returns[0]: must be a list, not 1"),
        (sqlite([1], call="f"), "tests.call: unknown key"),
        ({"kind": "pytest", "code": "def test(:"}, "tests.code: is not Python (its line 1): "),
        ({"kind": "pytest", "code": "pass", "timeout_s": 0}, "tests.timeout_s: 0 is less than or equal to"),
        ({"kind": "command", "command": []}, "tests.command: must hold at least one entry"),
    ],
)
def test_a_fault_in_the_tests_is_told_by_its_path(reader, tests, expected):
    (fault,) = faults(reader, CODE, {**TEXT, "tests": tests})
    assert fault.startswith(f"2: {expected}"), fault


def test_a_language_that_looks_like_a_slip_is_a_fault_unless_a_tag_says_it_is_one(reader):
    (fault,) = faults(reader, {**CODE, "answer": "code:pythn"})
    assert "answer: 'code:pythn': did you mean 'code:python'?" in fault
    assert reader({**CODE, "answer": "code:pythn", "tags": ["pythn"]}).instances[0].answer == "code:pythn"


@pytest.mark.parametrize(
    ("line", "column"),
    [('{"id": "a", "prompt": }', 23), ('{"id": "a"', 11), ('{"id" "a"}', 7)],
)
def test_the_column_of_a_fault_is_the_lines_own(reader, line, column):
    (fault,) = faults(reader, line)
    assert f"at column {column}." in fault


def test_an_instance_that_nothing_judges_is_a_fault(reader):
    assert faults(reader, {"id": "a", "prompt": "b"})[0].startswith("1: rubric, tests: at least one")


def test_all_faults_of_a_file_are_told_at_once(reader):
    found = faults(
        reader,
        TEXT,
        {"promt": "x", "tags": "y"},
        "{not json",
        {**TEXT, "id": "other", "rubric": "unknown"},
        TEXT,
        {**TEXT, "id": "third", "rubric": "unknown"},
    )
    assert sorted(":".join(fault.split(":")[:2]) for fault in found) == [
        "2: id",
        "2: prompt",
        "2: promt",
        "2: tags",
        "3: is not JSON",
        "4: rubric",
        "5: id",
        "6: rubric",
    ]
    assert "'greeting' is already the id of line 1" in found[6]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", " holds no instance. Write one JSON object a line."),
        (b"\n\n", " holds no instance."),
        (b"[\n", "1: is not JSON: Expecting value at column 2. JSON Lines holds one whole object a line"),
        (b"[]", "1: the line: must be an object, not []"),
        (b"null", "1: the line: must be an object, not None"),
        (b"\xff\xfe{", "1: is not UTF-8 (byte 1)"),
        (b'{"id": "\xe4"}', "1: is not UTF-8 (byte 9)"),
        (b'{"id": "a", "id": "b"}', "1: is not usable JSON: key 'id' is given twice"),
        (b'{"id": NaN}', "1: is not usable JSON: NaN is not JSON"),
        (b'{"id": ' + b"9" * 5000 + b"}", "1: is not usable JSON: "),
        (b'{"id": "\\ud800"}', "1: holds half of a surrogate pair"),
        (b"[" * 100_000, "1: is nested too deeply"),
        (b'"' + b"x" * (33 * 2**20) + b'"', "1: is longer than 33,554,432 bytes"),
    ],
    ids=range(13),
)
def test_what_is_no_json_lines_file_is_said_without_a_traceback(reader, raw, expected):
    assert faults(reader, raw=raw)[0].startswith(expected)


@pytest.mark.parametrize(
    ("line", "reads"),
    [
        (b'{"task_id": "HumanEval/0", "canonical_solution": "", "test": ""}', "humaneval"),
        (b'{"instance_id": "a__b-1", "FAIL_TO_PASS": []}', "swebench"),
    ],
)
def test_a_known_benchmarks_own_file_is_told_what_reads_it_in_one_line(reader, line, reads):
    (fault,) = faults(reader, raw=line + b"\n" + line)
    assert f"dataset={reads} dataset.path=" in fault


def test_a_huge_line_does_not_hide_the_next_one(reader):
    found = faults(reader, raw=b'"' + b"x" * (33 * 2**20) + b'"\n{"id": 1}\n')
    assert [fault.partition(":")[0] for fault in found] == ["1", "2", "2"]


@pytest.mark.parametrize("raw", [b"no gzip", gzip.compress(b"{}" * 1000)[:-9]], ids=["not gzip", "cut off"])
def test_a_broken_archive_is_a_fault(reader, raw):
    assert "cannot be read on from here" in faults(reader, name="tasks.jsonl.gz", raw=raw)[0]


def test_a_file_that_is_not_there_is_said_with_where_it_was_looked_for(tmp_path):
    dataset = JsonlDataset("nowhere.jsonl", rubrics=RubricFolder([]), places=Places())
    with pytest.raises(ConfigError, match=r"no file 'nowhere\.jsonl'"):
        dataset.load()


def test_a_path_is_needed():
    with pytest.raises(ValueError, match="path must name"):
        JsonlDataset(" ", rubrics=RubricFolder([]), places=Places())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(st.data())
def test_no_damage_to_a_file_ends_in_a_traceback(reader, data):
    raw = bytearray(b"".join(json.dumps(line).encode() + b"\n" for line in (TEXT, CODE)))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with suppress(DatasetError):
        reader(raw=bytes(raw))
