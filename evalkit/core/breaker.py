"""A circuit breaker: after outages in a row a provider is left alone, and probed; pure, time comes as an argument.

The pattern is M. Nygard's (Release It!, 2007): closed, open, half-open.
"""

from enum import StrEnum

LONGEST_S = 60.0  # between probes


class Heard(StrEnum):
    """What a breaker makes of an outage."""

    COUNTED = "counted"  # it was closed
    OPENED = "opened"  # this was one too many
    PROBE = "probe"  # the probe failed as well
    LATE = "late"  # asked before it opened: nothing new


class Breaker:
    """One provider's. `outages` in a row open it (0: never); after `probe_s` one call probes, each wait twice the last.

    Times are seconds of any clock that does not jump.
    """

    def __init__(self, outages: int, probe_s: float) -> None:
        self._outages, self._probe_s = outages, probe_s
        self._in_a_row = 0
        self._wait_s = 0.0
        self._probe_at: float | None = None  # open since the last failure
        self._probing = False

    @property
    def is_open(self) -> bool:
        """Whether the provider is left alone."""
        return self._probe_at is not None

    @property
    def opens_at(self) -> float | None:
        """When the next probe may go; None while it is closed."""
        return self._probe_at

    def ready_at(self, now: float) -> float | None:
        """None: ask. Else when to come again. Whoever is let through an open one is its probe, and must report."""
        if self._probe_at is None:
            return None
        if self._probing:
            return now + self._probe_s
        if now < self._probe_at:
            return self._probe_at
        self._probing = True
        return None

    def worked(self) -> None:
        """The provider answered, whatever it said: it is there."""
        self._in_a_row, self._wait_s, self._probe_at, self._probing = 0, 0.0, None, False

    def failed(self, now: float, *, probe: bool) -> Heard:
        """An outage; `probe` says whether whoever reports was let through as the probe."""
        self._in_a_row += 1
        if self._probe_at is None and (not self._outages or self._in_a_row < self._outages):
            return Heard.COUNTED
        if self._probe_at is not None and not probe:
            return Heard.LATE
        self._wait_s = min(2 * self._wait_s or self._probe_s, LONGEST_S)
        self._probe_at, self._probing = now + self._wait_s, False
        return Heard.PROBE if probe else Heard.OPENED

    def withdrawn(self) -> None:
        """The probe found nothing out, e.g. because it was cancelled: the next one may go."""
        self._probing = False
