"""Inside the sandbox: runs pytest with a reporter of ours, which also looks for a changed test framework."""

import builtins
import math
import operator
import os
import sys
import unittest
from collections.abc import Generator, Iterator, Mapping, Sequence
from types import FunctionType
from typing import Any

import pytest
from _pytest._code import ExceptionInfo
from _pytest.outcomes import Skipped, XFailed

LONG = 600
# What `assert` and pytest stand on: a candidate has no business to change any of it.
WATCHED = ("_pytest", "pytest", "pluggy", "unittest", "math", "operator", "builtins")

# Where the candidate is a folder of edited files (keeper.py): the files in it that are not its own, and what it makes
# importable. None: it is the module `candidate`.
OURS: frozenset[str] | None = None
MODULES = frozenset({"candidate"})
HERE = f"{os.getcwd()}/"  # noqa: PTH109  as in main
# The older form of wrapper: pytest before 8, as in Debian's images, knows no other.
Around = Generator[None, Any, None]
audit = sys.audit  # before anybody else can change it


def report(record: Mapping[str, Any], snapshot: Mapping[str, object]) -> None:
    """To the witness, which signs it, and holds the snapshot against the one it took before."""
    audit("evalkit.report", record, snapshot)


class Reporter:
    """Says what was collected, how each phase of each test ended, and what must not have changed meanwhile."""

    @pytest.hookimpl(trylast=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Look at the framework before the candidate is imported."""
        report({"started": True}, {**dict(_framework()), **_plugins(session.config)})

    @pytest.hookimpl(hookwrapper=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> Around:
        """Say whose fault it is where the tests could not be collected."""
        made: pytest.CollectReport = (yield).get_result()
        if made.failed:
            error = made.call.excinfo if made.call else None
            report({"broken": collector.nodeid, **_fault(error)}, {})
        elif made.skipped:
            path = made.longrepr[0] if isinstance(made.longrepr, tuple) else ""
            report({"skipped": collector.nodeid, "ours": _is_candidate(str(path)), "why": _short(made)}, {})

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Name every test, so that none can be lost."""
        report({"collected": [str(item.nodeid) for item in session.items]}, _tests(session.items))

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Around:
        """Report what was raised itself; the report made of it is only looked at for xfail."""
        error = call.excinfo  # before anybody else can take it away
        made: pytest.TestReport = (yield).get_result()
        outcome = "passed" if error is None and made.passed else "failed"
        if error is not None and isinstance(error.value, Skipped):
            outcome = "failed" if _is_candidate(str(error.traceback[-1].path)) else "skipped"
            outcome = "failed" if _passed_through_candidate(error) else outcome
        if getattr(made, "wasxfail", None) is not None:
            outcome = "passed" if made.skipped and not _gave_up(error) else "failed"
        said = {"when": str(call.when), "outcome": outcome, "message": _message(error), "line": _candidate_line(error)}
        said |= {"file": _candidate_file(error)} if OURS is not None else {}
        report({"test": str(item.nodeid), **said}, {**_plugins(item.config), **_tests([item])})

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """The end, and everything that is to be as it was."""
        whole = {**dict(_framework()), **_plugins(session.config), **_tests(session.items)}
        report({"done": True, "exit": int(exitstatus), "traced": sys.gettrace() is not None}, whole)


def main() -> None:
    """Run the tests, leave; the keeper calls this once the witness is sworn in."""
    leave = os._exit
    report({"ready": True}, {})
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    here = os.getcwd()  # noqa: PTH109  pathlib is among what a candidate may change
    sys.path.insert(0, here)
    arguments = ["-q", "--no-header", "--tb=short", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", here]
    code = pytest.main([*arguments, "--import-mode=importlib", "test_candidate.py"], plugins=[Reporter()])
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


def _plugins(config: pytest.Config) -> dict[str, object]:
    """Whoever could have a say in a test's outcome."""
    found = config.pluginmanager.list_name_plugin()
    return {"the number of plugins": len(found), **{f"plugin {name}": plugin for name, plugin in found}}


def _tests(items: Sequence[pytest.Item]) -> dict[str, object]:
    """Each test's own state, and the functions beside it that it may call."""
    found: dict[str, object] = {}
    for item in items:
        found |= {item.nodeid + " " * number: value for number, value in enumerate(_state(item))}
    for module in {id(item.module): item.module for item in items if isinstance(item, pytest.Function)}.values():
        found[f"{module.__name__}'s builtins"] = len(vars(builtins).keys() & vars(module).keys())
        for name, value in list(vars(module).items()):
            if isinstance(value, FunctionType) and value.__module__ == module.__name__:
                found |= {f"{module.__name__}.{name}": value, f"{module.__name__}.{name}()": value.__code__}
    return found


def _state(item: pytest.Item) -> list[object]:
    """A test's code, its marks, what stands in the way of its class's own methods, and how many these are."""
    function = getattr(item, "function", None)
    own = [value for name, value in vars(item).items() if callable(getattr(type(item), name, None))]
    state = [getattr(function, "__code__", function), *item.iter_markers(), *own]
    return [len(state), *state]


def _fault(error: "ExceptionInfo[BaseException] | None") -> dict[str, Any]:
    """Whether the candidate is why the tests cannot be imported."""
    if error is None:
        return {"ours": False, "message": "", "line": None}
    cause = error.value.__cause__ or error.value
    trace = cause.__traceback__ or error.tb  # `raise … from` something that was never raised
    info = ExceptionInfo.from_exc_info((type(cause), cause, trace))  # not from_exception: Debian's pytest has none
    missing = isinstance(cause, ImportError) and str(cause.name).partition(".")[0] in MODULES
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


def _candidate_file(error: "ExceptionInfo[BaseException] | None") -> str:
    """Of several files, the one that the line is of."""
    entries = error.traceback if error is not None else ()
    files = [str(entry.path)[len(HERE) :] for entry in entries if _is_candidate(str(entry.path))]
    return files[-1] if files else ""


def _is_candidate(path: str) -> bool:
    if OURS is None:
        return path.rpartition("/")[2] == "candidate.py"
    return path.startswith(HERE) and path[len(HERE) :] not in OURS


def _message(error: "ExceptionInfo[BaseException] | None") -> str:
    return error.exconly()[:LONG] if error is not None else ""


def _short(report: pytest.CollectReport) -> str:
    return str(report.longrepr)[:LONG]


_LOADED = (builtins, math, operator, unittest)  # so that they are watched from the start
