"""Rust: the candidate is compiled as a crate of its own and run by a suite whose reports it cannot write."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from evalkit.core.errors import GraderError
from evalkit.core.failure import Failure
from evalkit.core.ports import Execution, Job, Limits
from evalkit.core.types import Finding, Outcome, TestResult, Verdict
from evalkit.run.harness import script, text
from evalkit.run.judging.channel import Records, Trial, ending, finding, verdict
from evalkit.run.judging.compare import text_of

# What compiling takes, whatever a candidate may use: rustc maps far more memory than it touches.
MEMORY_MB, PROCESSES, FILE_MB, SCRATCH_MB = 3072, 64, 128, 512
KEEP_SECONDS, KEPT_KB = 300.0, 32 * 1024
TEST_SECONDS = 10.0  # of real time for one test; on a paused clock they take milliseconds
MEND = (
    "Rust tests need Debian's rustc and tokio: apt-get install rustc librust-tokio-dev, or an image that has them: "
    "evalkit images build rust, then sandbox=docker."
)


def keep_job(trial: Trial) -> Job:
    """Compiles what no candidate changes (tokio, the harness, the suite) and prints it; once a suite and image."""
    files = {"evalkit.rs": text("rust/evalkit.rs"), "suite.rs": trial.tests.code}
    limits = replace(_roomy(trial.limits), seconds=KEEP_SECONDS, output_kb=KEPT_KB)
    return _job(trial, files, {"do": "keep"}, limits)


def rust_job(trial: Trial) -> Job:
    """Compiles the candidate and its tests, and runs them."""
    files = {
        **trial.instance.files,
        "kept.b64": trial.kept,
        "main.rs": text("rust/main.rs"),
        "bridge.rs": trial.tests.bridge,
        "candidate.rs": trial.candidate.text,
    }
    return _job(trial, files, {"do": "judge", "seconds": TEST_SECONDS}, _roomy(trial.limits))


def judge(trial: Trial, done: Execution) -> Verdict:
    """Read the reports; nothing that was not seen to pass has passed."""
    records = Records(trial, done)
    for record in records.every("fault"):
        raise GraderError(f"{trial.instance.id}: {record['fault']}. {MEND}")
    if stopped := _not_compiled(trial, records):
        return verdict([], list(stopped), Failure.SYNTAX_ERROR, done, whole=False)
    findings: list[Finding] = []
    results = list(_results(trial, records, findings, ending(done, trial.limits)))
    late = any(record["late"] for record in records.every("test"))
    failure = Failure.CANDIDATE_TIMEOUT if late else _crash(records)
    if not results and not findings:
        how = "did not come to its tests" if done.stopped else ending(done, trial.limits)
        findings.append(finding("tests", f"The code {how}."))
    return verdict(results, findings, failure, done, whole=_whole(records))


def _roomy(limits: Limits) -> Limits:
    return replace(
        limits,
        memory_mb=max(limits.memory_mb, MEMORY_MB),
        processes=max(limits.processes, PROCESSES),
        file_mb=max(limits.file_mb, FILE_MB),
        scratch_mb=max(limits.scratch_mb, SCRATCH_MB),
    )


def _job(trial: Trial, files: Mapping[str, str], words: Mapping[str, object], limits: Limits) -> Job:
    """The nonce goes through stdin, so that no file shows it."""
    stdin = text_of({"nonce": trial.nonce, **words})
    return Job(("python", "-I", "-c", script("rust")), files, stdin, limits)


def _not_compiled(trial: Trial, records: Records) -> Iterator[Finding] | None:
    """What the compiler holds against the candidate."""
    if record := records.first("refused"):
        message = f"The code uses `{record['refused']}`, which is refused."
        return iter([finding("compile", message, line=record["line"], source="rule")])
    record = records.first("compile")
    return None if record is None else _told(trial, record)


def _told(trial: Trial, record: Mapping[str, Any]) -> Iterator[Finding]:
    whose = "The code does not compile" if record["compile"] == "candidate" else "The tests cannot call the code"
    lines = trial.candidate.text.splitlines()
    for error in record["errors"]:
        line = error["line"]
        near = f" (line {line}: `{lines[line - 1].strip()[:120]}`)" if line and line <= len(lines) else ""
        yield finding("compile", f"{whose}: {error['text']}{near}", line=line, source="rule")
    if not record["errors"]:
        how = f"it ended the compiler (exit code {record['code']}): {record['said'][-200:]}"
        yield finding("compile", f"{whose}: {how}", source="rule")


def _whole(records: Records) -> bool:
    """One list of tests, each test once and in order, one end, and an exit that the driver confirms."""
    names = [name for record in records.every("tests") for name in record["tests"]]
    return (
        len(records.every("tests")) == len(records.every("done")) == len(records.every("ended")) == 1
        and [record["test"] for record in records.every("test")] == names
        and records.last(1)[0].get("ended") == 0
    )


def _crash(records: Records) -> Failure | None:
    ended = records.first("ended")
    return None if ended is None or ended["ended"] == 0 else Failure.TEST_FAILURE


def _results(trial: Trial, records: Records, findings: list[Finding], ended: str) -> Iterator[TestResult]:
    """Each test by name; the first that did not report was under way when the end came."""
    seen = {record["test"]: record for record in reversed(records.every("test"))}
    planned = [name for record in records.every("tests")[:1] for name in record["tests"]]
    under_way = not records.done
    for name in trial.tests.names or planned:
        record = seen.get(name)
        outcome, message = _outcome(record)
        if record is None and under_way:
            code = (records.first("ended") or {}).get("ended")
            message, under_way = f"the code {ended if code is None else _left(code)}", False
        if outcome is not Outcome.PASSED and message:
            findings.append(finding(name, f"{name}: {message}"))
        yield TestResult(name, outcome, message)


def _left(code: int) -> str:
    if code < 0:
        return f"crashed the process (signal {-code})"
    return f"ended the process (exit code {code}) instead of returning"


def _outcome(record: Mapping[str, Any] | None) -> tuple[Outcome, str]:
    if record is None:
        return Outcome.MISSING, ""
    return (Outcome.PASSED if record["outcome"] == "passed" else Outcome.FAILED), record["message"]
