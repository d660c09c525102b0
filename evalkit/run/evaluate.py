"""One run: instances x epochs climb the ladder, so many at once, and what comes of it is added up."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from evalkit.core.errors import InfrastructureError, StorageError
from evalkit.core.failure import Failure
from evalkit.core.ladder import Ladder
from evalkit.core.ports import Journal, Model, Observer, Strategy, Verifier
from evalkit.core.summary import Facts, Summary, Tally
from evalkit.core.types import Attempt, Completion, Instance, Solution, Status
from evalkit.run.solve import solve

T = TypeVar("T")


@dataclass(frozen=True)
class Climb:
    """All that a climb needs, the same for each instance of a run."""

    ladder: Ladder
    max_attempts: int
    models: Mapping[str, Model]
    strategy: Strategy
    verifier: Verifier
    journal: Journal


@dataclass(frozen=True)
class Plan:
    """Which climbs, and how. `quarantined` says by instance id why it is not asked (invariant 5)."""

    instances: Sequence[Instance]
    epochs: int
    concurrency: int
    identical_errors: int
    quarantined: Mapping[str, str]


class Evaluation:
    """Runs a plan. A climb that meets an outage is unfinished; the same outage over and over stops the run."""

    def __init__(self, plan: Plan, climb: Climb, observers: Sequence[Observer]) -> None:
        self._plan = plan
        self._tally = Tally(climb.ladder)
        self._climb = replace(climb, journal=_Metered(climb.journal, self._tally.spend))
        self._observers = observers
        self._todo = self._climbs()
        self._alarm = _Alarm(plan.identical_errors)
        self._started: set[tuple[str, int]] = set()

    async def run(self) -> None:
        """Climb until all is done or the alarm rings. Raises StorageError where nothing can be recorded."""
        try:
            async with asyncio.TaskGroup() as workers:
                for _ in range(self._plan.concurrency):
                    workers.create_task(self._work())
        except* Exception as group:  # noqa: BLE001  unwraps the group; nothing is swallowed
            raise _first(group) from None

    def summary(
        self, facts: Facts, *, since: float, earlier_seconds: float = 0.0, interrupted: bool = False
    ) -> Summary:
        """What came of it so far. Climbs never begun are unfinished too."""
        for instance, epoch in self._climbs():
            if (instance.id, epoch) not in self._started:
                why = "not begun: the run was interrupted" if interrupted else "not begun: the run stopped before it"
                self._tally.add(Solution(instance.id, epoch, Status.UNFINISHED, "not_begun", error=why))
        status, why = self._status(interrupted=interrupted)
        wall = earlier_seconds + time.perf_counter() - since
        return self._tally.summary(facts, status=status, why=why, wall_seconds=wall)

    def _status(self, *, interrupted: bool) -> tuple[str, str]:
        unfinished = self._tally.counts[Status.UNFINISHED]
        if self._alarm.rang:
            return (
                "stopped",
                f"stopped: the same error {self._plan.identical_errors} times in a row: {self._alarm.error}",
            )
        if interrupted:
            return "paused", "interrupted; the same command continues"
        if unfinished:
            return "unfinished", f"{unfinished} unfinished; the same command tries them again"
        return "complete", ""

    def _climbs(self) -> Iterator[tuple[Instance, int]]:
        return ((instance, epoch) for epoch in range(1, self._plan.epochs + 1) for instance in self._plan.instances)

    async def _work(self) -> None:
        """One worker: takes the next climb until there is none. All run on one thread, hence no lock."""
        for instance, epoch in self._todo:
            if self._alarm.rang:
                return
            self._started.add((instance.id, epoch))
            try:
                solution = await self._solve(instance, epoch)
            except asyncio.CancelledError:
                self._started.discard((instance.id, epoch))
                raise
            self._alarm.hear(solution)
            self._tally.add(solution)
            for observer in self._observers:
                observer.climbed(solution)

    async def _solve(self, instance: Instance, epoch: int) -> Solution:
        if (why := self._plan.quarantined.get(instance.id)) is not None:
            return Solution(instance.id, epoch, Status.QUARANTINED, "quarantined", error=why)
        history: list[Attempt] = []
        try:
            return await solve(
                instance,
                epoch,
                history,
                self._climb.ladder,
                self._climb.max_attempts,
                models=self._climb.models,
                strategy=self._climb.strategy,
                verifier=self._climb.verifier,
                journal=self._climb.journal,
            )
        except StorageError:  # nothing more can be recorded: going on would lose what is paid for
            raise
        except InfrastructureError as error:
            return Solution(instance.id, epoch, Status.UNFINISHED, "outage", tuple(history), error.failure, str(error))


class _Metered:
    """A journal that lets every completion be counted, also those of climbs that are never finished."""

    def __init__(self, inner: Journal, spend: Callable[[Completion], None]) -> None:
        self._inner = inner
        self._spend = spend

    async def once(self, key: str, kind: type[T], effect: Callable[..., Awaitable[T]], *args: object) -> T:
        value = await self._inner.once(key, kind, effect, *args)
        if isinstance(value, Completion):
            self._spend(value)
        return value


class _Alarm:
    """Rings when outages of one fingerprint follow each other without anything between (invariant 10)."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._last: tuple[Failure | None, str] | None = None
        self._times = 0
        self.error = ""

    @property
    def rang(self) -> bool:
        return bool(self._limit) and self._times >= self._limit

    def hear(self, solution: Solution) -> None:
        if self.rang:
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


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first error in a group: the others were cancelled because of it."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
