"""A dataset file: what it holds comes out as instances, and all its faults come out at once, by line and key."""

import gzip
import json
from collections import Counter
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalkit.adapters.bubblewrap_sandbox import BubblewrapSandbox
from evalkit.adapters.jsonl_dataset import JsonlDataset
from evalkit.adapters.rubric_files import RubricFolder
from evalkit.core.errors import ConfigError, DatasetError
from evalkit.core.judge import judge
from evalkit.core.types import Case, Repo, Tests
from evalkit.places import Places, installed
from evalkit.run.both_verifier import BothVerifier
from tests.run.builders import unhealthy

RULE = {"id": "short", "kind": "length", "words": {"max": 5}, "message": "Write less."}
TEXT = {"id": "greeting", "prompt": "Say hello.", "rubric": {"rules": [RULE]}}
CODE = {
    "id": "double",
    "prompt": "Write double(n).",
    "answer": "code:python",
    "tags": ["python", "numbers"],
    "difficulty": "easy",
    "tests": {"kind": "cases", "call": "double", "cases": [{"args": [2], "returns": 4}, {"raises": "TypeError"}]},
    "good": ["def double(n): return 2 * n"],
    "bad": ["def double(n): return n + 2"],
    "files": {"src/readme.txt": "numbers"},
    "metadata": {"source": "here"},
}


@pytest.fixture
def reader(tmp_path):
    """Reads what is given as the file tasks.jsonl: bytes, or lines (objects or text)."""
    (tmp_path / "rubrics").mkdir()
    (tmp_path / "rubrics" / "polite.yaml").write_text(f"name: polite\nrules: [{json.dumps(RULE)}]\n")

    def read(*lines, name="tasks.jsonl", raw=None):
        text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
        path = tmp_path / name
        path.write_bytes(text.encode() if raw is None else raw)
        return JsonlDataset(str(path), rubrics=RubricFolder([str(tmp_path / "rubrics")]), places=Places()).load()

    return read


def faults(reader, *lines, **options):
    """The lines of the error, without the file's name."""
    with pytest.raises(DatasetError) as caught:
        reader(*lines, **options)
    return [line.partition("tasks.jsonl")[2].removeprefix(":") for line in str(caught.value).splitlines()]


def test_all_that_a_line_says_is_in_the_instance(reader):
    (instance,) = reader(CODE).instances
    assert (instance.id, instance.answer, instance.difficulty) == ("double", "code:python", "easy")
    assert instance.tags == ("python", "numbers")
    assert instance.tests.cases == (Case(args=(2,), returns=4), Case(raises="TypeError"))
    assert (instance.good, instance.bad) == (tuple(CODE["good"]), tuple(CODE["bad"]))
    assert (instance.files, instance.metadata) == (CODE["files"], CODE["metadata"])


@pytest.mark.parametrize(
    "tests",
    [
        {
            "kind": "sqlite",
            "setup": "CREATE TABLE t (n);",
            "ordered": False,
            "cases": [{"setup": "", "returns": [[1]]}],
        },
        {"kind": "pytest", "code": "def test_it(): pass", "names": ["test_it"], "timeout_s": 3},
        {"kind": "command", "command": ["python", "candidate.py"]},
    ],
    ids=lambda tests: tests["kind"],
)
def test_every_kind_of_tests_is_read(reader, tests):
    (instance,) = reader({"id": "a", "prompt": "b", "tests": tests}).instances
    for key in tests.keys() - {"cases"}:
        given_ = tests[key]
        assert getattr(instance.tests, key) == (tuple(given_) if isinstance(given_, list) else given_)


def test_a_rubric_is_given_inline_or_by_name(reader):
    inline, named = reader(TEXT, {**TEXT, "id": "other", "rubric": "polite"}).instances
    assert inline.rubric.rules == named.rubric.rules


def test_equal_rubrics_are_one_object(reader):
    instances = reader(*({**TEXT, "id": f"i{number}"} for number in range(50))).instances
    assert len({id(instance.rubric) for instance in instances}) == 1


@pytest.mark.parametrize(
    "raw",
    [
        json.dumps(TEXT).encode(),
        b"\xef\xbb\xbf" + json.dumps(TEXT).encode() + b"\r\n\r\n",
        b"\n\n" + json.dumps(TEXT).encode() + b"\n \n",
    ],
    ids=["no newline at the end", "byte order mark and CRLF", "blank lines"],
)
def test_harmless_differences_of_files_make_no_difference(reader, raw):
    assert reader(raw=raw) == reader(TEXT)


def test_a_gzipped_file_is_the_same_dataset(reader):
    packed = gzip.compress(json.dumps(TEXT).encode())
    assert reader(name="tasks.jsonl.gz", raw=packed) == reader(TEXT)


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


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "Say it."},
        {"id": "other"},
        {"good": ["hi"]},
        {"metadata": {"big": 10**40}},
        {"rubric": {"rules": [{**RULE, "words": {"max": 6}}]}},
        {"rubric": {"rules": [{**RULE, "message": "Less!"}]}},
        {"tests": CODE["tests"]},
    ],
)
def test_the_digest_changes_with_any_content(reader, change):
    assert reader({**TEXT, **change}).digest != reader(TEXT).digest


