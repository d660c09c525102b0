"""Inside the sandbox, in the tests' process: the way to the host, and what is told of an error.

Loaded before anything of the repository; plain Python from 3.6 on.
"""

import fcntl
import json
import linecache
import os
import sys
import traceback
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from types import TracebackType
from typing import Any, Iterator, Optional, Tuple, Type  # noqa: UP035  Python 3.6

LONG = 1500
MANY = 50  # failures that are told at length
HERE = os.getcwd() + os.sep  # noqa: PTH109  strings all along: tests may change pathlib

Error = Tuple[Optional[Type[BaseException]], Optional[BaseException], Optional[TracebackType]]  # noqa: UP006, UP045


class Reporter:
    """Records of what was seen. The key is in a closure, so that no other code finds it by name."""

    def __init__(self, fd: int, key: str) -> None:
        write, dumps, pid, failures = os.write, json.dumps, os.getpid(), []  # type: Any, Any, int, list[str]

        def report(record: "dict[str, Any]") -> None:
            if os.getpid() != pid:  # a copy of this process, made by a test
                return
            if record.get("message"):
                failures.append("")
                record["message"] = record["message"][: LONG if len(failures) <= MANY else 200]
            data = (key + dumps(record) + "\n").encode()
            while data:
                data = data[write(fd, data) :]

        self.report = report
        self.folder = ""

    def start(self, test: str) -> None:
        """It is under way."""
        self.report({"start": test})

    def ended(self, test: str, outcome: str, error: "Error | None" = None, message: str = "", doc: str = "") -> None:
        """How it ended; `error` is what was raised."""
        record = {"test": test, "outcome": outcome}  # type: dict[str, Any]
        if doc:
            record["doc"] = doc
        if outcome != "passed":
            record.update(of(error) if error else {}, **({"message": message} if message else {}))
        self.report(record)

    def broken(self, what: str, error: "Error | None" = None, message: str = "") -> None:
        """What kept tests from running at all: an import, a class's set-up."""
        self.report({"broken": what, **(of(error) if error else {}), **({"message": message} if message else {})})


def of(error: "Error") -> "dict[str, Any]":
    """Its text, and the deepest frame that is in the tree."""
    kind, value, trace = error
    try:
        text = "".join(traceback.format_exception_only(kind, value)).strip()
    except BaseException:  # noqa: BLE001  an exception of the candidate's own making
        text = str(getattr(kind, "__name__", kind))
    told = {"message": text, "type": str(getattr(kind, "__name__", ""))}  # type: dict[str, Any]
    for path, line in frames(trace):
        told.update(path=path, line=line)
    if isinstance(value, SyntaxError) and inside(str(value.filename)):
        told.update(path=str(value.filename)[len(HERE) :], line=value.lineno)
    if "path" in told:
        told["code"] = linecache.getline(HERE + told["path"], told["line"] or 0).strip()[:200]
    return told


def frames(trace: "TracebackType | None") -> "Iterator[tuple[str, int]]":
    """Those in the tree, outermost first."""
    while trace is not None:
        path = trace.tb_frame.f_code.co_filename
        path = path if os.path.isabs(path) else HERE + path  # noqa: PTH117
        if inside(path):
            yield path[len(HERE) :], trace.tb_lineno
        trace = trace.tb_next


def inside(path: str) -> bool:
    """Whether it is the repository's own file."""
    return path.startswith(HERE) and "site-packages" not in path


here = {}  # type: dict[str, Reporter]


class Watch:
    """What outcomes stand on, by name, and which of it is no longer what it was."""

    def __init__(self, *owners: Any) -> None:
        self.owners = owners
        self.before = dict(self._now())

    def _now(self) -> "Iterator[tuple[tuple[str, str], Any]]":
        for owner in self.owners:
            for name, value in list(vars(owner).items()):
                if callable(value) or isinstance(value, (classmethod, staticmethod, property)):
                    yield (owner.__name__, name), (value, getattr(value, "__code__", None))

    def changed(self) -> "list[str]":
        """Their names."""
        now = dict(self._now())
        names = [name for name, (value, code) in self.before.items() if not _is_same(now.get(name), value, code)]
        return [".".join(name) for name in names[:5]]


def _is_same(now: Any, value: Any, code: Any) -> bool:
    return now is not None and now[0] is value and now[1] is code


def begin() -> None:
    """In a test command's first process, once: no other process, and nothing that it starts, hears of us."""
    told = json.loads(os.environ.pop("EVALKIT_REPORT", "null"))
    if told is None:
        return
    os.environ["PYTHONPATH"] = told["path"]
    if not told["path"]:
        del os.environ["PYTHONPATH"]
    fd = fcntl.fcntl(told["fd"], fcntl.F_DUPFD_CLOEXEC, 60)  # where tests that close and open files do not come by
    os.close(told["fd"])
    reporter = Reporter(fd, told["key"])
    reporter.report({"up": sys.version.split()[0]})
    reporter.folder = told["folder"]
    here["reporter"] = reporter
    if told["report"] != "pytest":  # that one loads it as a plugin, by itself
        import evalkit_reporter  # type: ignore[import-not-found]  # noqa: PLC0415  the one of this environment

        evalkit_reporter.begin(taken())


def go_on() -> None:
    """Load the sitecustomize that ours hides, if the environment has one."""
    folder = os.path.dirname(__file__)  # noqa: PTH120  strings all along
    spec = PathFinder.find_spec("sitecustomize", [entry for entry in sys.path if entry != folder])
    if spec is not None and spec.loader is not None:
        module = sys.modules["sitecustomize"] = module_from_spec(spec)
        spec.loader.exec_module(module)


def taken() -> Reporter:
    """The reporter, once; our folder is on nobody's path from then on."""
    reporter = here.pop("reporter")
    if reporter.folder in sys.path:
        sys.path.remove(reporter.folder)
    return reporter
