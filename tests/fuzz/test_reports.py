"""Whatever comes out of a sandbox: a verdict that is no pass, or a grader's error; never a crash of the run."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from evalkit.core.environment import Environment
from evalkit.core.errors import GraderError
from evalkit.core.ports import Execution, Limits
from evalkit.core.types import Candidate, Case, Instance, Tests
from evalkit.run.judging import repository
from evalkit.run.judging.channel import Trial, readable
from evalkit.run.judging.repository.judged import judge as judge_repository
from evalkit.run.judging.repository.laid import Laid
from evalkit.run.judging.repository.log import last_error
from evalkit.run.tests_verifier import KINDS

NONCE = "0123"
KIND_OF = {
    "cases": Tests("cases", call="f", cases=(Case((1,), 2),)),
    "sqlite": Tests("sqlite", setup="", cases=(Case((), []),)),
    "pytest": Tests("pytest", code="from candidate import f\ndef test_a():\n    assert f(1) == 2\n"),
    "rust": Tests("rust", code="", bridge="", names=("a",)),
    "command": Tests("command", command=("true",)),
    "repo": Tests("repo", fail_to_pass=("a.py::test_a",)),
}
# Keys that harnesses write, and some that they do not.
KEYS = [
    "ready", "done", "started", "start", "case", "returns", "raises", "message", "line", "fault", "import", "undefined",
    "collected", "test", "when", "outcome", "exit", "ended", "broken", "skipped", "ours", "why", "changed", "forged",
    "traced", "tests", "late", "up", "setup", "log", "here", "path", "code", "doc", "compile", "no_rows", "x",
]  # fmt: skip
VALUES = st.sampled_from([None, True, False, 0, -9, "passed", "failed", "test_a", "call", [], ["test_a"], [1], {}, 1.5])
RECORDS = st.dictionaries(st.sampled_from(KEYS), VALUES | st.text(max_size=5), max_size=5)
NOISE = st.text(max_size=20) | st.sampled_from(
    [f"{NONCE} {{", f"{NONCE} [1]", f"{NONCE} {'[' * 3000}", "\x00", "9" * 50]
)


@pytest.mark.parametrize("kind", KIND_OF)
@given(records=st.lists(RECORDS, max_size=5), noise=st.lists(NOISE, max_size=2), code=st.integers(-15, 255))
@example(records=[{"ready": True}, {"test": 1}], noise=[], code=0)
@example(records=[{"ready": True}, {"case": [], "returns": 1}], noise=[], code=0)
@example(records=[{"ready": True}, {"collected": 3}, {"done": True}], noise=[], code=0)
@example(records=[{"ready": True}, {"changed": [1]}], noise=[], code=0)
def test_forged_reports_are_no_pass_and_end_no_run(kind, records, noise, code):
    lines = [*(f"{NONCE} {json.dumps(record)}" for record in ({"ready": True}, *records)), *noise]
    done = Execution(code, "\n".join(lines), "", 0.1)
    trial = Trial(Instance("i", "p"), KIND_OF[kind], Candidate("def f(x): return x", "python"), NONCE, Limits())
    judge = (
        KINDS[kind][1] if kind in KINDS else lambda *given: judge_repository(given[0], ENVIRONMENT, Laid(), given[1])
    )
    try:
        verdict = readable(trial, lambda: judge(trial, done))
    except GraderError:
        return
    assert not verdict.accepted or is_whole(kind, records, code)
    json.dumps(verdict.failure)


ENVIRONMENT = Environment("e", ("pytest", "{targets}"))


def is_whole(kind, records, code):
    """Whether the reports are as an honest harness gives them: then they are believed."""
    names = {name for record in records for name in record}
    needed = {"cases": {"returns"}, "sqlite": {"returns"}, "pytest": {"test", "done"}, "rust": {"test", "ended"}}
    return code == 0 if kind == "command" else needed.get(kind, {"test"}) <= names


def test_repositories_are_read_through_the_same_guard():
    assert repository.readable is readable


@given(st.text() | st.lists(st.sampled_from(["Traceback (most recent call last):", '  File "/r/a.py", line 3', "E  x",
       "ValueError: x", '  File "", line 9' + "9" * 30, "", "\x00", "KeyError"])).map("\n".join))  # fmt: skip
def test_any_log_has_an_error_or_none(log):
    said = last_error(log, "/r")
    assert len(said.text) <= 400
