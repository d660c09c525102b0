"""Cases: only arguments go into the sandbox, values come out, and the host compares (also rows of SQL)."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from evalkit.core.errors import GraderError
from evalkit.core.failure import Failure
from evalkit.core.ports import Execution, Job
from evalkit.core.types import Case, Finding, Outcome, TestResult, Tests, Verdict
from evalkit.run.harness import script
from evalkit.run.harness.cases import encode
from evalkit.run.judging.channel import Records, Trial, ending, finding, verdict
from evalkit.run.judging.compare import same, same_rows, show, text_of

NO_SQL = ("syntax error", "incomplete input", "unrecognized token")


def cases_job(trial: Trial) -> Job:
    """The candidate and its arguments; they go through stdin, so that no file shows the nonce."""
    cases = [{"args": text_of(case.args), "kwargs": text_of(case.kwargs)} for case in trial.tests.cases]
    stdin = {"nonce": trial.nonce, "source": trial.candidate.text, "call": trial.tests.call, "cases": cases}
    argv = ("python", "-P", "-c", script("cases"))
    return Job(argv, dict(trial.instance.files), text_of(stdin), trial.limits)


def sqlite_job(trial: Trial) -> Job:
    """The query and each case's set-up."""
    stdin = {
        "nonce": trial.nonce,
        "setup": trial.tests.setup,
        "query": trial.candidate.text,
        "cases": [{"setup": case.setup} for case in trial.tests.cases],
        # The harness says itself which case is late; the sandbox's clock stands behind it.
        "seconds": trial.limits.seconds * 0.8,
    }
    return Job(("python", "-I", "-c", script("sqlite")), {}, text_of(stdin), trial.limits)


def judge(trial: Trial, done: Execution) -> Verdict:
    """Compare what came back, case by case; what did not come back is missing, never passed."""
    records = Records(trial, done, partial(_is_sound, kind=trial.tests.kind))
    for record in records.every("fault"):
        raise GraderError(f"{trial.instance.id}: case {record['case'] + 1}: {record['fault']}. Mend the dataset.")
    judged = _Judge(trial, records, ending(done, trial.limits))
    results = [judged.case(number) for number in range(len(trial.tests.cases))]
    if records.forged:
        message = f"The code makes reports of its own ({records.forged})."
        judged.findings.insert(0, finding("tests", message, source="rule"))
    return verdict(results, judged.findings, judged.failure, done, whole=records.done and not records.forged)


def _is_sound(record: Any, kind: str) -> bool:
    """Whether a record has a form that the harness gives it; a Python candidate may have found nonce and channel."""
    match record:
        case {"ready": True} | {"done": True} | {"start": int()} | {"undefined": str()}:
            return True
        case {"import": error}:
            return _is_error(error)
        case {"case": int(), "fault": str()}:
            return kind == "sqlite"
        case {"case": int(), "raises": _}:
            return _is_error(record)
        case {"case": int(), "returns": _} | {"case": int(), "no_rows": True}:
            return True
    return False


def _is_error(record: Any) -> bool:
    match record:
        case {"raises": [str(), *names], "message": str(), "line": int() | None}:
            return all(isinstance(name, str) for name in names)
    return False


