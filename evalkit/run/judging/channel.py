"""What comes back from inside the sandbox: lines that carry a nonce which the candidate was not told."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from evalkit.core.errors import GraderError
from evalkit.core.failure import Failure
from evalkit.core.ports import Execution, Limits
from evalkit.core.types import Candidate, Finding, Instance, Outcome, TestResult, Tests, Verdict

MOST_FINDINGS = 5
LONGEST = 600
STOPPED = {
    "timeout": Failure.CANDIDATE_TIMEOUT,
    "memory": Failure.RESOURCE_LIMIT,
    "output": Failure.RESOURCE_LIMIT,
}


@dataclass(frozen=True, slots=True)
class Trial:
    """One candidate before its instance's tests; the harness marks its reports with the nonce.

    `kept` is what the kind's tests stand on (judging/kept.py).
    """

    instance: Instance
    tests: Tests
    candidate: Candidate
    nonce: str
    limits: Limits
    kept: str = ""


class Records:
    """The reports of one execution. Raises GraderError if the harness never came to its start.

    `sound` tells a record as the harness writes it; `forged` counts the others, which somebody else has written.
    """

    def __init__(self, trial: Trial, done: Execution, sound: Callable[[Any], bool] = bool) -> None:
        said = list(_parse(done.stdout, trial.nonce))
        self._all = [record for record in said if sound(record)]
        self.forged = len(said) - len(self._all)
        if not self.every("ready"):
            why = f"stopped by its {done.stopped} limit" if done.stopped else f"exit code {done.exit_code}"
            raise GraderError(
                f"{trial.instance.id}: the test harness did not start in the sandbox ({why}): "
                f"{done.stderr.strip()[-300:]!r}. Raise verifier.timeout_s or memory_mb if the machine is loaded."
            )

    def every(self, key: str) -> list[Mapping[str, Any]]:
        """All records that have this key, in order."""
        return [record for record in self._all if key in record]

    def first(self, key: str) -> Mapping[str, Any] | None:
        """The first record that has this key."""
        return next(iter(self.every(key)), None)

    def last(self, number: int) -> list[Mapping[str, Any]]:
        """The last records, in order."""
        return self._all[-number:]

    def by_case(self) -> dict[int, Mapping[str, Any]]:
        """What was reported of each case, by its number; the first report counts."""
        return {record["case"]: record for record in reversed(self.every("case"))}

    @property
    def done(self) -> bool:
        """Whether the harness came to its end."""
        return bool(self.every("done"))


def _parse(stdout: str, nonce: str) -> Iterator[Mapping[str, Any]]:
    for line in stdout.splitlines():
        if line.startswith(f"{nonce} "):
            try:
                record = json.loads(line[len(nonce) + 1 :])
            except (
                ValueError,
                RecursionError,
            ):  # cut by the cap on output; written by a candidate that found the nonce
                continue
            if isinstance(record, dict):
                yield record


def verdict(
    tests: list[TestResult], findings: list[Finding], failure: Failure | None, done: Execution, *, whole: bool
) -> Verdict:
    """Accept only on proof: a whole report, no limit hit, at least one test, and every one passed (invariant 3)."""
    passed = sum(test.outcome is Outcome.PASSED for test in tests)
    accepted = whole and not done.stopped and failure is None and 0 < passed == len(tests)
    return Verdict(
        accepted=accepted,
        failure=None if accepted else STOPPED.get(done.stopped) or failure or Failure.TEST_FAILURE,
        findings=() if accepted else tuple(findings[:MOST_FINDINGS]),
        score=passed / len(tests) if tests else 0.0,
        rules_passed=passed,
        rules_total=len(tests),
        tests=tuple(replace(test, message=_writable(test.message)) for test in tests),
        seconds=done.seconds,
    )


def readable(trial: Trial, judge: Callable[[], Verdict]) -> Verdict:
    """What `judge` makes of the reports. Raises GraderError where they have a form that no harness gives them.

    A candidate that found nonce and channel can write such ones; they must not end the run, nor count as a verdict.
    """
    try:
        return judge()
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise GraderError(
            f"{trial.instance.id}: the tests' reports cannot be read ({type(error).__name__}: {str(error)[:100]}): the "
            "candidate forges them, or evalkit's harness has a bug. Look at the answer."
        ) from error


def failed(failure: Failure, *found: Finding) -> Verdict:
    """A verdict that needed no run."""
    return Verdict(accepted=False, failure=failure, findings=found[:MOST_FINDINGS], rules_total=1)


def finding(rule: str, message: str, *, line: int | None = None, source: str = "test") -> Finding:
    """A finding whose message is cut to a sensible length; most are a test's outcome."""
    text = message if len(message) <= LONGEST else f"{message[: LONGEST - 1]}…"
    return Finding(rule, _writable(text), line=line, source=source)


def _writable(text: str) -> str:
    """Without halves of surrogate pairs, which a candidate may well raise and no file takes."""
    return text.encode("utf-8", "replace").decode()


def ending(done: Execution, limits: Limits) -> str:
    """How an execution came to an end that nobody reported, as the rest of a sentence."""
    match done.stopped:
        case "timeout":
            return f"did not end within {limits.seconds:g} s"
        case "memory":
            return f"used more than the {limits.memory_mb} MB of memory allowed"
        case "output":
            return f"wrote more than the {limits.output_kb} KB of output allowed"
    if done.exit_code > 128:  # noqa: PLR2004  a shell's way to say signal
        return f"crashed the process (signal {done.exit_code - 128})"
    return f"ended the process (exit code {done.exit_code}) instead of returning"
