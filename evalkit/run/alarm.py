"""When a run stops itself: the same error, fingerprint for fingerprint, on climb after climb."""

import re

from evalkit.core.failure import Failure
from evalkit.core.types import Solution, Status
from evalkit.run.climbed import REASONS


class Alarm:
    """Rings when outages of one fingerprint follow each other without anything between (invariant 10)."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._last: tuple[Failure | None, str] | None = None
        self._times = 0
        self.error = ""

    @property
    def rang(self) -> bool:
        """Whether it did, once and for all."""
        return bool(self._limit) and self._times >= self._limit

    def hear(self, solution: Solution) -> None:
        """Note a climb's end; what a budget or a quota ends is no error."""
        if self.rang:
            return
        if solution.failure in REASONS:
            return
        if solution.status is not Status.UNFINISHED:
            self._last, self._times = None, 0
            return
        mark = (solution.failure, fingerprint(solution.error))
        self._times = self._times + 1 if mark == self._last else 1
        self._last, self.error = mark, solution.error


def fingerprint(error: str) -> str:
    """An error's text without what differs from one occurrence to the next: numbers, hex ids, quoted values."""
    return re.sub(r"0x[0-9a-f]+|\b[0-9a-f]{8,}\b|\d+(\.\d+)?|'[^']*'", "#", error)
