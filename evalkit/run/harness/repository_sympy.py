"""Inside the sandbox: reports each test of sympy's own runner, bin/test. Plain Python from 3.6 on."""

import importlib.machinery
import sys
from typing import Any

import evalkit_report  # type: ignore[import-not-found]  # it lies beside this file, in the sandbox

RUNNERS = ("sympy.utilities.runtests", "sympy.testing.runtests")  # until 1.5, since 1.6


def begin(reporter: Any) -> None:
    """Wait for the runner's import."""
    sys.meta_path.insert(0, Finder(reporter))


class Finder:
    """Finds the runner as everybody else would, and wraps its reporter once it is there."""

    def __init__(self, reporter: Any) -> None:
        self.reporter = reporter

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Only the runner's."""
        if name not in RUNNERS:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = Loader(spec.loader, self.reporter)  # type: ignore[assignment]
        return spec


class Loader:
    """Another's loader, with a word after it."""

    def __init__(self, loader: Any, reporter: Any) -> None:
        self.loader = loader
        self.reporter = reporter

    def create_module(self, spec: Any) -> Any:
        """As always."""
        return self.loader.create_module(spec)

    def exec_module(self, module: Any) -> None:
        """As always, and then listen."""
        self.loader.exec_module(module)
        if "PyTestReporter" in vars(module):
            Listener(self.reporter).listen(module.PyTestReporter)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)


class Listener:
    """Names the test that is under way by file and function."""

    def __init__(self, reporter: Any) -> None:
        self.reporter = reporter
        self.path = self.test = ""

    def listen(self, owner: Any) -> None:
        """To all that it is told."""
        for name, heard in (
            ("entering_filename", self.enter),
            ("entering_test", self.start),
            ("test_pass", lambda *told: self.end("passed")),  # noqa: ARG005  a character to print
            ("test_fail", lambda error: self.end("failed", error)),
            ("test_exception", lambda error: self.end("error", error)),
            ("test_skip", lambda reason=None: self.end("skipped", None, str(reason))),
            ("test_xfail", lambda: self.end("xfailed", None, "failed, as was expected")),
            ("test_xpass", lambda reason=None: self.end("xpassed", None, str(reason))),
            ("import_error", lambda path, error: self.reporter.broken(_inside(path), error)),
        ):
            self._wrap(owner, name, heard)

    def _wrap(self, owner: Any, name: str, heard: Any) -> None:
        before = getattr(owner, name)

        def method(runner: Any, *told: Any, **named: Any) -> Any:
            heard(*told, *named.values())
            return before(runner, *told, **named)

        setattr(owner, name, method)

    def enter(self, path: str, count: int) -> None:  # noqa: ARG002  the runner tells it
        """A file."""
        self.path = _inside(path)

    def start(self, function: Any) -> None:
        """A test of it."""
        self.test = "{}:{}".format(self.path, function.__name__)  # noqa: UP032
        self.reporter.start(self.test)

    def end(self, outcome: str, error: Any = None, message: str = "") -> None:
        """How it ended."""
        self.reporter.ended(self.test, outcome, error, message)


def _inside(path: str) -> str:
    at = len(evalkit_report.HERE) if evalkit_report.inside(path) else 0
    return path[at:]
