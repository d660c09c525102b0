"""Good candidates pass, wrong ones fail with words that help; those that cheat are in test_cheats.py."""
# ruff: noqa: E501  tables of candidates read best with one a line

import asyncio
import json
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.adapters.bubblewrap_sandbox import BubblewrapSandbox
from evalkit.adapters.unconfined_sandbox import UnconfinedSandbox
from evalkit.core.errors import GraderError, SandboxError
from evalkit.core.failure import Failure
from evalkit.core.ports import Execution, Limits
from evalkit.core.types import Candidate, Case, Instance, Outcome, Tests
from evalkit.run.harness.cases import encode
from evalkit.run.judging.compare import same, same_rows, show
from evalkit.run.judging.suite import defined
from evalkit.run.tests_verifier import TestsVerifier
from tests.run.tasks import ADDS, ADDS_SUITE, instance, python, suite


@cache
def sandbox_here():
    """Where bubblewrap cannot work, these candidates (our own) run unconfined."""
    try:
        asyncio.run(BubblewrapSandbox().check())
    except SandboxError:
        return UnconfinedSandbox
    return BubblewrapSandbox


@pytest.fixture
def verifier():
    return TestsVerifier(sandbox_here()(), timeout_s=20)


def sql(*cases, **more):
    return instance(Tests("sqlite", cases=cases, setup=SETUP, **more), "code:sql")


SETUP = "CREATE TABLE t (a INTEGER, b TEXT); INSERT INTO t VALUES (1, 'x'), (2, 'y'), (2, 'y');"


class Scripted:
    """A sandbox that answers as told, for what real candidates cannot bring about."""

    confined, limits = True, Limits()

    def __init__(self, answer):
        self.answer = answer

    async def run(self, job):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def check(self):
        pass


# --- good and wrong candidates ---

