"""One run: instances x epochs climb the ladder, so many at once, and what comes of it is added up."""

import asyncio
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from evalkit.core.errors import InfrastructureError, StorageError
from evalkit.core.failure import Failure
from evalkit.core.ladder import Ladder
from evalkit.core.ports import Model, Observer, Strategy, Verifier
from evalkit.core.summary import Facts, Summary, Tally
from evalkit.core.types import Attempt, Completion, Grading, Instance, Solution, Status
from evalkit.run.given_up import GivenUp
from evalkit.run.ledger import paid_for_health
from evalkit.run.records import Metered, NotRecorded, OnlyRecorded, Searchable
from evalkit.run.solve import solve
from evalkit.run.stopping import Stop, Stopped


@dataclass(frozen=True)
class Climb:
    """All that a climb needs, the same for each instance of a run."""

    ladder: Ladder
    max_attempts: int
    models: Mapping[str, Model]
    strategy: Strategy
    verifier: Verifier
    journal: Searchable


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
        self._journal = climb.journal
        self._given_up = GivenUp(climb.ladder, climb.journal)
        self._stop = Stop()
        self._climb = replace(climb, models=self._stop.guarded(self._given_up.guarded(climb.models)))
        self._observers = observers
        self._todo = self._climbs()
        self._alarm = _Alarm(plan.identical_errors)
        self._ended: set[tuple[str, int]] = set()

    async def run(self) -> None:
        """Climb until all is done or the alarm rings. Raises StorageError where nothing can be recorded."""
        for paid in await paid_for_health(self._journal):
            self._tally.spend(paid)
        try:
            async with asyncio.TaskGroup() as workers:
                for _ in range(self._plan.concurrency):
                    workers.create_task(self._work())
        except* Exception as group:  # noqa: BLE001  unwraps the group; nothing is swallowed
            raise _first(group) from None
        finally:
            await self._recall()

    def stop(self) -> None:
        """Begin nothing any more: calls under way end and are recorded, then `run` returns."""
        self._stop.asked = True

    @property
    def is_stopped(self) -> bool:
        """Whether it was told to stop before all had ended."""
        return self._stop.asked and len(self._ended) < len(self._plan.instances) * self._plan.epochs

    async def _recall(self) -> None:
        """Add what the journal holds of climbs that this session did not come to; asks nobody anything."""
        recorded = replace(self._climb, journal=OnlyRecorded(self._journal))
        for instance, epoch in self._climbs():
            if (instance.id, epoch) not in self._ended:
                self._tally.add(await self._solve(instance, epoch, recorded))

    def summary(self, facts: Facts, *, since: float, earlier_seconds: float = 0.0, cut_short: str = "") -> Summary:
        """What came of it so far. `cut_short` says why the run ended before its end, if it did."""
        status, why = self._status(cut_short)
        wall = earlier_seconds + time.perf_counter() - since
        return self._tally.summary(facts, status=status, why=why, wall_seconds=wall)

    def _status(self, cut_short: str) -> tuple[str, str]:
        unfinished = self._tally.counts[Status.UNFINISHED]
        if self._alarm.rang:
            return "stopped", f"the same error {self._plan.identical_errors} times in a row: {self._alarm.error}"
        if cut_short:
            return "paused", cut_short
        if unfinished:
            return "unfinished", f"{unfinished} unfinished; the same command tries them again{self._stuck()}"
        return "complete", ""

    def _stuck(self) -> str:
        stuck = self._tally.failures[Failure.RUNG_SKIPPED]
        return f", but not the {stuck} whose every rung was given up: mend the policy `on`" if stuck else ""

    def _climbs(self) -> Iterator[tuple[Instance, int]]:
        return ((instance, epoch) for epoch in range(1, self._plan.epochs + 1) for instance in self._plan.instances)

    async def _work(self) -> None:
        """One worker: takes the next climb until there is none. All run on one thread, hence no lock."""
        for instance, epoch in self._todo:
            if self._alarm.rang or self._stop.asked:
                return
            try:
                solution = await self._solve(instance, epoch, self._climb)
            except Stopped:  # what it had recorded is added by _recall
                return
            self._ended.add((instance.id, epoch))
            self._alarm.hear(solution)
            self._tally.add(solution)
            for observer in self._observers:
                observer.climbed(solution)

    async def _solve(self, instance: Instance, epoch: int, climb: Climb) -> Solution:
        if (why := self._plan.quarantined.get(instance.id)) is not None:
            return Solution(instance.id, epoch, Status.QUARANTINED, "quarantined", error=why)
        paid: list[Completion | Grading] = []  # of a climb that is cut off, the journal tells it: see _recall
        solution = await self._climbed(instance, epoch, climb, paid)
        for one in paid:
            self._tally.spend(one)
        return solution

    async def _climbed(
        self, instance: Instance, epoch: int, climb: Climb, paid: list[Completion | Grading]
    ) -> Solution:
        history: list[Attempt] = []
        journal = Metered(climb.journal, paid.append, self._given_up.hear)
        try:
            return await solve(
                instance,
                epoch,
                history,
                climb.ladder,
                climb.max_attempts,
                models=climb.models,
                strategy=climb.strategy,
                verifier=climb.verifier,
                journal=journal,
            )
        except NotRecorded as error:
            ended = Solution(instance.id, epoch, Status.UNFINISHED, "not_begun", error=str(error))
        except StorageError:  # nothing more can be recorded: going on would lose what is paid for
            raise
        except InfrastructureError as error:
            ended = Solution(instance.id, epoch, Status.UNFINISHED, "outage", failure=error.failure, error=str(error))
        return replace(ended, attempts=tuple(history), unjudged=journal.unjudged)


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
