"""Earlier attempts as a whole: what each tried, and whether they have come to a standstill."""

import re
from collections.abc import Sequence

from evalkit.core.edits import Tree
from evalkit.core.failure import Failure
from evalkit.core.feedback.settings import Feedback
from evalkit.core.types import Attempt, Finding, Outcome

Key = tuple[str, str, str]
MOST_FILES = 3  # that a line names
# What differs between two runs of the same code: addresses, the seconds it took.
_BY_CHANCE = re.compile(r"0x[0-9a-fA-F]+|\b\d+\.\d+ ?s(?:econds)?\b")
_LINE = re.compile(r"(?<=:)\d+(?=:)")  # moves with every edit above it


def may_tell(settings: Feedback, finding: Finding) -> bool:
    """Whether the model may hear of it."""
    if finding.source == "test":
        return settings.tests == "hidden"
    return finding.source != "visible" or settings.tests != "none"


def key(finding: Finding) -> Key:
    """The same for the same fault in two attempts, whatever the address or the line it now stands in."""
    return finding.rule, _BY_CHANCE.sub("#", finding.message), _LINE.sub("#", _BY_CHANCE.sub("#", finding.excerpt))


def since_fresh_start(settings: Feedback, asked: Sequence[Attempt]) -> Sequence[Attempt]:
    """The attempts since the climb last began again from the problem; none, if the next one is to begin again.

    It is, where as many attempts as `stuck_after` in a row, all of one rung, have failed with the same class and the
    same findings. Only what the model may hear of counts.
    """
    start, alike = 0, 0
    for at, attempt in enumerate(asked):
        goes_on = at > start and _mark(settings, attempt) == _mark(settings, asked[at - 1])
        alike = alike + 1 if goes_on else 1
        if settings.stuck_after and alike >= settings.stuck_after:
            start = at + 1
    return asked[start:]


def tried(settings: Feedback, asked: Sequence[Attempt]) -> tuple[str, ...]:
    """A line for each of the newest attempts, in their order."""
    newest = asked[-settings.tried :] if settings.tried else ()
    return tuple(_line(settings, attempt) for attempt in newest)


def _mark(settings: Feedback, attempt: Attempt) -> tuple[str, Failure | None, frozenset[Key]]:
    told = frozenset(key(finding) for finding in attempt.verdict.findings if may_tell(settings, finding))
    return attempt.rung, attempt.verdict.failure, told


def _line(settings: Feedback, attempt: Attempt) -> str:
    ending = str(attempt.verdict.failure or "rejected").replace("_", " ")
    tests = attempt.verdict.tests
    if settings.tests == "hidden" and attempt.verdict.failure is Failure.TEST_FAILURE and tests:
        broken = sum(test.outcome is not Outcome.PASSED for test in tests)
        ending = f"{broken} of {len(tests)} tests failed"
    paths = sorted(attempt.candidate.files.changed) if isinstance(attempt.candidate.files, Tree) else []
    return f"Attempt {attempt.number}{f' edited {_some(paths)}' if paths else ''}: {ending}."


def _some(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - MOST_FILES} more" if len(paths) > MOST_FILES else ""
    return ", ".join(paths[:MOST_FILES]) + more
