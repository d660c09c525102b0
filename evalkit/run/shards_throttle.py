"""One worker's share of what a provider takes: what one worker is refused, all of them heed."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import msgspec

from evalkit.core.concurrency import Bounds, Told
from evalkit.core.errors import ModelError, ProviderTimeoutError, RateLimitError
from evalkit.core.shards import share
from evalkit.run.shards_messages import Heard, Setup
from evalkit.run.throttle import Throttle, Throttles


class SharedThrottle(Throttle):
    """One provider's requests of this worker, which is one of `count`: refusals are told, and others' are heeded."""

    def __init__(self, bounds: Bounds, longest_s: float, number: int, count: int) -> None:
        super().__init__(bounds, longest_s)
        self._number, self._count = number, count
        self.tell: Callable[[bool, float, float | None], None] = lambda *_: None

    def told(self, told: Told) -> None:
        """Hear what an answer's headers say is left: this worker's part of it is its to use."""
        parts = [
            None if left is None else share(left, self._number, self._count) for left in (told.requests, told.tokens)
        ]
        super().told(replace(told, requests=parts[0], tokens=parts[1]))

    def overheard(self, *, too_many: bool, age_s: float, wait_s: float | None) -> None:
        """Another worker's request was refused."""
        now = asyncio.get_running_loop().time()
        if too_many:
            self._aimd.refused(now, now - age_s)
        if wait_s:
            self._allowance.pause(now, wait_s)

    def _heed(self, error: ModelError, began: float) -> None:
        super()._heed(error, began)
        too_many = isinstance(error, RateLimitError | ProviderTimeoutError)
        if too_many or error.retry_after_s:
            self.tell(too_many, asyncio.get_running_loop().time() - began, error.retry_after_s)


class SharedThrottles(Throttles):
    """A worker's throttles; what one provider refuses is `said` to the run, which tells the others."""

    def __init__(self, bounds: Bounds, longest_s: float, setup: Setup, said: Callable[[msgspec.Struct], None]) -> None:
        super().__init__(bounds, longest_s)
        self._setup, self._said = setup, said

    def of(self, provider: str) -> Throttle:
        """The provider's own."""
        if provider not in self.made:
            made = SharedThrottle(self._bounds, self._longest_s, self._setup.number, self._setup.count)
            made.tell = lambda too_many, age_s, wait_s: self._said(Heard(provider, too_many, age_s, wait_s))
            self.made[provider] = made
        return self.made[provider]

    def overheard(self, heard: Heard) -> None:
        """Heed what another worker was told."""
        if isinstance(throttle := self.made.get(heard.provider), SharedThrottle):
            throttle.overheard(too_many=heard.too_many, age_s=heard.age_s, wait_s=heard.wait_s)
