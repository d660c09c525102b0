"""One run: instances x epochs climb the ladder, so many at once, and what comes of it is added up."""

import asyncio
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

from evalkit.core.errors import InfrastructureError, StorageError
from evalkit.core.failure import Failure
from evalkit.core.ladder import Ladder
from evalkit.core.ports import Model, Observer, Strategy, Verifier
from evalkit.core.summary import Facts, Summary, Tally
from evalkit.core.types import Attempt, Completion, Grading, Instance, Solution, Status, Verdict
from evalkit.run.gates import Gates, GateSettings, PutOff
from evalkit.run.given_up import GivenUp
from evalkit.run.ledger import paid_for_health
from evalkit.run.records import Metered, NotRecorded, OnlyRecorded, Searchable
from evalkit.run.road import Road
from evalkit.run.solve import solve
from evalkit.run.spending import Climber, Spending, climbing
from evalkit.run.stopping import Stop, Stopped
from evalkit.run.todo import Todo

REASONS = {Failure.BUDGET: "budget", Failure.QUOTA: "quota"}  # why a climb is unfinished, if not for an outage


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
    road: Road | None = None  # how many climbs go at once where that is found out; None: `concurrency`, always


class Evaluation:
    """Runs a plan. A climb that meets an outage is unfinished; the same outage over and over stops the run."""

    def __init__(
        self,
        plan: Plan,
        climb: Climb,
        observers: Sequence[Observer],
        *,
        spending: Spending | None = None,
        gates: GateSettings | Gates | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`spending` caps the run (None: nothing does); `say` is told in a line when a rung is asked no more.

        `gates` are the run's own where graders are asked through them as well.
        """
        self._plan = plan
        self._spending = spending
        if not isinstance(gates, Gates):
            gates = Gates(climb.ladder, gates or GateSettings(), say, self._left_s)
        self._gates = gates
        models = climb.models if spending is None else spending.guarded(climb.models, climb.ladder.rungs)
        models = self._gates.guarded(models)
        self._tally = Tally(climb.ladder)
        self._journal = climb.journal
        self._given_up = GivenUp(climb.ladder, climb.journal)
        self._stop = Stop()
        self._climb = replace(climb, models=self._stop.guarded(self._given_up.guarded(models)))
        if plan.road is not None:
            self._climb = replace(self._climb, verifier=plan.road.aside(climb.verifier))
        self._observers = observers
        self._todo = Todo(self._climbs())
        self._alarm = _Alarm(plan.identical_errors)
        self._ended: set[tuple[str, int]] = set()

    async def run(self) -> None:
        """Climb until all is done or the alarm rings. Raises StorageError where nothing can be recorded."""
        for paid in await paid_for_health(self._journal):
            self._tally.spend(paid)
        try:
            async with asyncio.TaskGroup() as workers:
                for _ in range(self._plan.concurrency if self._plan.road is None else self._plan.road.most):
                    workers.create_task(self._work())
        except* Exception as group:  # noqa: BLE001  unwraps the group; nothing is swallowed
            raise _first(group) from None
        finally:
            await self._recall()

    def stop(self) -> None:
        """Begin nothing any more: calls under way end and are recorded, then `run` returns."""
        self._stop.asked = True
        self._todo.close()

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
        if pauses := self._pauses():
            return "paused", "; ".join([*pauses, "then the same command continues"])
        if unfinished:
            return "unfinished", f"{unfinished} unfinished; the same command tries them again{self._stuck()}"
        return "complete", ""

    def _pauses(self) -> list[str]:
        """What kept climbs from their end that is no outage, and what to do about it."""
        spending = self._spending
        found = [str(spending.hit)] if spending and spending.hit else []
        if spending and spending.capped:
            climbs = self._tally.failures[Failure.BUDGET]
            found.append(f"{climbs} unfinished climb{'s' if climbs != 1 else ''}, such as: {spending.capped[0]}")
        return found + [f"{who} has no quota left: {why}" for who, why in self._gates.paused.items()]

    def _stuck(self) -> str:
        stuck = self._tally.failures[Failure.RUNG_SKIPPED]
        return f", but not the {stuck} whose every rung was given up: mend the policy `on`" if stuck else ""

    def _climbs(self) -> Iterator[tuple[Instance, int]]:
        return ((instance, epoch) for epoch in range(1, self._plan.epochs + 1) for instance in self._plan.instances)

    async def _work(self) -> None:
        """One worker: takes the next climb until there is none. All run on one thread, hence no lock."""
        going = True
        while going:
            async with nullcontext() if self._plan.road is None else self._plan.road.place():
                going = await self._next()

    async def _next(self) -> bool:
        """Take the next climb to its end; whether there may be another."""
        if (taken := await self._todo.next()) is None:
            return False
        try:
            solution = await self._solve(*taken, self._climb)
        except Stopped:  # what it had recorded is added by _recall
            return False
        except PutOff as later:
            self._put_off(taken, later)
        else:
            self._end(taken, solution)
        finally:
            self._todo.done()
        return True

    def _put_off(self, taken: tuple[Instance, int], later: PutOff) -> None:
        """It goes on when its rung may be asked again; while a provider is down nothing new is begun at its door."""
        self._todo.later(later.ready_at, taken, also_fresh=later.is_first)

    def _end(self, taken: tuple[Instance, int], solution: Solution) -> None:
        instance, epoch = taken
        self._ended.add((instance.id, epoch))
        self._alarm.hear(solution)
        self._tally.add(solution)
        for observer in self._observers:
            observer.climbed(solution)
        if self._alarm.rang or (self._spending is not None and self._spending.hit is not None):
            self._todo.close()

    def _left_s(self) -> float:
        return float("inf") if self._spending is None else self._spending.left_s

    async def _solve(self, instance: Instance, epoch: int, climb: Climb) -> Solution:
        if (why := self._plan.quarantined.get(instance.id)) is not None:
            return Solution(instance.id, epoch, Status.QUARANTINED, "quarantined", error=why)
        paid: list[Completion | Grading] = []  # of a climb that is cut off, the journal tells it: see _recall
        climber = None if self._spending is None else self._spending.climber(instance.id, epoch)
        with nullcontext() if climber is None else climbing(climber):
            solution = await self._climbed(instance, epoch, climb, _Account(paid, climber, self._given_up))
        for one in paid:
            self._tally.spend(one)
        return solution

    async def _climbed(self, instance: Instance, epoch: int, climb: Climb, account: "_Account") -> Solution:
        history: list[Attempt] = []
        journal = Metered(climb.journal, account.spend, account.judged, account.recalled)
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
        except (StorageError, PutOff):  # nothing more can be recorded: going on would lose what is paid for
            raise
        except InfrastructureError as error:
            why = REASONS.get(error.failure, "outage")
            ended = Solution(instance.id, epoch, Status.UNFINISHED, why, failure=error.failure, error=str(error))
        return replace(ended, attempts=tuple(history), unjudged=journal.unjudged)


@dataclass(frozen=True)
class _Account:
    """Hears what one climb records: what was paid, what it counts for its budget, what gives a rung up."""

    paid: list[Completion | Grading]
    climber: Climber | None
    given_up: GivenUp

    def spend(self, one: Completion | Grading) -> None:
        self.paid.append(one)
        if self.climber is not None and isinstance(one, Completion):
            self.climber.passed(one.seconds)

    def judged(self, instance: str, rung: str, completion: Completion, verdict: Verdict) -> None:
        self.given_up.hear(instance, rung, completion, verdict)
        if self.climber is not None:
            self.climber.passed(verdict.seconds)

    def recalled(self, one: Completion | Verdict | Grading) -> None:
        if self.climber is not None:
            self.climber.recalled(one)


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
        if solution.failure in REASONS:  # what a budget or a quota ends is no error
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
