"""Whether a rung may be asked now: not while its quota is used up, nor while its provider is down."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from evalkit.core.breaker import Breaker, Heard
from evalkit.core.errors import InfrastructureError, ModelError, QuotaError, RateLimitError
from evalkit.core.failure import Failure
from evalkit.core.ladder import Ladder, Rung
from evalkit.core.ports import Model
from evalkit.core.quota import used_up, wait_s
from evalkit.core.types import Completion, Prompt

DOWN = frozenset({Failure.CONNECTION, Failure.PROVIDER_ERROR, Failure.PROVIDER_TIMEOUT})
MINUTE_S, HOUR_S = 60, 3600
ONCE_MORE_S = 1.0  # after a stated reset: providers' clocks differ


class PutOff(InfrastructureError):  # noqa: N818  no error of anybody's: the climb goes on later
    """The rung may be asked again at `ready_at` (seconds of the clock).

    `is_first` says that no climb can begin before: the provider of the ladder's first rung is down.
    """

    def __init__(self, message: str, ready_at: float, *, is_first: bool = False) -> None:
        super().__init__(message)
        self.ready_at, self.is_first = ready_at, is_first


@dataclass(frozen=True)
class GateSettings:
    """How gates behave: see settings.Limits. `patience_s` is what a provider may ask to wait for within one call."""

    wait_for_quota: bool = False
    outages: int = 3
    probe_s: float = 1.0
    patience_s: float = 300.0


class Gates:
    """One a run. `say` is told in a line when a gate closes or opens; `left_s` is how long the run may still go."""

    def __init__(
        self,
        ladder: Ladder,
        settings: GateSettings,
        say: Callable[[str], None],
        left_s: Callable[[], float],
        clock: Callable[[], float] = lambda: asyncio.get_running_loop().time(),
    ) -> None:
        self._settings, self._say, self._left_s, self._clock = settings, say, left_s, clock
        self._quota: dict[str, tuple[float | None, str]] = {}  # by rung: until when, and why
        self._first = next(iter(ladder.rungs))
        self._providers = {name: provider(rung) for name, rung in ladder.rungs.items()}
        self._breakers = {one: Breaker(settings.outages, settings.probe_s) for one in self._providers.values()}

    @property
    def paused(self) -> dict[str, str]:
        """The rungs whose quota is used up, with what the provider says."""
        return {rung: why for rung, (_, why) in self._quota.items()}

    def guarded(self, models: Mapping[str, Model]) -> dict[str, Model]:
        """The models, each asked only through its gate."""
        return {name: _Gated(name, model, self) for name, model in models.items()}

    def enter(self, rung: str) -> bool:
        """Whether the call is its provider's probe. Raises QuotaError, or PutOff where it is worth waiting."""
        now = self._clock()
        if rung in self._quota:
            until, why = self._quota[rung]
            if until is None:
                raise QuotaError(why, requests=0)
            if now < until:
                raise PutOff(why, until)
            del self._quota[rung]
        breaker = self._breakers[self._providers[rung]]
        was_open = breaker.is_open
        if (ready_at := breaker.ready_at(now)) is not None:
            raise PutOff(f"{self._providers[rung]} is down", ready_at, is_first=rung == self._first)
        return was_open

    def answered(self, rung: str) -> None:
        """The rung's provider answered."""
        breaker = self._breakers[self._providers[rung]]
        if breaker.is_open:
            self._say(f"{self._providers[rung]} answers again")
        breaker.worked()

    def withdrawn(self, rung: str) -> None:
        """The probe found nothing out."""
        self._breakers[self._providers[rung]].withdrawn()

    def failed(self, rung: str, error: ModelError, *, probe: bool) -> InfrastructureError:
        """What is to be raised instead of the provider's error."""
        if isinstance(error, RateLimitError) and used_up(error, self._settings.patience_s, _now()):
            self._breakers[self._providers[rung]].worked()
            return self._used_up(rung, error)
        if error.failure not in DOWN:
            self._breakers[self._providers[rung]].worked()
            return error
        return self._down(rung, error, probe=probe)

    def _used_up(self, rung: str, error: RateLimitError) -> InfrastructureError:
        seconds = wait_s(error, _now())
        full = f"full again in {_span(seconds)}" if seconds is not None else ""
        told = f"rung {rung}: quota used up" + (f", {full}" if full else "")
        known = rung in self._quota
        waiting = self._settings.wait_for_quota and seconds is not None and seconds < self._left_s()
        if waiting and seconds is not None:
            until = self._clock() + seconds + min(ONCE_MORE_S, seconds / 10)
            self._quota[rung] = (until, str(error))
            if not known:
                self._say(f"{told}; what needs it waits until {_moment(seconds)} (limits.on_quota=wait): {error}")
            return PutOff(str(error), until)
        self._quota[rung] = (None, f"{error} ({full})" if full else str(error))
        if not known:
            self._say(f"{told}; the rung is asked no more, others go on: {error}")
        return QuotaError(self._quota[rung][1], retry_after_s=error.retry_after_s, requests=error.requests)

    def _down(self, rung: str, error: ModelError, *, probe: bool) -> InfrastructureError:
        name, now = self._providers[rung], self._clock()
        breaker = self._breakers[name]
        heard = breaker.failed(now, probe=probe)
        ready_at = breaker.opens_at
        if heard is Heard.OPENED and ready_at is not None:
            row = f"{name}: {self._settings.outages} outages in a row"
            self._say(f"{row}; a probe goes out in {ready_at - now:.0f} s, nothing else until it works: {error}")
        if heard is Heard.LATE and ready_at is not None:
            return PutOff(str(error), ready_at, is_first=rung == self._first)
        return error


@dataclass(frozen=True)
class _Gated:
    name: str
    model: Model
    gates: Gates

    @property
    def simulated(self) -> bool:
        return self.model.simulated

    async def complete(self, prompt: Prompt) -> Completion:
        probe = self.gates.enter(self.name)
        reported = False
        try:
            completion = await self.model.complete(prompt)
            reported = True
            self.gates.answered(self.name)
        except ModelError as error:
            reported = True
            raised = self.gates.failed(self.name, error, probe=probe)
            if raised is error:
                raise
            raise raised from error
        finally:
            if probe and not reported:
                self.gates.withdrawn(self.name)
        return completion

    async def check(self) -> None:
        await self.model.check()


def provider(rung: Rung) -> str:
    """What is down when a rung's calls fail: the server, or the provider that a model name begins with."""
    return rung.api_base or (rung.model.partition("/")[0] if "/" in rung.model else rung.model)


def _now() -> datetime:
    return datetime.now(UTC)


def _moment(seconds: float) -> str:
    return f"{_now() + timedelta(seconds=seconds):%Y-%m-%d %H:%M:%S} UTC"


def _span(seconds: float) -> str:
    if seconds < 2 * MINUTE_S:
        return f"{seconds:.0f} s"
    return f"{seconds / MINUTE_S:.0f} min" if seconds < 2 * HOUR_S else f"{seconds / HOUR_S:.1f} h"
