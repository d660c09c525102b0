"""Inside the sandbox: reports each test of unittest, also under Django's runner. Plain Python from 3.6 on."""

import unittest
from typing import Any

import evalkit_report  # type: ignore[import-not-found]  # it lies beside this file, in the sandbox

# The worst of what a test's result was told of it, subtests included, is how it ended.
RANK = ("failed", "error", "xpassed", "xfailed", "passed", "skipped")


def begin(reporter: Any) -> None:
    """Wrap the methods that every result has; runners derive their own results from it."""
    Listener(reporter).listen(unittest.TestResult)


class Listener:
    """One test at a time: a result that a test makes for tests of its own is not listened to."""

    def __init__(self, reporter: Any) -> None:
        self.reporter = reporter
        self.result = None  # type: Any
        self.seen = []  # type: list[tuple[str, Any, str]]

    def listen(self, result: Any) -> None:
        """To all that it is told."""
        for name, heard in (
            ("startTest", self.start),
            ("stopTest", self.stop),
            ("addSuccess", lambda test: self.see(test, "passed")),
            ("addError", lambda test, error: self.see(test, "error", error)),
            ("addFailure", lambda test, error: self.see(test, "failed", error)),
            ("addSkip", lambda test, reason: self.see(test, "skipped", None, str(reason))),
            ("addExpectedFailure", lambda test, error: self.see(test, "xfailed", error)),
            ("addUnexpectedSuccess", lambda test: self.see(test, "xpassed", None, "unexpected success")),
            ("addSubTest", self.subtest),
        ):
            self._wrap(result, name, heard)
        self.watch = evalkit_report.Watch(unittest.TestCase, unittest.TestSuite, result)
        self._wrap(result, "stopTestRun", None)

    def _wrap(self, owner: Any, name: str, heard: Any) -> None:
        before = getattr(owner, name)
        listener = self

        def method(result: Any, *told: Any) -> Any:
            if listener.result is None or listener.result is result:
                listener.hear(result, name, heard, told)
            return before(result, *told)

        method.__name__, method.__doc__ = name, before.__doc__
        setattr(owner, name, method)

    def hear(self, result: Any, name: str, heard: Any, told: Any) -> None:
        """Note it; at a run's end, what should not have changed."""
        if name == "startTest":
            self.result = result
        if heard is None:
            self._end()
            return
        heard(*told)
        if name == "stopTest":
            self.result = None

    def _end(self) -> None:
        changed = [name for name in self.watch.changed() if not name.endswith("stopTestRun")]
        if changed:
            self.reporter.report({"changed": changed})

    def start(self, test: Any) -> None:
        """It is under way."""
        self.seen = []
        self.reporter.start(test.id())

    def see(self, test: Any, outcome: str, error: Any = None, message: str = "") -> None:
        """Outside of any test it is a class or a module that could not be set up."""
        if self.result is None:
            if outcome != "passed":
                self.reporter.broken(test.id(), error, message)
        else:
            self.seen.append((outcome, error, message))

    def subtest(self, test: Any, subtest: Any, error: Any) -> None:
        """A subtest that fails fails its test."""
        if error is not None:
            kind = "failed" if issubclass(error[0], test.failureException) else "error"
            told = evalkit_report.of(error)
            which = subtest._subDescription()  # noqa: SLF001  the only way to its parameters
            self.seen.append((kind, error, which + " " + told["message"]))

    def stop(self, test: Any) -> None:
        """One record, of all that was seen."""
        worst = min(self.seen, key=lambda one: RANK.index(one[0]), default=None)
        if worst is not None:
            self.reporter.ended(test.id(), *worst, doc=_first_line(test))


def _first_line(test: Any) -> str:
    doc = getattr(test, "_testMethodDoc", None)
    return doc.strip().split("\n")[0].strip() if isinstance(doc, str) and doc.strip() else ""
