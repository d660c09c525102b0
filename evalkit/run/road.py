"""How many climbs are on the road to a model: those that are being judged make room for others."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from evalkit.core.ports import Verifier
from evalkit.core.types import Candidate, Instance, Verdict
from evalkit.run.throttle import Throttles
from evalkit.run.turns import Turns

JUDGED = 32  # climbs at most that wait for verdicts beside those that ask


class Road:
    """Places for climbs, `places()` of them; a climb whose answer is being judged needs none.

    So a slow test holds no model's slot. A climb that comes back from its judge goes on at once, before any new
    one begins. For one event loop's thread, hence without a lock.
    """

    def __init__(self, places: Callable[[], int], most: int) -> None:
        """`most` climbs at once, those that are being judged included."""
        self._places = places
        self.most = most
        self._taken = 0
        self._turns = Turns(self._admit, self._leave)

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """One climb, from before it begins until it has ended."""
        await self._turns.wait()
        try:
            yield
        finally:
            self._leave()

    def aside(self, verifier: Verifier) -> Verifier:
        """The verifier; who waits for it makes room meanwhile."""
        return _Aside(verifier, self)

    async def judged(self, verifier: Verifier, instance: Instance, candidate: Candidate) -> Verdict:
        """The verdict, waited for beside the road."""
        self._leave()
        try:
            return await verifier.verify(instance, candidate)
        finally:
            self._taken += 1

    def _leave(self) -> None:
        self._taken -= 1
        self._admit()

    def _admit(self) -> None:
        while self._taken < max(1, self._places()) and self._turns.next():
            self._taken += 1


def road_of(throttles: Throttles, local: int, most: int) -> Road:
    """Places for as many climbs as there are slots at providers, and one for each of `local` models.

    A few more, since a climb also writes prompts and records: one should be waiting when a slot is free.
    """

    def places() -> int:
        slots = throttles.limit + local
        return slots + 1 + slots // 8

    return Road(places, places() + most + JUDGED)


class _Aside:
    def __init__(self, inner: Verifier, road: Road) -> None:
        self._inner = inner
        self._road = road

    async def verify(self, instance: Instance, candidate: Candidate) -> Verdict:
        return await self._road.judged(self._inner, instance, candidate)

    def covers(self, instance: Instance) -> str:
        return self._inner.covers(instance)
