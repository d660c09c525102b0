"""Whether a rung or a grader may be asked now: not while its quota is used up, nor while its provider is down."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from evalkit.core.breaker import Breaker, Heard
from evalkit.core.errors import InfrastructureError, ModelError, QuotaError, RateLimitError
from evalkit.core.failure import Failure
from evalkit.core.ladder import Ladder, Rung
from evalkit.core.ports import Model
from evalkit.core.quota import used_up, wait_s
from evalkit.core.types import Completion, Prompt
from evalkit.run.guarded import GraderModel, guarded

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
    """One a run. `say` is told in a line when a gate closes or opens; `left_s` is how long the run may still go.

    Who asks goes by name: `rung NAME`, known from the start, or `grader NAME`, known from `know` on.
    """

    def __init__(
        self,
        ladder: Ladder,
        settings: GateSettings,
        say: Callable[[str], None],
        left_s: Callable[[], float],
        clock: Callable[[], float] = lambda: asyncio.get_running_loop().time(),
    ) -> None:
        self._settings, self._say, self._left_s, self._clock = settings, say, left_s, clock
        self._quota: dict[str, tuple[float | None, str]] = {}  # by name: until when, and why
        self._providers: dict[str, str] = {}
        self._breakers: dict[str, Breaker] = {}
        for name, rung in ladder.rungs.items():
            self.know(f"rung {name}", rung)
        self._first = next(iter(self._providers))

    @property
    def paused(self) -> dict[str, str]:
        """Those whose quota is used up, by name, with what the provider says."""
        return {who: why for who, (_, why) in self._quota.items()}

    def know(self, who: str, rung: Rung) -> None:
        """From now on this one may ask; again changes nothing."""
        if who not in self._providers:
            self._providers[who] = provider(rung)
            self._breakers.setdefault(provider(rung), Breaker(self._settings.outages, self._settings.probe_s))

    def guarded(self, models: Mapping[str, Model]) -> dict[str, Model]:
        """The rungs' models, each asked only through its gate."""
        return guarded(models, self._ask)

    async def _ask(self, rung: str, model: Model, prompt: Prompt) -> Completion:
        return await self.through(f"rung {rung}", lambda: model.complete(prompt))

    async def ask_grader(self, name: str, model: GraderModel, prompt: Prompt) -> Completion:
        """Ask a grader through its gate. Raises as `through`."""
        who = f"grader {name}" + (f" at {model.rung.api_base}" if model.rung.api_base else "")
        self.know(who, model.rung)
        return await self.through(who, lambda: model.complete(prompt))

    async def through(self, who: str, ask: Callable[[], Awaitable[Completion]]) -> Completion:
        """What `ask` returns. Raises QuotaError, PutOff where it is worth waiting, or the provider's error."""
        probe = self._enter(who)
        heard = False
        try:
            completion = await ask()
            if heard := not completion.cached:  # a kept answer tells nothing of the provider
                self._answered(who)
        except ModelError as error:
            heard = error.failure is not Failure.INFRASTRUCTURE  # our own: a worker that died with the call
            raised = self._failed(who, error, probe=probe)
            if raised is error:
                raise
            raise raised from error
        finally:
            if probe and not heard:  # it found nothing out
                self._breakers[self._providers[who]].withdrawn()
        return completion

    def _enter(self, who: str) -> bool:
        """Whether the call is its provider's probe. Raises QuotaError, or PutOff where it is worth waiting."""
        now = self._clock()
        if who in self._quota:
            until, why = self._quota[who]
            if until is None:
                raise QuotaError(why, requests=0)
            if now < until:
                raise PutOff(why, until)
            del self._quota[who]
        breaker = self._breakers[self._providers[who]]
        was_open = breaker.is_open
        if (ready_at := breaker.ready_at(now)) is not None:
            raise PutOff(f"{self._providers[who]} is down", ready_at, is_first=who == self._first)
        return was_open

    def _answered(self, who: str) -> None:
        breaker = self._breakers[self._providers[who]]
        if breaker.is_open:
            self._say(f"{self._providers[who]} answers again")
        breaker.worked()

    def _failed(self, who: str, error: ModelError, *, probe: bool) -> InfrastructureError:
        """What is to be raised instead of the provider's error."""
        if isinstance(error, RateLimitError) and used_up(error, self._settings.patience_s, _now()):
            self._breakers[self._providers[who]].worked()
            return self._used_up(who, error)
        if error.failure not in DOWN:
            if error.failure is not Failure.INFRASTRUCTURE:
                self._breakers[self._providers[who]].worked()
            return error
        return self._down(who, error, probe=probe)

    def _used_up(self, who: str, error: RateLimitError) -> InfrastructureError:
        seconds = wait_s(error, _now())
        full = f"full again in {_span(seconds)}" if seconds is not None else ""
        told = f"{who}: quota used up" + (f", {full}" if full else "")
        known = who in self._quota
        waiting = self._settings.wait_for_quota and seconds is not None and seconds < self._left_s()
        if waiting and seconds is not None:
            until = self._clock() + seconds + min(ONCE_MORE_S, seconds / 10)
            self._quota[who] = (until, str(error))
            if not known:
                self._say(f"{told}; what needs it waits until {_moment(seconds)} (limits.on_quota=wait): {error}")
            return PutOff(str(error), until)
        self._quota[who] = (None, f"{error} ({full})" if full else str(error))
        if not known:
            self._say(f"{told}; it is asked no more, others go on: {error}")
        return QuotaError(self._quota[who][1], retry_after_s=error.retry_after_s, requests=error.requests)

    def _down(self, who: str, error: ModelError, *, probe: bool) -> InfrastructureError:
        name, now = self._providers[who], self._clock()
        breaker = self._breakers[name]
        heard = breaker.failed(now, probe=probe)
        ready_at = breaker.opens_at
        if heard is Heard.OPENED and ready_at is not None:
            row = f"{name}: {self._settings.outages} outages in a row"
            self._say(f"{row}; a probe goes out in {ready_at - now:.0f} s, nothing else until it works: {error}")
        if heard is Heard.LATE and ready_at is not None:
            return PutOff(str(error), ready_at, is_first=who == self._first)
        return error


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