GOOD = {
    "a function": (ADDS, "def f(n):\n    return n + 1"),
    "a method": (python(Case((1,), returns=2), call="S.f"), "class S:\n    @staticmethod\n    def f(n): return n + 1"),
    "a coroutine": (ADDS, "async def f(n):\n    return n + 1"),
    "prints": (ADDS, "print('hello')\ndef f(n):\n    print(n)\n    return n + 1"),
    "keywords": (python(Case((), {"n": 1}, returns=2)), "def f(n):\n    return n + 1"),
    "a tuple equals a list": (python(Case(([2, 1],), returns=[1, 2])), "def f(x):\n    return tuple(sorted(x))"),
    "integer keys as JSON writes them": (python(Case((3,), returns={"3": 1})), "def f(x):\n    return {x: 1}"),
    "a set": (python(Case(([2, 1, 1],), returns={"$set": [1, 2]})), "def f(x):\n    return set(x)"),
    "floats within the tolerance": (python(Case((3,), returns=0.3)), "def f(x):\n    return 0.1 * x"),
    "raises": (python(Case((1,), raises="ValueError")), "def f(x):\n    raise UnicodeError('a kind of ValueError')"),
    "arguments are fresh each time": (python(*[Case(([1],), returns=1)] * 3), "def f(x, seen=[]):\n    return x.pop()"),
    "a dataclass": (ADDS, "from dataclasses import dataclass\n@dataclass\nclass A:\n    n: int\ndef f(n):\n    return A(n).n + 1"),
    "rows": (sql(Case(returns=[[1, "x"], [2, "y"], [2, "y"]])), "SELECT a, b FROM t ORDER BY a;"),
    "rows in any order": (sql(Case(returns=[[2], [1], [2]]), ordered=False), "SELECT a FROM t"),
    "the last of several statements": (sql(Case(returns=[[";"]])), "CREATE VIEW v AS SELECT ';' AS c; SELECT c FROM v -- end"),
    "a case's own set-up": (sql(Case(setup="DELETE FROM t", returns=[[0]]), Case(returns=[[3]])), "SELECT count(*) FROM t"),
    "a suite": (ADDS_SUITE, "def f(n):\n    return n + 1"),
    "a suite by names": (suite(ADDS_SUITE.tests.code, names=("test_adds[1]", "TestMore::test_zero")), "def f(n):\n    return n + 1"),
    "a suite over a text": (
        instance(Tests("pytest", code="def test_it():\n    assert 'x' in open('candidate.txt').read()"), "text"),
        "xyz",
    ),
    "a unittest suite": (
        suite("import unittest, candidate\nclass TestA(unittest.TestCase):\n    def test_x(self):\n        self.assertEqual(candidate.f(1), 2)"),
        "def f(n):\n    return n + 1",
    ),
    "a command": (instance(Tests("command", command=("python", "candidate.py"))), "import sys; sys.exit(0)"),
    "a shell script": (instance(Tests("command", command=("sh", "candidate.sh")), "code:bash"), "test -f candidate.sh"),
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
async def test_a_good_candidate_is_accepted_with_every_test_seen_to_pass(verifier, name):
    one, text = GOOD[name]
    verdict = await verifier.verify(one, Candidate(text))
    assert (verdict.accepted, verdict.failure, verdict.findings, verdict.score) == (True, None, (), 1.0)
    assert verdict.rules_passed == len(verdict.tests) > 0


F = Failure
WRONG = {
    "a wrong value": (ADDS, "def f(n):\n    return n", F.TEST_FAILURE, "`f(1)` should return 2 but returned 1."),
    "a bool is no number": (python(Case((1,), returns=1)), "def f(n):\n    return True", F.TEST_FAILURE, "should return 1 but returned True."),
    "nothing returned": (ADDS, "def f(n):\n    n + 1", F.TEST_FAILURE, "but returned None."),
    "not a number": (python(Case((1,), returns=1.0)), "def f(n):\n    return float('nan')", F.TEST_FAILURE, "but returned nan."),
    "an exception": (ADDS, "def f(n):\n    return n / 0", F.TEST_FAILURE, "but raised ZeroDivisionError: division by zero (line 2: `return n / 0`)."),
    "no exception": (python(Case((1,), raises="ValueError")), "def f(n):\n    return n", F.TEST_FAILURE, "should raise ValueError but returned 1."),
    "an undefined function": (ADDS, "def g(n):\n    return n", F.TEST_FAILURE, "does not define `f`"),
    "bad syntax": (ADDS, "def f(n:\n    return n", F.SYNTAX_ERROR, "'(' was never closed (line 1: `def f(n:`)."),
    "a null character": (ADDS, "def f(n):\n    return '\0'", F.SYNTAX_ERROR, "null"),
    "nested too deep": (ADDS, "x = " + "(" * 5000, F.SYNTAX_ERROR, "The code"),
    "a missing import": (ADDS, "import nothing_like_it", F.SYNTAX_ERROR, "raised ModuleNotFoundError: No module named 'nothing_like_it' (line 1"),
    "deep recursion": (ADDS, "def f(n):\n    return f(n)", F.TEST_FAILURE, "RecursionError"),
    "a crash": (ADDS, "import os\ndef f(n):\n    os.abort()", F.TEST_FAILURE, "`f(1)` crashed the process (signal 6)."),
    "too much memory": (ADDS, "def f(n):\n    return [0] * 10**10", F.RESOURCE_LIMIT, "MemoryError"),
    "too much output": (ADDS, "def f(n):\n    while True: print('x' * 999)", F.RESOURCE_LIMIT, "`f(1)` wrote more than the 256 KB of output allowed."),
    "rows missing": (sql(Case(returns=[[1], [2], [2]])), "SELECT DISTINCT a FROM t", F.TEST_FAILURE, "should return [[1], [2], [2]] but returned [[1], [2]]."),
    "rows in the wrong order": (sql(Case(returns=[[1], [2], [2]])), "SELECT a FROM t ORDER BY a DESC", F.TEST_FAILURE, "but returned [[2], [2], [1]]."),
    "no SQL": (sql(Case(returns=[[1]])), "SELEC a FROM t", F.SYNTAX_ERROR, 'The query is not valid SQL: near "SELEC": syntax error.'),
    "no query": (sql(Case(returns=[])), "-- nothing", F.TEST_FAILURE, "has no statement that returns rows"),
    "another database": (sql(Case(returns=[[1]])), "ATTACH 'x.db' AS x; SELECT 1", F.TEST_FAILURE, "not authorized"),
    "a failing suite": (ADDS_SUITE, "def f(n):\n    return 2", F.TEST_FAILURE, "test_adds[5]: AssertionError: assert 2 == (5 + 1)"),
    "a suite without its function": (ADDS_SUITE, "x = 1", F.SYNTAX_ERROR, "cannot import name 'f' from 'candidate'"),
    "a suite that cannot import": (ADDS_SUITE, "import nothing_like_it", F.SYNTAX_ERROR, "No module named 'nothing_like_it'"),
    "a suite by a name that is not there": (suite(ADDS_SUITE.tests.code, names=("test_other",)), "def f(n):\n    return n + 1", F.TEST_FAILURE, "test_other was not seen to run"),
    "a failing command": (instance(Tests("command", command=("python", "candidate.py"))), "1 / 0", F.TEST_FAILURE, "`python candidate.py` ended with exit code 1"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
async def test_a_wrong_candidate_is_rejected_with_words_that_help(verifier, name):
    one, text, failure, words = WRONG[name]
    verdict = await verifier.verify(one, Candidate(text))
    assert (verdict.accepted, verdict.failure) == (False, failure)
    assert any(words in finding.message for finding in verdict.findings), verdict.findings


@pytest.mark.slow
@pytest.mark.parametrize("one", [ADDS, ADDS_SUITE, sql(Case(returns=[[1]]))], ids=["cases", "pytest", "sqlite"])
async def test_a_candidate_that_does_not_end_is_a_timeout(verifier, one):
    endless = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT max(n) FROM r"
    text = endless if one.tests.kind == "sqlite" else "def f(n):\n    while True: pass"
    verdict = await TestsVerifier(verifier.sandbox, timeout_s=6).verify(one, Candidate(text))
    assert verdict.failure is Failure.CANDIDATE_TIMEOUT
    assert {test.outcome for test in verdict.tests} <= {Outcome.MISSING, Outcome.ERROR}


async def test_cases_that_were_seen_before_the_end_count(verifier):
    one = python(Case((1,), returns=2), Case((2,), returns=3), Case((3,), returns=4))
    verdict = await verifier.verify(
        one, Candidate("import os\ndef f(n):\n    n == 2 and os._exit(0)\n    return n + 1")
    )
    assert [test.outcome for test in verdict.tests] == [Outcome.PASSED, Outcome.MISSING, Outcome.MISSING]
    assert verdict.findings[0].message == "`f(2)` ended the process (exit code 0) instead of returning."


async def test_a_candidate_that_is_none_runs_nothing_and_keeps_its_failure():
    broken = TestsVerifier(Scripted(AssertionError("ran")))
    for failure in (Failure.EMPTY_RESPONSE, Failure.NO_ANSWER, Failure.TRUNCATED):
        verdict = await broken.verify(ADDS, Candidate("", failure=failure))
        assert (verdict.failure, verdict.findings[0].source) == (failure, "answer")


async def test_only_test_outcomes_are_marked_as_such(verifier):
    sources = [
        (await verifier.verify(ADDS, Candidate(text))).findings[0].source
        for text in ("def f(n): return 0", "def f(", "import nothing_like_it", "g = 1")
    ]
    assert sources == ["test", "rule", "rule", "rule"]


async def test_findings_are_few_and_short(verifier):
    one = python(*[Case((n, "x" * 5000), returns="y" * 5000) for n in range(50)])
    verdict = await verifier.verify(one, Candidate("def f(n, x):\n    return x"))
    assert len(verdict.findings) <= 5
    assert all(len(finding.message) <= 700 for finding in verdict.findings)


def test_an_instance_without_tests_is_not_covered():
    verifier = TestsVerifier(Scripted(None))
    assert verifier.covers(Instance("bare", "…")) == "bare has no tests"
    assert "'nose'" in verifier.covers(instance(Tests("nose")))
    assert verifier.covers(ADDS) == ""


# --- the grader's own faults are errors, never verdicts (invariant 2) ---

FAULTS = {
    "tests that do not parse": suite("def test_x(:\n    pass"),
    "tests that miss a library": suite("import nothing_like_it\ndef test_x():\n    pass"),
    "tests that fail on their own": suite("1 / 0\ndef test_x():\n    pass"),
    "no tests": suite("x = 1"),
    "set-up that is no SQL": sql(Case(setup="SELEC", returns=[])),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_of_the_tests_is_the_graders(verifier, name):
    with pytest.raises(GraderError, match=r"^one: .*Mend the dataset\.$"):
        await verifier.verify(FAULTS[name], Candidate("SELECT 1" if FAULTS[name].tests.kind == "sqlite" else "x = 1"))


@pytest.mark.parametrize(
    "done",
    [
        Execution(0, "", "", 0.1),
        Execution(137, "", "", 9, "timeout"),
        Execution(1, "ready", "No module named pytest", 1),
    ],
)
@pytest.mark.parametrize("one", [ADDS, ADDS_SUITE, sql(Case(returns=[]))], ids=["cases", "pytest", "sqlite"])
async def test_a_harness_that_never_started_is_the_graders_fault(done, one):
    with pytest.raises(GraderError, match="did not start"):
        await TestsVerifier(Scripted(done)).verify(one, Candidate("x = 1"))


async def test_a_sandbox_that_cannot_run_is_an_outage():
    with pytest.raises(SandboxError):
        await TestsVerifier(Scripted(SandboxError("away"))).verify(ADDS, Candidate("x = 1"))


# --- accepting needs proof (invariant 3); candidates that cheat are in test_cheats.py ---


NOT_PROVEN = {
    "nothing collected": [{"collected": []}, {"done": True, "exit": 0}, {"ended": 0}],
    "another exit code": [..., {"done": True, "exit": 0}, {"ended": 3}],
    "killed": [..., {"done": True, "exit": 0}, {"ended": -9}],
    "no end": [..., {"done": True, "exit": 0}],
    "pytest says failed": [..., {"done": True, "exit": 1}, {"ended": 1}],
    "not done": [..., {"ended": 0}],
    "a report behind the end": [..., {"done": True, "exit": 0}, {"started": True}, {"ended": 0}],
    "two ends": [..., {"done": True, "exit": 0}, {"done": True, "exit": 0}, {"ended": 0}],
    "a forged one among them": [..., {"forged": "x"}, {"done": True, "exit": 0}, {"ended": 0}],
    "two lists of tests": [..., {"collected": []}, {"done": True, "exit": 0}, {"ended": 0}],
}
SEEN = [{"collected": ["test_a"]}, *({"test": "test_a", "when": when, "outcome": "passed", "message": "", "line": None} for when in ("setup", "call", "teardown"))]  # fmt: skip


class Telling:
    """A sandbox that answers with records under the job's own nonce."""

    confined, limits = True, Limits()

    def __init__(self, records):
        self.records = [{"ready": True}, *(SEEN if records[0] is ... else records[:1]), *records[1:]]

    async def run(self, job):
        nonce = json.loads(job.stdin)["nonce"]
        return Execution(0, "".join(f"{nonce} {json.dumps(record)}\n" for record in self.records), "", 0.1)


@pytest.mark.parametrize("name", NOT_PROVEN)
async def test_invariant_3_accepting_needs_a_whole_and_orderly_report(name):
    telling = Telling(NOT_PROVEN[name])
    verdict = await TestsVerifier(telling).verify(suite("def test_a():\n    pass"), Candidate("x = 1"))
    assert not verdict.accepted


async def test_invariant_3_the_whole_and_orderly_report_is_accepted():
    telling = Telling([..., {"done": True, "exit": 0, "traced": False}, {"ended": 0}])
    assert (await TestsVerifier(telling).verify(suite("def test_a():\n    pass"), Candidate("x = 1"))).accepted


async def test_invariant_3_zero_tests_run_is_never_a_pass():
    telling = Telling([{"collected": []}, {"done": True, "exit": 0}, {"ended": 0}])
    with pytest.raises(GraderError, match="holds no tests"):
        await TestsVerifier(telling).verify(suite("x = 1"), Candidate("x = 1"))


async def test_a_value_that_says_it_equals_everything_is_judged_by_what_it_is(verifier):
    text = "class E(int):\n    __eq__ = lambda a, b: True\n    __hash__ = int.__hash__\ndef f(n):\n    return E(0)"
    verdict = await verifier.verify(ADDS, Candidate(text))
    assert not verdict.accepted


async def test_expected_values_are_nowhere_in_the_sandbox(verifier):
    text = """
import gc, os, pathlib, sys
def f(n):
    seen = [str(o) for o in gc.get_objects() if isinstance(o, (dict, list, tuple, str))] + [repr(sys._getframe(1).f_locals), repr(sys._getframe(2).f_locals)]
    seen += [p.read_text(errors='replace') for p in pathlib.Path('.').rglob('*') if p.is_file()]
    seen.append(pathlib.Path('/proc/self/cmdline').read_text())
    return any(chr(52) + '24242' in text for text in seen)
"""
    verdict = await verifier.verify(python(Case((1,), returns=424242), Case((2,), returns=False)), Candidate(text))
    assert [test.outcome for test in verdict.tests] == [Outcome.FAILED, Outcome.PASSED]


# --- the pure parts ---

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(JSON)
def test_json_is_the_same_as_itself_also_after_encoding(value):
    assert same(value, encode(value), 1e-9)


@pytest.mark.parametrize(
    ("expected", "got", "equal"),
    [
        (1, True, False), (True, 1, False), (True, True, True), (0, False, False), (None, False, False),
        (2, 2.0, True), (2, 2.0000000001, True), (2, 3, False), (10**400, 10**400 + 1, False), (10**400, 1.0, False),
        ("1", 1, False), ([1, 2], [1], False), ([1], (1,), True), ({"a": 1}, {"a": 1.0}, True), ({"a": 1}, {"b": 1}, False),
        ([], {}, False), ("", [], False), ([[]], [{}], False),
    ],
)  # fmt: skip
def test_what_is_the_same(expected, got, equal):
    assert same(expected, got, 1e-9) is equal


@given(st.lists(st.lists(st.integers(0, 3), max_size=2), max_size=6), st.randoms())
def test_unordered_rows_are_the_same_in_any_order(rows, random):
    mixed = list(rows)
    random.shuffle(mixed)
    assert same_rows(rows, mixed, 0, ordered=False)
    assert not same_rows(rows, [*mixed, [9]], 0, ordered=False)


@pytest.mark.parametrize(
    ("value", "shown"),
    [((1, "a"), "[1, 'a']"), ({1, 2}, "{1, 2}"), (set(), "set()"), (float("inf"), "inf"), (1j, "complex(0.0, 1.0)"),
     (b"a", "bytes.fromhex('61')"), (len, "<built-in function len>"), ({1: {"x": None}}, "{'1': {'x': None}}")],
)  # fmt: skip
def test_how_a_value_is_shown(value, shown):
    assert show(encode(value)) == shown


def test_tests_that_a_file_plainly_defines_are_known_before_it_runs():
    code = "def test_a(): 0\nasync def test_b(): 0\ndef helper(): 0\nclass TestC:\n    def test_d(self): 0\n    def e(self): 0\nclass TestNot:\n    def __init__(self): 0\n    def test_f(self): 0\n"
    assert defined(code) == ["test_a", "test_b", "TestC::test_d"]
