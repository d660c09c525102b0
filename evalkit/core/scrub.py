"""What prompts and answers must not carry into logs: patterns, each replaced by a mark; pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from evalkit.core.summary import InstanceRow, Summary
from evalkit.core.triage import Triage, TriageRow

# By the name that `tracker.scrub` takes. They are wide rather than narrow: a lost number costs less than a leaked one.
KNOWN: Mapping[str, str] = {
    "api_keys": (
        r"\b(?:sk|pk|rk)[-_][A-Za-z0-9_-]{8,}|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bAIza[\w-]{30,}"
        r"|\b(?:ghp|gho|ghu|ghs|ghr|glpat|github_pat|hf|xox[abprs])[-_]\w[\w-]{9,}"
        r"|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*|(?i:(?<=bearer )[\w.~+/=-]{8,})"
    ),
    "private_keys": r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    # Looking back keeps it from trying each letter of a long word as a beginning, which takes the square of its length.
    "emails": r"(?<![\w.+-])[\w.+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+",
    "phone_numbers": (
        r"(?<![\w.])(?:\+|00)\d{1,3}(?:[ ().-]{0,2}\d){6,12}(?!\w)|(?<![\w.])\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}(?!\w)"
    ),
    "ip_addresses": (
        r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?!\w)|(?<![\w:])(?:[0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}(?![\w:])"
    ),
    "card_numbers": r"(?<![\w.])(?:\d[ -]?){12,18}\d(?!\w)",
    "url_passwords": r"(?<=://)[^/\s:@]*:[^/\s@]+(?=@)",
}
# The keys of an attempt's file beneath which free text stands; ids, names, paths and digests stay as they are.
TEXTS = frozenset({"candidate", "content", "detail", "error", "excerpt", "final_error", "message"})


class Scrub:
    """Replaces what the patterns find. Raises ValueError where one can never work.

    A pattern is a name of KNOWN or a regular expression. With none, everything stays as it is.
    """

    def __init__(self, patterns: Sequence[str] = ()) -> None:
        self._rules = [_rule(number, pattern) for number, pattern in enumerate(patterns)]

    def __bool__(self) -> bool:
        return bool(self._rules)

    def text(self, text: str) -> str:
        """`text` with a mark wherever a pattern fits, in the patterns' order."""
        for pattern, mark in self._rules:
            text = pattern.sub(mark, text)  # no mark holds a backslash, which would mean a group
        return text

    def within(self, data: Any) -> Any:
        """The same for plain data: strings under a key of TEXTS, however deep."""
        if isinstance(data, Mapping):
            return {key: self._value(key, value) for key, value in data.items()}
        return [self.within(one) for one in data] if isinstance(data, list | tuple) else data

    def row(self, row: InstanceRow) -> InstanceRow:
        """A climb's row with its error scrubbed."""
        return replace(row, final_error=self.text(row.final_error)) if self and row.final_error else row

    def summary(self, summary: Summary) -> Summary:
        """A summary as it may be written: errors and examples quote what models and providers said."""
        if not self:
            return summary
        return replace(
            summary,
            why=self.text(summary.why),
            skipped_rungs={rung: self.text(why) for rung, why in summary.skipped_rungs.items()},
            instances=tuple(map(self.row, summary.instances)),
            triage=summary.triage and self._triage(summary.triage),
        )

    def _value(self, key: str, value: Any) -> Any:
        return self.text(value) if key in TEXTS and isinstance(value, str) else self.within(value)

    def _triage(self, triage: Triage) -> Triage:
        return replace(triage, rows=tuple(map(self._cause, triage.rows)))

    def _cause(self, row: TriageRow) -> TriageRow:
        return replace(row, example=row.example and replace(row.example, finding=self.text(row.example.finding)))


def _rule(number: int, pattern: str) -> tuple[re.Pattern[str], str]:
    """A compiled pattern and the mark that stands for what it finds."""
    if pattern in KNOWN:
        return re.compile(KNOWN[pattern]), f"[scrubbed: {pattern}]"
    if re.fullmatch(r"[a-z_]+", pattern) and (near := get_close_matches(pattern, KNOWN, 1)):
        raise ValueError(
            f"scrub[{number}] is {pattern!r}; did you mean {near[0]!r}? A regular expression for the very word: "
            f"'({pattern})'"
        )
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        names = ", ".join(KNOWN)
        raise ValueError(
            f"scrub[{number}] is {pattern!r}: {error}; it must be a regular expression or one of {names}"
        ) from error
    if compiled.search(""):
        raise ValueError(f"scrub[{number}] is {pattern!r}, which fits everywhere: it must not match an empty text")
    return compiled, "[scrubbed]"
