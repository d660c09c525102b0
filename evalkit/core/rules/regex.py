"""`regex` and `not_regex`: a pattern (Python's `re`) that has to, or must not, be found in the candidate.

Patterns are the user's own and run without a time limit: nested repeats such as `(a+)+$` can take for ever on
an answer that almost matches. Candidates are capped (core/judge.py), which bounds the harm of other patterns.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any, ClassVar

from evalkit.core.rubric import Violation
from evalkit.core.rules.keys import KeyFault, refuse
from evalkit.core.rules.where import MANY, excerpt, line_at, short

FLAGS = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL, "x": re.VERBOSE}


@dataclass(frozen=True)
class Pattern:
    """A pattern and its flags: i (any case), m (^ and $ at each line), s (dot takes newlines), x (blanks)."""

    pattern: str
    flags: str | Sequence[str] = ""

    SCHEMA: ClassVar[dict[str, Any]] = {
        "required": ["pattern"],
        "properties": {
            "pattern": {"type": "string", "minLength": 1},
            "flags": {
                "description": "it must be letters of i, m, s and x",
                "type": ["string", "array"],
                "pattern": "^[imsx]*$",
                "items": {"enum": list(FLAGS)},
            },
        },
    }

    def __post_init__(self) -> None:
        """Refuse a pattern that does not compile. Raises KeyFaults."""
        refuse(self._faults())

    @cached_property
    def compiled(self) -> re.Pattern[str]:
        """The pattern, compiled once a rule."""
        flags = re.RegexFlag(0)
        for letter in self.flags:
            flags |= FLAGS[letter]
        return re.compile(self.pattern, flags)

    def _faults(self) -> Iterator[KeyFault]:
        unknown = [letter for letter in self.flags if letter not in FLAGS]
        if unknown:
            yield KeyFault(("flags",), f"{unknown[0]!r} is no flag; one of {', '.join(FLAGS)}")
            return
        try:
            _ = self.compiled
        except (re.error, OverflowError, RecursionError) as error:
            yield KeyFault(("pattern",), f"{short(self.pattern)!r} is no regular expression: {error}")


class Regex(Pattern):
    """The pattern must be found somewhere."""

    def violations(self, candidate: str) -> list[Violation]:
        """One, without a place, if nothing matches."""
        return [] if self.compiled.search(candidate) else [Violation()]


class NotRegex(Pattern):
    """The pattern must be found nowhere."""

    def violations(self, candidate: str) -> list[Violation]:
        """Each match, where it begins."""
        return [_found(candidate, match) for match in islice(self.compiled.finditer(candidate), MANY)]


def _found(candidate: str, match: re.Match[str]) -> Violation:
    # `^` with leading blanks in the pattern starts a match on the lines before the text that people mean.
    text = match.group()
    begin = match.start() + len(text) - len(text.lstrip())
    line = line_at(candidate, begin if text.strip() else match.start())
    return Violation(f"found {short(text.strip())!r}", line, excerpt(candidate, line))
