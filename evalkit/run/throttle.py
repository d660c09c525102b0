"""Requests wait here until their provider takes them: as many at once as it showed that it can, and when it said."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from evalkit.core.concurrency import Aimd, Allowance, Bounds, Told, pace
from evalkit.core.errors import ModelError, ProviderTimeoutError, RateLimitError
from evalkit.core.types import Completion
from evalkit.run.stopping import Stopped
from evalkit.run.turns import Turns

LOOK_S = 0.02  # between looks at how late this process is
NEWEST = 0.2  # what the newest look counts
TURNS = 10  # a request takes about five turns of the event loop, and what is ready waits half a turn on the mean


class Lag:
    """How late this process is: how long what is ready waits until the event loop comes to it, a moving mean."""

    def __init__(self) -> None:
        self._mean = 0.0
        self._due: float | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def watch(self, going: Callable[[], bool]) -> None:
        """Look now and then, as long as something is `going`."""
        loop = asyncio.get_running_loop()
        if self._due is None or loop is not self._loop:
            self._loop = loop
            self._look_later(going)

    def seconds(self, now: float) -> float:
        """The lag; what is overdue counts at once."""
        return self._mean if self._due is None else max(self._mean, now - self._due)

    def _look_later(self, going: Callable[[], bool]) -> None:
        loop = asyncio.get_running_loop()
        self._due = loop.time() + LOOK_S
        loop.call_at(self._due, self._look, going)

    def _look(self, going: Callable[[], bool]) -> None:
        self._mean += NEWEST * (self.seconds(_now()) - self._mean)
        self._due = None
        if going():
            self._look_later(going)


class Throttle:
    """One provider's requests, first come, first served. For one event loop's thread, hence without a lock."""

    def __init__(self, bounds: Bounds, longest_s: float, *, doubling: bool = True) -> None:
        self._aimd = Aimd(bounds, doubling=doubling)
        self._allowance = Allowance(longest_s)
        self._turns = Turns(self._admit, self._leave)
        self._timer: asyncio.TimerHandle | None = None
        self._lag = Lag()
        self.under_way = 0

    @property
    def limit(self) -> int:
        """Requests that may be under way at once, as far as is known now."""
        return self._aimd.limit

    @property
    def highest(self) -> int:
        """The most that were allowed and used."""
        return self._aimd.highest

    @property
    def cuts(self) -> int:
        """How often it was too much."""
        return self._aimd.cuts

    def told(self, told: Told) -> None:
        """Hear what an answer's headers say is left."""
        self._allowance.told(_now(), told)

    async def run(self, ask: Callable[[], Awaitable[Completion]], model: str) -> Completion:
        """What `ask` returns or raises, in its turn; its time and its errors say how many may go at once."""
        await self._turns.wait()
        began = _now()
        self._lag.watch(lambda: self.under_way > 0)
        try:
            completion = await ask()
        except ModelError as error:
            self._heed(error, began)
            raise
        else:
            self._learn(completion, model, began)
            return completion
        finally:
            self._leave()

    def _heed(self, error: ModelError, began: float) -> None:
        now = _now()
        if isinstance(error, RateLimitError | ProviderTimeoutError):
            self._aimd.refused(now, began)
        if error.retry_after_s:
            self._allowance.pause(now, error.retry_after_s)

    def _learn(self, completion: Completion, model: str, began: float) -> None:
        now = _now()
        self._allowance.used((completion.tokens_prompt or 0) + (completion.tokens_completion or 0))
        took, tokens = now - began, completion.tokens_completion
        theirs = max(0.0, took - TURNS * self._lag.seconds(now))
        self._aimd.answered(now, began, model, pace(took, tokens), pace(theirs, tokens))

    def close(self) -> None:
        """Send away who waits, with Stopped; what is under way ends as it does."""
        self._turns.send_away(Stopped)

    def _leave(self) -> None:
        self.under_way -= 1
        self._admit()

    def _admit(self) -> None:
        """Let in all who may go, and look again when the provider lets more in."""
        now = _now()
        while self._turns and self.under_way < self.limit:
            opens = self._allowance.opens_at(now)
            if opens > now:
                self._look_again(opens)
                return
            if self._turns.next():
                self.under_way += 1
                self._allowance.began()
                self._aimd.started(self.under_way)

    def _look_again(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(at, self._admit)


class Throttles:
    """A throttle a provider, made when it is first asked for."""

    def __init__(self, bounds: Bounds, longest_s: float, earlier: dict[str, Throttle] | None = None) -> None:
        """`earlier` has the last one of each provider, and is kept up: the next run begins where that one ended."""
        self._bounds = bounds
        self._longest_s = longest_s
        self._earlier = {} if earlier is None else earlier
        self.made: dict[str, Throttle] = {}

    def of(self, provider: str) -> Throttle:
        """The provider's own."""
        if provider not in self.made:
            self.made[provider] = self._earlier[provider] = self._begun(self._earlier.get(provider))
        return self.made[provider]

    def _begun(self, earlier: Throttle | None) -> Throttle:
        """A new one, since each run has an event loop of its own; what was learnt of the provider it takes over."""
        if earlier is None:
            return Throttle(self._bounds, self._longest_s)
        start = min(max(earlier.limit, self._bounds.least), self._bounds.most)
        return Throttle(replace(self._bounds, start=start), self._longest_s, doubling=not earlier.cuts)

    @property
    def limit(self) -> int:
        """Requests that may be under way at all of them together."""
        return sum(one.limit for one in self.made.values())

    def close(self) -> None:
        """Send away who waits."""
        for one in self.made.values():
            one.close()


def _now() -> float:
    return asyncio.get_running_loop().time()
