"""Inside the sandbox: forks the candidate's process, then runs the tests in one that the candidate cannot look into.

Started as `python -P -c ISOLATED APART PROXIES SUITE`. The tests and the nonce come through stdin after the fork, so
that the candidate's process never holds them; a process that is not dumpable shows its memory, descriptors and
environment to no other of the same user. Tests are plain functions, or pytest's where the host says so.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from importlib.machinery import ModuleSpec
from types import FunctionType, ModuleType

TYPE_CHECKING = False  # as typing's, whose import is a good part of a short suite's time
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

PR_SET_DUMPABLE = 4
FILE = "test_candidate.py"
LONG = 600


def main() -> None:
    """Fork, read the job, run the tests, report, leave."""
    for name, text in zip(("evalkit_apart", "evalkit_proxies"), sys.argv[1:3], strict=True):
        sys.modules[name] = ModuleType(name)
        exec(compile(text, name, "exec"), vars(sys.modules[name]))  # noqa: S102  ours, not the candidate's
    apart, suite = vars(sys.modules["evalkit_proxies"]), sys.argv[3]
    del sys.argv[1:]
    (asked, asking), (answered, answering) = os.pipe(), os.pipe()
    if os.fork() == 0:
        _be_the_candidate(apart, asked, answering, (asking, answered))
    os.close(asked)
    os.close(answering)
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_DUMPABLE) failed")
    channel = os.dup(1)
    os.dup2(2, 1)
    job: dict[str, Any] = json.load(sys.stdin)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    nonce = job["nonce"]

    def report(record: Mapping[str, Any]) -> None:
        line = f"\n{nonce} {json.dumps(record)}\n".encode()
        while line:
            line = line[os.write(channel, line) :]

    report({"ready": True})
    sys.dont_write_bytecode = True
    peer = apart["tests_side"](answered, asking, values=job["values"])
    finder = Finder(lambda source: apart["candidate_module"](peer, source), job)
    sys.meta_path.insert(0, finder)
    code = _with_pytest(suite, job, report) if job["pytest"] else _plainly(job, report)
    report({"ended": code})
    os._exit(code)


def _be_the_candidate(apart: dict[str, Any], asked: int, answering: int, others: tuple[int, ...]) -> None:
    for handle in others:
        os.close(handle)
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.path.insert(0, os.getcwd())  # noqa: PTH109  pathlib takes longer to import than most candidates
    try:
        apart["candidate_side"](asked, answering)
    finally:
        os._exit(0)


class Finder:
    """What the tests may import of the working folder: the candidate, by proxy, and files as they were at first."""

    def __init__(self, load: Callable[[str], ModuleType], job: Mapping[str, Any]) -> None:
        self._load, self._candidate, self._sources = load, job["candidate"], job["sources"]

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:  # noqa: ARG002
        """As the import system asks."""
        loader: Any = self
        if name in ("candidate", "candidate_source"):
            return ModuleSpec(name, loader, origin="candidate.py")
        place = name.replace(".", "/")
        for file in (f"{place}.py", f"{place}/__init__.py"):
            if file in self._sources:
                return ModuleSpec(name, loader, origin=file, is_package=file.endswith("/__init__.py"))
        return None

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """The candidate is there when this returns, in its own process; from here on it may read the folder."""
        if spec.name == "candidate":
            if os.path.exists(FILE):  # noqa: PTH110  as above
                os.unlink(FILE)  # noqa: PTH108
            return self._load(self._candidate)
        if spec.name == "candidate_source":
            module = ModuleType(spec.name)
            module.__dict__.update(text=self._candidate, load=self._load)
            return module
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Run a file of the working folder."""
        origin = str(module.__spec__.origin) if module.__spec__ else ""
        if origin in self._sources:
            exec(compile(self._sources[origin], origin, "exec"), module.__dict__)  # noqa: S102  the dataset's own


def _plainly(job: Mapping[str, Any], report: Callable[[Mapping[str, Any]], None]) -> int:
    """Each function whose name begins with `test`, in order; says what pytest's reporter would."""
    _remember(FILE, job["tests"])
    space: dict[str, Any] = {"__name__": "test_candidate", "__file__": FILE}
    try:
        exec(compile(job["tests"], FILE, "exec"), space)  # noqa: S102  the dataset's own
    except BaseException as error:  # noqa: BLE001  whoever is at fault
        report({"broken": FILE, "ours": _is_the_candidates(error), **_said(error)})
        return 2
    tests = {name: one for name, one in space.items() if name.startswith("test") and isinstance(one, FunctionType)}
    report({"collected": [f"{FILE}::{name}" for name in tests]})
    failed = 0
    for name, test in tests.items():
        outcome: dict[str, Any] = {"outcome": "passed", "message": "", "line": None}
        report({"test": f"{FILE}::{name}", "when": "setup", **outcome})
        try:
            test()
        except BaseException as error:  # noqa: BLE001  also SystemExit is a failure
            outcome, failed = {"outcome": "failed", **_said(error)}, 1
        report({"test": f"{FILE}::{name}", "when": "call", **outcome})
        report({"test": f"{FILE}::{name}", "when": "teardown", "outcome": "passed", "message": "", "line": None})
    report({"done": True, "exit": failed, "traced": False})
    return failed


def _said(error: BaseException) -> dict[str, Any]:
    text = str(error)
    if not text and isinstance(error, AssertionError):
        text = _line(error)
    return {"message": f"{type(error).__name__}: {text}"[:LONG], "line": error.__dict__.get("candidate_line")}


def _line(error: BaseException) -> str:
    import linecache  # noqa: PLC0415  only for what fails

    trace, line = error.__traceback__, ""
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == FILE:
            line = linecache.getline(FILE, trace.tb_lineno).strip()
        trace = trace.tb_next
    return line


def _remember(file: str, text: str) -> None:
    """So that failures can show lines of a file that is not there (any more)."""
    import linecache  # noqa: PLC0415

    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)


def _is_the_candidates(error: BaseException) -> bool:
    missing = isinstance(error, ImportError) and error.name == "candidate"
    return missing or "candidate_line" in error.__dict__ or type(error).__name__ == "Ended"


def _with_pytest(script: str, job: Mapping[str, Any], report: Callable[[Mapping[str, Any]], None]) -> int:
    """The same reporter as in one process; nothing has to be watched here, since no candidate is near."""
    import pytest  # noqa: PLC0415  plain tests do without

    here = os.getcwd()  # noqa: PTH109
    with open(FILE, "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write(job["tests"])
    _remember(f"{here}/{FILE}", job["tests"])
    suite: dict[str, Any] = {"__name__": "evalkit_suite"}
    exec(compile(script, "evalkit_suite", "exec"), suite)  # noqa: S102  ours
    suite["report"] = lambda record, _: report(record)
    suite["_framework"], suite["_plugins"], suite["_tests"] = dict, lambda _: {}, lambda _: {}
    suite["_candidate_line"] = lambda info: info.value.__dict__.get("candidate_line") if info else None
    suite["_passed_through_candidate"] = lambda info: _is_the_candidates(info.value)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    arguments = ["-q", "--no-header", "--tb=short", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", here]
    return int(pytest.main([*arguments, "--import-mode=importlib", FILE], plugins=[suite["Reporter"]()]))


if __name__ == "__main__":
    main()
