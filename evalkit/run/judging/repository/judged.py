"""The verdict: every test that is asked for by name must have been seen to pass, and what the others say is told."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from evalkit.core.environment import Environment
from evalkit.core.errors import GraderError
from evalkit.core.failure import Failure
from evalkit.core.ports import Execution
from evalkit.core.test_names import Named, by_name, meant
from evalkit.core.types import Finding, Outcome, TestResult, Verdict
from evalkit.run.judging.channel import Records, Trial, ending, finding, verdict
from evalkit.run.judging.repository.laid import Laid
from evalkit.run.judging.repository.log import Said, last_error
from evalkit.run.judging.repository.work import seconds

OUTCOMES = {
    "passed": Outcome.PASSED,
    "failed": Outcome.FAILED,
    "error": Outcome.ERROR,
    "skipped": Outcome.SKIPPED,
    "xpassed": Outcome.FAILED,
    "xfailed": Outcome.FAILED,
}
NO_RUNNER = "No module named pytest"
WORST = (Outcome.ERROR, Outcome.FAILED, Outcome.SKIPPED, Outcome.PASSED)


@dataclass(frozen=True, slots=True)
class Told:
    """One wanted test: its result, and the record or the error that explains it."""

    result: TestResult
    said: Said


def judge(trial: Trial, environment: Environment, prepared: Laid, done: Execution) -> Verdict:
    """Read the records. Raises GraderError where the tests did not come to run for reasons outside of the candidate."""
    records = Records(trial, done)
    _started(trial, records)
    ended = Ended(trial, environment, records, done)
    told = list(_told(trial, environment, records, ended))
    findings = [*_tampered(records), *_findings(prepared, told)]
    findings += [_put_back(prepared)] if prepared.restored else []
    failure = _failure(told, records, ended)
    return verdict([one.result for one in told], findings, failure, done, whole=records.done)


def seen(trial: Trial, environment: Environment, done: Execution) -> dict[str, Outcome]:
    """The outcome of every test that ran, by its id. Raises as `judge`."""
    records = Records(trial, done)
    _started(trial, records)
    ran: dict[str, Outcome] = {}
    for record in records.every("test"):
        outcome = _outcome(record, environment.report)
        ran[str(record["test"])] = min(outcome, ran.get(str(record["test"]), outcome), key=WORST.index)
    return ran


def _started(trial: Trial, records: Records) -> None:
    """The reporter comes up before any of the repository's code, so that no candidate keeps it from that."""
    if fault := records.first("fault"):
        raise GraderError(f"{trial.instance.id}: {fault['fault']}. Mend the environment.")
    log = str((records.first("log") or {}).get("log", "")).strip()
    if not (records.first("up") or records.first("setup")):
        raise GraderError(
            f"{trial.instance.id}: the reporter did not start in the test command: {log[-300:]!r}. "
            "Mend the environment's test command: it must run a Python that loads sitecustomize."
        )
    if log.endswith(NO_RUNNER) and not records.every("test"):
        raise GraderError(f"{trial.instance.id}: {log[-300:]!r}. Add pytest to the environment's packages.")


class Ended:
    """How the command came to its end, and why tests are missing."""

    def __init__(self, trial: Trial, environment: Environment, records: Records, done: Execution) -> None:
        end = records.first("done") or {}
        log = records.first("setup") or records.first("log") or {}
        self.setup = str(log.get("setup", ""))
        self.is_late = done.stopped == "timeout" or (bool(end) and end["exit"] is None) or log.get("exit", 0) is None
        self.under_way = str(log.get("under_way", ""))
        self.broken = records.every("broken")
        here = str((records.first("ready") or {}).get("here", ""))
        self.said = last_error(str(log.get("log", "")), here)
        self._how = f"did not end within {seconds(trial, environment):g} s" if self.is_late else ""
        self._how = self._how or (ending(done, replace(trial.limits, memory_mb=environment.memory_mb)))
        self._stopped = done.stopped

    def why_missing(self, name: str) -> Said:
        """The error that kept a test from running, by its name; else what the command said last."""
        for record in self.broken:
            if _concerns(str(record["broken"]), name):
                return of(record)
        if self.is_late or self._stopped:
            return Said(f"the tests' command {self._how}" + (f", in {self.under_way}" if self.under_way else ""))
        if self.broken:
            return of(self.broken[0])
        if self.setup:
            return replace(self.said, text=f"`{self.setup}` failed: {self.said.text}")
        return self.said


def _concerns(what: str, name: str) -> bool:
    """Whether what could not be set up is a test's file, class or module: `a/test_b.py`, `setUpClass (b.Class)`."""
    owner = what.partition("(")[2].rstrip(")") or what.partition("::")[0]
    return bool(owner) and owner in name


def of(record: Mapping[str, Any]) -> Said:
    """What the reporter told of an error."""
    text = str(record.get("message", ""))
    if "path" not in record and "\n" in text:  # pytest's own account of a file that it could not import
        return _collected(text)
    return Said(text, str(record.get("path", "")), record.get("line"), str(record.get("code", "")))


def _collected(text: str) -> Said:
    """The lines that pytest marks as the error, and the last place that it names."""
    errors = [line[1:].strip() for line in text.split("\n") if line.startswith("E ")]
    places = [line for line in text.split("\n") if ": in " in line and not line.startswith("E")]
    path, _, rest = places[-1].partition(":") if places else ("", "", "")
    number = rest.partition(":")[0]
    code = text.rsplit(places[-1] + "\n", maxsplit=1)[-1].split("\n", maxsplit=1)[0].strip() if places else ""
    inside = bool(path) and not path.startswith(("/", "..", "<"))
    return Said("\n".join(errors)[-600:], path if inside else "", int(number) if number.isdigit() else None, code)