class _Judge:
    """Goes through the cases, collecting findings and the class of failure that stands out."""

    def __init__(self, trial: Trial, records: Records, how_it_ended: str) -> None:
        self._tests, self._candidate, self._records = trial.tests, trial.candidate, records
        self._ended = how_it_ended
        self._seen = records.by_case()
        self._started = {record["start"] for record in records.every("start")}
        self._names = list(_unique(_name(self._tests, number) for number in range(len(self._tests.cases))))
        self.findings: list[Finding] = []
        self.failure: Failure | None = None
        self._not_run()

    def case(self, number: int) -> TestResult:
        case, name, record = self._tests.cases[number], self._names[number], self._seen.get(number)
        if record is None:
            return self._missing(number, name)
        if self._passes(case, record):
            return TestResult(name, Outcome.PASSED)
        if "MemoryError" in record.get("raises", ()) or "File too large" in record.get("message", ""):
            self.failure = Failure.RESOURCE_LIMIT
        if self._tests.kind == "sqlite" and "raises" in record and self._broken_sql(record):
            return TestResult(name, Outcome.ERROR, f"{_called(self._tests, number)} {self._did(record)}.")
        message = f"{_called(self._tests, number)} should {_wanted(self._tests, case)} but {self._did(record)}."
        self._hold(name, message, record.get("line"))
        return TestResult(name, Outcome.ERROR if "raises" in record else Outcome.FAILED, message[:600])

    def _passes(self, case: Case, record: Mapping[str, Any]) -> bool:
        if case.raises is not None:
            return case.raises in record.get("raises", ())
        if "returns" not in record:
            return False
        expected = encode(_plain(case.returns))
        if self._tests.kind == "sqlite":
            ordered, tolerance = self._tests.ordered, self._tests.tolerance
            return same_rows(expected, record["returns"], tolerance, ordered=ordered)
        return same(expected, record["returns"], self._tests.tolerance)

    def _missing(self, number: int, name: str) -> TestResult:
        message = ""
        if number in self._started:  # the one that was running when the end came
            message = f"{_called(self._tests, number)} {self._ended}."
            self._hold(name, message)
        elif not self._started and not self.findings:
            message = f"The candidate {self._ended} before any call was made."
            self._hold(name, message)
        return TestResult(name, Outcome.MISSING, message)

    def _not_run(self) -> None:
        """What kept every case from running."""
        if record := self._records.first("import"):
            self.failure = Failure.RESOURCE_LIMIT if "MemoryError" in record["import"]["raises"] else None
            self.failure = self.failure or Failure.SYNTAX_ERROR
            message, line = f"Importing the code {self._did(record['import'])}.", record["import"]["line"]
            self.findings.append(finding("import", message, line=line, source="rule"))  # no test has run
        if record := self._records.first("undefined"):
            message = f"The code does not define `{record['undefined']}`."
            self.findings.append(finding("undefined", message, source="rule"))

    def _broken_sql(self, record: Mapping[str, Any]) -> bool:
        """Whether the query is no SQL at all, which is said once and is no test's outcome."""
        if record.get("late"):
            self.failure = Failure.CANDIDATE_TIMEOUT
        if not any(word in record["message"] for word in NO_SQL):
            return False
        if self.failure is not Failure.SYNTAX_ERROR:
            message = f"The query is not valid SQL: {record['message']}."
            self.findings.append(finding("syntax", message, source="rule"))
        self.failure = Failure.SYNTAX_ERROR
        return True

    def _did(self, record: Mapping[str, Any]) -> str:
        if "returns" in record:
            return f"returned {show(record['returns'])}"
        if record.get("no_rows"):
            return "has no statement that returns rows"
        if record.get("late"):
            return "took too long"
        message = f": {record['message']}" if record["message"] else ""
        return f"raised {record['raises'][0]}{message}{self._at(record['line'])}"

    def _at(self, line: int | None) -> str:
        lines = self._candidate.text.splitlines()
        if line is None or not 0 < line <= len(lines):
            return ""
        return f" (line {line}: `{lines[line - 1].strip()[:120]}`)"

    def _hold(self, rule: str, message: str, line: int | None = None) -> None:
        self.findings.append(finding(rule, message, line=line))


def _wanted(tests: Tests, case: Case) -> str:
    if case.raises is not None:
        return f"raise {case.raises}"
    order = " in any order" if tests.kind == "sqlite" and not tests.ordered else ""
    return f"return {show(encode(_plain(case.returns)))}{order}"


def _called(tests: Tests, number: int) -> str:
    case = tests.cases[number]
    if tests.kind == "sqlite":
        return f"The query (case {case.name!r})" if case.name else "The query"
    return f"`{_call(tests, case)}`"


def _call(tests: Tests, case: Case) -> str:
    words = [show(_plain(value)) for value in case.args]
    words += [f"{key}={show(_plain(value))}" for key, value in case.kwargs.items()]
    text = f"{tests.call}({', '.join(words)})"
    return text if len(text) <= 200 else f"{text[:199]}…"  # noqa: PLR2004


def _name(tests: Tests, number: int) -> str:
    case = tests.cases[number]
    return case.name or (f"case {number + 1}" if tests.kind == "sqlite" else _call(tests, case))


def _unique(names: Iterator[str]) -> Iterator[str]:
    seen: dict[str, int] = {}
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        yield name if seen[name] == 1 else f"{name} #{seen[name]}"


def _plain(value: Any) -> Any:
    """Datasets freeze what they read: mappings that are no dict come back as dicts."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
