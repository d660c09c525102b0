"""The rule kind upper_case: `share` of the letters at least are capitals."""

from dataclasses import dataclass
from typing import Any, ClassVar

from evalkit.core.rubric import Violation


@dataclass(frozen=True)
class UpperCase:
    """A kind's fields are its keys, and SCHEMA describes them: evalkit/core/rules/__init__.py."""

    share: float = 1.0

    SCHEMA: ClassVar[dict[str, Any]] = {
        "properties": {"share": {"type": "number", "exclusiveMinimum": 0, "maximum": 1}}
    }

    def violations(self, candidate: str) -> list[Violation]:
        """The first line with too few."""
        for number, line in enumerate(candidate.splitlines(), 1):
            letters = [letter for letter in line if letter.isalpha()]
            if letters and sum(map(str.isupper, letters)) < self.share * len(letters):
                return [Violation("too few capitals", number, line)]
        return []
