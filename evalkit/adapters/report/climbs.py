"""A climb as the page shows it: each text told by what it keeps of the attempt before, long ones cut where said."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import msgspec

from evalkit.adapters.report.attempt_files import AttemptFile, Test
from evalkit.core.line_delta import delta

LONGEST = 40_000  # characters of one text; what is cut is said at its place
HEAD = 30_000  # of them from the text's beginning
TESTS = 20  # failed tests that an attempt names
FINDINGS = 50


class ClimbPage:
    """Turns attempts into what report.js draws, remembering the texts before."""

    def __init__(self) -> None:
        self._answer: tuple[int, str] | None = None
        self._messages: tuple[int, list[tuple[str, str]]] = (0, [])

    def attempts(self, files: Iterable[AttemptFile]) -> list[dict[str, Any]]:
        """All attempts of a climb."""
        return [self._attempt(one) for one in files]

    def _attempt(self, one: AttemptFile) -> dict[str, Any]:
        verdict = one.verdict
        failed = [test for test in verdict.tests if test.outcome != "passed"]
        told = {
            "n": one.attempt,
            "rung": one.rung,
            "on": one.on_rung,
            "model": one.model,
            "ok": one.accepted,
            "skipped": one.skipped,
            "failure": one.failure,
            "detail": one.detail,
            "finish": one.finish_reason if one.finish_reason != "stop" else "",
            "tokens": [one.tokens.prompt, one.tokens.completion],
            "cost": one.cost_usd,
            "requests": one.requests if one.requests > 1 else None,
            "seconds": [round(one.seconds.model, 3), round(one.seconds.verifier, 3)],
            "rules": [verdict.rules_passed, verdict.rules_total, verdict.rules_unjudged],
            "findings": msgspec.to_builtins(one.findings[:FINDINGS]),
            "more_findings": len(one.findings) - FINDINGS if len(one.findings) > FINDINGS else None,
            "tests": _tests(verdict.tests, failed),
            "gradings": msgspec.to_builtins(verdict.gradings),
            "answer": self._told(one),
            "raw": _around(one),
            "prompt": self._prompt(one),
            "files": one.prompt.files,
            "dropped": one.prompt.dropped,
            "skills": one.prompt.skills,
            "edited": one.edited,
        }
        return {name: value for name, value in told.items() if value is not False and value not in (None, "", [], {})}

    def _told(self, one: AttemptFile) -> dict[str, Any] | None:
        """The answer whole, or against the last answer that had any text."""
        if not one.candidate:
            return None
        text = cut(one.candidate, f"attempt_{one.attempt}.json")
        before, self._answer = self._answer, (one.attempt, text)
        return _against(before, text)

    def _prompt(self, one: AttemptFile) -> list[dict[str, Any]]:
        """Each message whole, or against the one at its place in the last attempt's prompt."""
        if one.skipped:
            return []
        file = f"attempt_{one.attempt}.json"
        messages = [(message.role, cut(message.content, file)) for message in one.prompt.messages]
        (since, before), self._messages = self._messages, (one.attempt, messages)
        shown = []
        for place, (role, text) in enumerate(messages):
            same = place < len(before) and before[place][0] == role
            shown.append({"role": role, **_against((since, before[place][1]) if same else None, text)})
        return shown


def cut(text: str, file: str) -> str:
    """The text, or its beginning and end with a line that says what is missing and where it is."""
    if len(text) <= LONGEST:
        return text
    tail = LONGEST - HEAD
    missing = f"[… {len(text) - LONGEST:,} characters are left out here; {file} in the run's folder has them …]"
    return f"{text[:HEAD]}\n{missing}\n{text[-tail:]}"


def _against(before: tuple[int, str] | None, text: str) -> dict[str, Any]:
    return {"text": text} if before is None else {"since": before[0], "delta": delta(before[1], text)}


def _around(one: AttemptFile) -> list[str] | None:
    """What of the completion is not the answer: before it and after it; the whole, where no answer was found in it."""
    completion, file = one.completion, f"attempt_{one.attempt}.txt"
    if not completion.strip() or completion.strip() == one.candidate.strip():
        return None
    before, found, after = completion.partition(one.candidate) if one.candidate else (completion, "", "")
    return [cut(before, file), cut(after, file)] if found else [cut(completion, file)]


def _tests(tests: list[Test], failed: list[Test]) -> dict[str, Any] | None:
    if not tests:
        return None
    named = [{"name": one.name, "outcome": one.outcome, "message": cut(one.message, "")} for one in failed[:TESTS]]
    return {"all": len(tests), "failed": named, "counts": Counter(one.outcome for one in failed)}
