"""Inside the sandbox: runs pytest with a reporter of ours, which also looks for a changed test framework."""

import builtins
import json
import math
import operator
import os
import sys
import unittest
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any, TypeVar

import pytest
from _pytest._code import ExceptionInfo
from _pytest.outcomes import Skipped, XFailed

LONG = 600
# What `assert` and pytest stand on: a candidate has no business to change any of it.
WATCHED = ("_pytest", "pytest", "pluggy", "unittest", "math", "operator", "builtins")

T = TypeVar("T")
Around = Generator[None, T, T]
Report = Callable[[Mapping[str, Any]], None]


class Reporter:
    """Says what was collected, how each phase of each test ended, and whether the framework was tampered with."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._before: dict[str, object] = {}
        self._items: dict[str, list[object]] = {}

    def pytest_sessionstart(self) -> None:
        """Look at the framework before the candidate is imported."""
        self._before = dict(_framework())

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> Around[pytest.CollectReport]:
        """Say whose fault it is where the tests could not be collected."""
        report = yield
        if report.failed:
            error = report.call.excinfo if report.call else None
            self._report({"broken": collector.nodeid, **_fault(error)})
        elif report.skipped:
            path = report.longrepr[0] if isinstance(report.longrepr, tuple) else ""
            self._report({"skipped": collector.nodeid, "ours": _is_candidate(str(path)), "why": _short(report)})
        return report

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Name every test, so that none can be lost."""
        for item in session.items:
            self._items[item.nodeid] = _state(item)
        self._report({"collected": [item.nodeid for item in session.items]})

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Around[pytest.TestReport]:
        """Report what was raised itself; the report made of it is only looked at for xfail."""
        error = call.excinfo  # before anybody else can take it away
        report = yield
        outcome = "passed" if error is None and report.passed else "failed"
        if error is not None and isinstance(error.value, Skipped):
            outcome = "failed" if _is_candidate(str(error.traceback[-1].path)) else "skipped"
            outcome = "failed" if _passed_through_candidate(error) else outcome
        if getattr(report, "wasxfail", None) is not None:
            outcome = "passed" if report.skipped and not _gave_up(error) else "failed"
        line = _candidate_line(error)
        self._report(
            {"test": item.nodeid, "when": call.when, "outcome": outcome, "message": _message(error), "line": line}
        )
        return report

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """The end, and what is not as it was."""
        after = dict(_framework())
        changed = sorted(name for name, value in self._before.items() if after.get(name) is not value)
        changed += [item.nodeid for item in session.items if not _alike(self._items.get(item.nodeid, []), _state(item))]
        changed += ["sys.settrace"] if sys.gettrace() is not None else []
        self._report({"done": True, "exit": int(exitstatus), "changed": changed[:5]})


def main() -> None:
    """Read the job from stdin, run the tests, leave."""
    write, encode, leave, channel = os.write, json.JSONEncoder().encode, os._exit, os.dup(1)
    nonce = json.load(sys.stdin)["nonce"]
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)

    def report(record: Mapping[str, Any]) -> None:
        line = f"\n{nonce} {encode(record)}\n".encode()
        while line:
            line = line[write(channel, line) :]

    report({"ready": True})
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    here = os.getcwd()  # noqa: PTH109  pathlib is among what a candidate may change
    sys.path.insert(0, here)
    arguments = ["-q", "--no-header", "--tb=short", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", here]
    code = pytest.main([*arguments, "--import-mode=importlib", "test_candidate.py"], plugins=[Reporter(report)])
    leave(int(code))


def _framework() -> Iterator[tuple[str, object]]:
    for name, module in sorted(sys.modules.items()):
        if name.partition(".")[0] in WATCHED:
            yield from _functions(name, vars(module))


def _functions(owner: str, namespace: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for name, value in list(namespace.items()):
        if isinstance(value, type):
            yield f"{owner}.{name}", value
            if value.__module__.partition(".")[0] in WATCHED[:4] and value.__module__ == owner:
                yield from _functions(f"{owner}.{name}", vars(value))
        elif callable(value) or isinstance(value, classmethod | staticmethod | property):
            yield f"{owner}.{name}", value
            if hasattr(value, "__code__"):
                yield f"{owner}.{name}()", value.__code__


def _state(item: pytest.Item) -> list[object]:
    """A test's code, its marks, and what stands in the way of its class's own methods."""
    function = getattr(item, "function", None)
    own = [value for name, value in vars(item).items() if callable(getattr(type(item), name, None))]
    return [getattr(function, "__code__", function), *item.iter_markers(), *own]


def _alike(before: list[object], after: list[object]) -> bool:
    return len(before) == len(after) and all(old is new for old, new in zip(before, after, strict=True))


def _fault(error: "ExceptionInfo[BaseException] | None") -> dict[str, Any]:
    """Whether the candidate is why the tests cannot be imported."""
    if error is None:
        return {"ours": False, "message": "", "line": None}
    cause = error.value.__cause__ or error.value
    info = ExceptionInfo.from_exception(cause)
    missing = isinstance(cause, ImportError) and cause.name == "candidate"
    wrong = isinstance(cause, SyntaxError) and _is_candidate(str(cause.filename))
    ours = missing or wrong or _passed_through_candidate(info)
    return {"ours": ours, "message": _message(info), "line": _candidate_line(info)}


def _passed_through_candidate(error: "ExceptionInfo[BaseException]") -> bool:
    return any(_is_candidate(str(entry.path)) for entry in error.traceback)


def _gave_up(error: "ExceptionInfo[BaseException] | None") -> bool:
    """Whether the candidate called xfail itself; a mark on the test is the test's own word."""
    return error is not None and isinstance(error.value, XFailed) and _passed_through_candidate(error)


def _candidate_line(error: "ExceptionInfo[BaseException] | None") -> int | None:
    entries = error.traceback if error is not None else ()
    lines = [entry.lineno + 1 for entry in entries if _is_candidate(str(entry.path))]
    return lines[-1] if lines else None


def _is_candidate(path: str) -> bool:
    return path.rpartition("/")[2] == "candidate.py"


def _message(error: "ExceptionInfo[BaseException] | None") -> str:
    return error.exconly()[:LONG] if error is not None else ""


def _short(report: pytest.CollectReport) -> str:
    return str(report.longrepr)[:LONG]


_LOADED = (builtins, math, operator, unittest)  # so that they are watched from the start

if __name__ == "__main__":
    main()
