"""Inside the sandbox: a plugin for pytest 4.6 and later that reports each test. Plain Python from 3.6 on.

PYTEST_DONT_REWRITE
"""

import os
from typing import Any, Iterator  # noqa: UP035  Python 3.6

import evalkit_report  # type: ignore[import-not-found]  # it lies beside this file, in the sandbox
import pytest

PHASES = ("setup", "call", "teardown")
HINTS = ("Use -v to get more diff", "Use -v to get the full diff", "(pytest_assertion plugin: truncated)")
state = {"reporter": evalkit_report.taken()}  # type: dict[str, Any]
phases = {}  # type: dict[str, dict[str, Any]]


def pytest_configure(config: Any) -> None:  # noqa: ARG001  pytest hands it by name
    """Look at what outcomes stand on. A pytest that a test starts is not to load this plugin again."""
    from _pytest import outcomes, python, reports, runner  # noqa: PLC0415

    owners = [outcomes, reports.TestReport, runner, python.Function]
    state.setdefault("watch", evalkit_report.Watch(*owners))
    for name in [name for name in os.environ if name == "PYTEST_PLUGINS"]:
        rest = [one for one in os.environ[name].split(",") if one != __name__]
        os.environ.pop(name)
        if rest:
            os.environ[name] = ",".join(rest)


def pytest_runtest_logstart(nodeid: str) -> None:
    """It is under way."""
    state["reporter"].start(nodeid)


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: Any, call: Any) -> "Iterator[None]":
    """After the last phase, one record."""
    outcome = yield  # type: Any
    made, error = outcome.get_result(), call.excinfo  # a unittest's own error is put there meanwhile
    kept = phases.setdefault(item.nodeid, {})
    kept[made.when] = made.outcome
    said = _outcome(item, made, error)
    if said != "passed" and "said" not in kept:
        kept["said"] = (said, (error.type, error.value, error.tb) if error is not None else None, _text(made, error))
    if made.when == "teardown":
        said, raised, text = kept.get("said", ("passed", None, ""))
        if said == "passed" and [kept.get(phase) for phase in PHASES] != ["passed"] * 3:
            said, text = "error", "not all of its phases were seen to pass"
        state["reporter"].ended(item.nodeid, said, raised, text)
        phases.pop(item.nodeid)


def _outcome(item: Any, made: Any, error: Any) -> str:
    """Of one phase; a test that is expected to fail, and does, passes, if that is the test's own word."""
    if getattr(made, "wasxfail", None) is not None:
        gave_up = error is not None and isinstance(error.value, pytest.xfail.Exception)
        own = not gave_up or all(evalkit_report.HERE + path == str(item.fspath) for path, _ in _frames(error))
        return ("xfailed" if own else "failed") if made.skipped else "xpassed"
    if made.failed:
        return "failed" if made.when == "call" else "error"
    return str(made.outcome)


def _frames(error: Any) -> Any:
    return evalkit_report.frames(error.tb)


def _text(made: Any, error: Any) -> str:
    """The account by pytest itself which tells both sides of an assertion."""
    if error is None:
        return str(made.longrepr or "")
    lines = [line.rstrip() for line in str(error.exconly()).splitlines()]
    return "\n".join(line for line in lines if line and line.strip() not in HINTS)


def pytest_collectreport(report: Any) -> None:
    """A file that cannot be imported."""
    if report.failed:
        state["reporter"].broken(report.nodeid, None, str(report.longrepr)[-evalkit_report.LONG :])


def pytest_sessionfinish() -> None:
    """What should not have changed."""
    changed = state["watch"].changed()
    if changed:
        state["reporter"].report({"changed": changed})