def _told(trial: Trial, environment: Environment, records: Records, ended: Ended) -> Iterator[Told]:
    """Every test that is asked for, in order: those that should begin to pass first."""
    ran: dict[str, list[Mapping[str, Any]]] = {}
    for record in records.every("test"):
        ran.setdefault(str(record["test"]), []).append(record)
    named = [Named(name, str(found[0].get("doc", ""))) for name, found in ran.items()]
    known = by_name(environment.report, named)
    idle = _idle(ran, environment.report)
    for name in dict.fromkeys((*trial.tests.fail_to_pass, *trial.tests.pass_to_pass)):
        several = meant(name, known)
        found = [record for one in several if one not in idle or idle.issuperset(several) for record in ran[one]]
        yield _one(name, found, environment.report) if found else _missing(name, ended)


def _idle(ran: Mapping[str, Sequence[Mapping[str, Any]]], report: str) -> frozenset[str]:
    """The tests of unittest classes that are skipped as a whole, such as those of a server that is not there.

    Beside them a docstring that names tests of several classes means the others; a test that is skipped alone counts.
    """
    if report != "unittest":
        return frozenset()
    skipped = {one: all(_outcome(record, report) is Outcome.SKIPPED for record in found) for one, found in ran.items()}
    busy = {one.rpartition(".")[0] for one, idle in skipped.items() if not idle}
    return frozenset(one for one in skipped if one.rpartition(".")[0] not in busy)


def _one(name: str, found: Sequence[Mapping[str, Any]], report: str) -> Told:
    """A name that means several tests is as good as the worst of them."""
    worst = min(found, key=lambda record: WORST.index(_outcome(record, report)))
    outcome = _outcome(worst, report)
    said = of(worst)
    message = "" if outcome is Outcome.PASSED else said.text or f"{worst['outcome']}"
    return Told(TestResult(name, outcome, f"{name}: {message}"[:600] if message else ""), said)


def _outcome(record: Mapping[str, Any], report: str) -> Outcome:
    """A test that pytest saw fail as it is marked to has passed, as in SWE-bench's reading of logs."""
    if record["outcome"] == "xfailed" and report == "pytest":
        return Outcome.PASSED
    return OUTCOMES.get(str(record["outcome"]), Outcome.ERROR)


def _missing(name: str, ended: Ended) -> Told:
    said = ended.why_missing(name)
    return Told(TestResult(name, Outcome.MISSING, f"{name} was not seen to run"), said)


def _findings(prepared: Laid, told: Sequence[Told]) -> Iterator[Finding]:
    """One a failing test; tests that are missing for the same reason share one."""
    failing = [one for one in told if one.result.outcome is not Outcome.PASSED]
    groups: dict[object, list[Told]] = {}
    for one in failing:
        is_missing = one.result.outcome is Outcome.MISSING
        groups.setdefault(one.said if is_missing else one.result.name, []).append(one)
    for group in groups.values():
        first = group[0]
        name, said = first.result.name, first.said
        message = first.result.message
        if first.result.outcome is Outcome.MISSING:
            others = f" (and {len(group) - 1} more tests)" if len(group) > 1 else ""
            message = f"{name}{others}: not seen to run" + (f": {said.text}" if said.text else "")
        made = finding(name, message, line=said.line, source=_source(name, said, prepared))
        yield replace(made, excerpt=said.place)


def _source(name: str, said: Said, prepared: Laid) -> str:
    """A test in a file that the instance's own tests do not touch is one that a model may see."""
    modules = [path.removesuffix(".py").replace("/", ".") for path in prepared.tests]
    owner = name.partition("(")[2].rstrip(")")
    if "::" in name:
        return "test" if name.partition("::")[0] in prepared.tests else "visible"
    if not owner:
        return "test"
    hidden = (
        any(module.endswith(f".{one}") for module in modules for one in _above(owner)) or said.path in prepared.tests
    )
    return "test" if hidden else "visible"


def _above(owner: str) -> Iterator[str]:
    """`a.b.C`, `a.b`, `a`."""
    while owner:
        yield owner
        owner = owner.rpartition(".")[0]


def _failure(told: Sequence[Told], records: Records, ended: Ended) -> Failure | None:
    if all(one.result.outcome is Outcome.PASSED for one in told) and not records.every("forged"):
        tampered = records.every("changed")
        return Failure.CANDIDATE_TIMEOUT if ended.is_late else Failure.TEST_FAILURE if tampered else None
    if ended.is_late:
        return Failure.CANDIDATE_TIMEOUT
    if any("MemoryError" in one.said.text for one in told if one.result.outcome is not Outcome.PASSED):
        return Failure.RESOURCE_LIMIT
    nothing_ran = all(one.result.outcome is Outcome.MISSING for one in told)
    return Failure.SYNTAX_ERROR if nothing_ran and told[0].said.is_import else Failure.TEST_FAILURE


def _tampered(records: Records) -> Iterator[Finding]:
    """What is no longer as it was before the repository's import, and whose word was no test's."""
    names = [name for record in records.every("changed") for name in record["changed"]]
    names += [str(record["forged"]) for record in records.every("forged")]
    if names:
        changed = ", ".join(dict.fromkeys(names))
        yield finding("tests", f"The code changes what the tests stand on: {changed}.", source="rule")


def _put_back(prepared: Laid) -> Finding:
    paths = ", ".join(prepared.restored)
    return finding("edits", f"Tests ran with {paths} as the repository has it: it runs the tests.", source="rule")
