"""When to stop asking an engine that does not answer, and when to try again: quick failures instead of long waits."""

from dataclasses import dataclass
from threading import Lock

TRIPS = 3  # failures in a row
PAUSE_S = 10.0


@dataclass
class Breaker:
    """Closed while the engine answers. After `trips` failures in a row it is open: nobody asks for `pause_s`, then one.

    Times come in as arguments: seconds of any clock that does not go back.
    """

    trips: int = TRIPS
    pause_s: float = PAUSE_S

    def __post_init__(self) -> None:
        """Begin closed."""
        self._lock = Lock()  # guards the three below: every thread asks
        self._failures, self._again_at, self._why = 0, 0.0, ""

    @property
    def why(self) -> str:
        """The last failure."""
        return self._why

    def admits(self, now: float) -> str:
        """Whether to ask: `yes`; `probe`, for the one that finds out whether it answers again; or `no`."""
        with self._lock:
            if self._failures < self.trips:
                return "yes"
            if now < self._again_at:
                return "no"
            self._again_at = now + self.pause_s  # the others wait for the one that is let through
            return "probe"

    def failed(self, now: float, why: str) -> None:
        """No answer."""
        with self._lock:
            self._failures, self._why = self._failures + 1, why
            self._again_at = now + self.pause_s

    def worked(self) -> None:
        """An answer, even if it was a refusal."""
        with self._lock:
            self._failures = 0