def test_the_digest_does_not_change_with_how_the_file_is_written(reader):
    turned = dict(reversed(CODE.items()))
    spaced = json.dumps({**turned, "difficulty": "easy"}, indent=None, separators=(" , ", " : "))
    assert reader(spaced).digest == reader(CODE).digest


@pytest.fixture(scope="module")
def starter():
    path = str(installed("conf") / "dataset" / "starter.jsonl")
    return JsonlDataset(path, rubrics=RubricFolder([]), places=Places(), name="starter").load()


def test_the_starter_has_four_kinds_in_three_difficulties(starter):
    counts = Counter((instance.tags[0], instance.difficulty) for instance in starter.instances)
    levels = ("easy", "medium", "hard")
    assert set(counts) == {(kind, level) for kind in ("python", "sql", "json", "text") for level in levels}
    assert len(starter.instances) >= 24
    assert min(counts.values()) >= 2


def test_each_starter_instance_has_a_good_and_two_bad_answers(starter):
    assert [one.id for one in starter.instances if not one.good or len(one.bad) < 2] == []


def test_the_examples_of_the_starters_rules_are_right(starter):
    wrong = []
    for instance in starter.instances:
        for rule in instance.rubric.rules if instance.rubric else ():
            assert rule.accept, f"{instance.id}: {rule.id} has no accept example"
            assert rule.reject, f"{instance.id}: {rule.id} has no reject example"
            wrong += [(instance.id, rule.id, text) for text in rule.accept if rule.check.violations(text)]
            wrong += [(instance.id, rule.id, text) for text in rule.reject if not rule.check.violations(text)]
    assert wrong == []


def test_the_starters_rubrics_tell_good_answers_from_bad_ones(starter):
    for instance in starter.instances:
        if instance.rubric:
            assert all(judge(instance.rubric, text).accepted for text in instance.good), instance.id
        if instance.rubric and not instance.tests:
            assert not any(judge(instance.rubric, text).accepted for text in ("", *instance.bad)), instance.id


@pytest.mark.slow
async def test_the_starter_is_healthy_in_the_real_sandbox(starter):
    verifier = BothVerifier(sandbox=BubblewrapSandbox(), rubrics=RubricFolder([]))
    assert await unhealthy(starter.instances, verifier, 2) == {}


# --- instances with a repository ---

TESTS_OF_IT = {
    "kind": "repo",
    "patch": "",
    "targets": ["t.py"],
    "fail_to_pass": ["t.py::a"],
    "pass_to_pass": ["t.py::b"],
}
REPO = {"id": "r", "prompt": "?", "repo": {"name": "o/r", "commit": "a" * 40, "environment": "e"}, "tests": TESTS_OF_IT}


def test_a_line_may_be_about_a_repository(reader):
    (one,) = reader({**REPO, "gold": "diff", "protected": ["x"]}).instances
    assert (one.repo, one.answer, one.gold) == (Repo("o/r", "a" * 40, "e"), "search_replace", "diff")
    assert one.protected == ("x",)
    assert one.tests == Tests("repo", targets=("t.py",), fail_to_pass=("t.py::a",), pass_to_pass=("t.py::b",))


def test_what_is_run_may_be_left_to_the_names(reader):
    without = {key: value for key, value in TESTS_OF_IT.items() if key != "targets"}
    (one,) = reader({**REPO, "tests": without}).instances
    assert one.tests.targets == ("t.py",)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"repo": {"name": "o/r", "commit": "main", "environment": "e"}}, "repo.commit: must be the full hash"),
        ({"repo": {"name": "o/r", "commit": "a" * 40}}, "repo.environment: is missing"),
        ({"repo": {"commit": "a" * 40, "environment": "e"}}, "repo: give one of name, url, path"),
        ({"repo": {**REPO["repo"], "path": "/x"}}, "repo: give one of name, url, path, not name and path"),
        ({"repo": {**REPO["repo"], "comit": "x"}}, "repo.comit: unknown key; did you mean 'commit'?"),
        ({"answer": "code:python"}, "answer: a repository is answered by edits"),
        ({"files": {"a.py": ""}}, "files: are the repository's own"),
        ({"tests": {"kind": "repo", "fail_to_pass": []}}, "tests.fail_to_pass: must hold at least one entry"),
        ({"tests": {"kind": "repo"}}, "tests.fail_to_pass: is missing"),
        ({"tests": {"kind": "repo", "fail_to_pass": ["a"]}}, "tests.targets: is missing, and neither names nor"),
        ({"tests": {"kind": "command", "command": ["x"]}}, "tests.kind: a repository is tested by kind 'repo'"),
        ({"good": [{"a.py": "x"}]}, "good[0]: write the edits out"),
        ({"gold": 3}, "gold: must be a text"),
    ],
)
def test_faults_of_a_repository_are_told_by_key(reader, changes, said):
    told = faults(reader, {**REPO, **changes})
    assert any(line.startswith(f"1: {said}") for line in told), told


def test_tests_of_a_repository_need_one(reader):
    without = {key: value for key, value in REPO.items() if key != "repo"}
    (told,) = faults(reader, {**without, "answer": "unified_diff"})
    assert told.startswith("1: tests: ")
    assert faults(reader, {**TEXT, "gold": "x"}) == ["1: gold: is for answers that are edits, and answer is 'text'"]
