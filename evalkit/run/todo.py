"""The climbs of a run that still wait: those not begun, and those put off until a rung may be asked again."""

import asyncio
from collections.abc import Callable, Iterator
from heapq import heappop, heappush
from itertools import count, filterfalse
from typing import Generic, TypeVar

T = TypeVar("T")


class Todo(Generic[T]):
    """Hands out what is to be done; what was put off comes back when its time has come.

    Times are those of the event loop's clock. For workers on one event loop's thread, hence without a lock. Whoever
    takes one says `done` when he has ended it or put it off.
    """

    def __init__(self, fresh: Iterator[T]) -> None:
        self._fresh: Iterator[T] | None = fresh
        self._later: list[tuple[float, int, T]] = []
        self._numbers = count()
        self._busy = 0
        self._closed = False
        self._changed = asyncio.Event()
        self._fresh_from = 0.0

    async def next(self) -> T | None:
        """The next one, waited for if need be; None when nothing is left, or after `close`."""
        while not self._closed:
            now = asyncio.get_running_loop().time()
            if (found := self._due(now)) is not None:
                self._busy += 1
                return found
            if self._fresh is None and not self._later and not self._busy:
                return None
            self._changed.clear()
            await self._wait(now)
        return None

    def later(self, ready_at: float, one: T, *, also_fresh: bool = False) -> None:
        """Put it off; with `also_fresh` nothing new is begun before that either."""
        heappush(self._later, (ready_at, next(self._numbers), one))
        if also_fresh:
            self._fresh_from = max(self._fresh_from, ready_at)
        self._changed.set()

    def set_aside(self, others: Callable[[T], bool]) -> None:
        """Hand these out to nobody: the caller sees to them, puts off what it cannot end, and then says `done`."""
        if self._fresh is not None:
            self._fresh = filterfalse(others, self._fresh)
        self._busy += 1

    def done(self) -> None:
        """One that was handed out has ended, or was put off."""
        self._busy -= 1
        self._changed.set()

    def close(self) -> None:
        """Hand out nothing more."""
        self._closed = True
        self._changed.set()

    def _due(self, now: float) -> T | None:
        if self._later and self._later[0][0] <= now:
            return heappop(self._later)[2]
        if self._fresh is not None and self._fresh_from <= now:
            found = next(self._fresh, None)
            if found is None:
                self._fresh = None
            return found
        return None

    async def _wait(self, now: float) -> None:
        moments = [self._later[0][0]] if self._later else []
        moments += [self._fresh_from] if self._fresh is not None else []
        try:
            async with asyncio.timeout(max(0.0, min(moments) - now) if moments else None):
                await self._changed.wait()
        except TimeoutError:
            return
