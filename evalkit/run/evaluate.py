"""One run: instances x epochs climb the ladder, so many at once, and what comes of it is added up."""

import asyncio
import time
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Protocol

from evalkit.core.failure import Failure
from evalkit.core.ports import Observer
from evalkit.core.summary import Facts, Summary
from evalkit.core.tally import Tally
from evalkit.core.types import Completion, Grading, Instance, Prompt, Solution, Status
from evalkit.run.alarm import Alarm
from evalkit.run.climbed import NOT_BEGUN, Account, Climb, climbed
from evalkit.run.gates import Gates, GateSettings, PutOff
from evalkit.run.given_up import GivenUp
from evalkit.run.ledger import paid_for_health
from evalkit.run.records import OnlyRecorded, Searchable
from evalkit.run.road import Road
from evalkit.run.spending import Climber, Spending, climbing
from evalkit.run.stopping import Stop, Stopped
from evalkit.run.todo import Todo

__all__ = ["Climb", "Crew", "Evaluation", "Plan"]

IN_ORDER = 1000  # climbs on record: so many are recalled before the first new one is begun, more beside the new ones
Taken = tuple[Instance, int]  # an instance and its epoch
Paid = Sequence[Completion | Grading]


@dataclass(frozen=True)
class Plan:
    """Which climbs, and how. `quarantined` says by instance id why it is not asked (invariant 5)."""

    instances: Sequence[Instance]
    epochs: int
    concurrency: int
    identical_errors: int
    quarantined: Mapping[str, str]
    road: Road | None = None  # how many climbs go at once where that is found out; None: `concurrency`, always


class Crew(Protocol):
    """Workers elsewhere, in other processes or on other machines, who climb for the run."""

    async def work(self, base: "Evaluation") -> None:
        """Have all that is to be done climbed."""
        ...

    def close(self, *, at_once: bool) -> None:
        """Begin no climb any more; `at_once` also sends away the requests that wait for their turn."""
        ...


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
        crew: Crew | None = None,
    ) -> None:
        """`spending` caps the run (None: nothing does); `say` is told in a line when a rung is asked no more.

        `gates` are the run's own where graders are asked through them as well; `crew` climbs
        elsewhere (None: here), and then `climb`'s models are asked by `ask` alone.
        """
        self._plan = plan
        self._crew = crew
        self._spending = spending
        if not isinstance(gates, Gates):
            gates = Gates(climb.ladder, gates or GateSettings(), say, self._left_s)
        self._gates = gates
        models = climb.models if spending is None else spending.guarded(climb.models, climb.ladder.rungs)
        models = self._gates.guarded(models)
        self._tally = Tally(climb.ladder)
        self._journal = climb.journal
        self.given_up = GivenUp(climb.ladder, climb.journal)
        self._stop = Stop()
        self._climb = replace(climb, models=self._stop.guarded(self.given_up.guarded(models)))
        if plan.road is not None:
            self._climb = replace(self._climb, verifier=plan.road.aside(climb.verifier))
        self._observers = observers
        self.todo = Todo(self._climbs())
        self._alarm = Alarm(plan.identical_errors)
        self._ended: list[set[str]] = [set() for _ in range(plan.epochs)]  # by epoch: a pair a climb takes 56 bytes

    async def run(self) -> None:
        """Climb until all is done or the alarm rings. Raises StorageError where nothing can be recorded."""
        for paid in await paid_for_health(self._journal):
            self._tally.spend(paid)
        try:
            if self._crew is not None:
                await self._crew.work(self)
            else:
                await self._climb_here()
        except* Exception as group:  # noqa: BLE001  unwraps the group; nothing is swallowed
            raise first_error(group) from None
        finally:
            await self._recall()

    async def _climb_here(self) -> None:
        begun = _begun(self._journal)
        async with asyncio.TaskGroup() as workers:
            if len(begun) > IN_ORDER:
                self.todo.set_aside(lambda taken: _name(taken) in begun)
                workers.create_task(self._recall_begun(begun))
            for _ in range(self._plan.concurrency if self._plan.road is None else self._plan.road.most):
                workers.create_task(self._work())

    async def _recall_begun(self, begun: Container[tuple[str, int]]) -> None:
        """Bring recorded climbs to their end while the workers ask for new ones, and hand them those that go on."""
        try:
            for taken in self._climbs():
                if self._stop.asked:
                    return
                if _name(taken) in begun:
                    if not await self.recalled(taken):
                        self.todo.later(0.0, taken)
                    await asyncio.sleep(0)
        finally:
            self.todo.done()

    def stop(self) -> None:
        """Begin nothing any more: calls under way end and are recorded, then `run` returns."""
        self._stop.asked = True
        self._begin_no_more(at_once=True)

    def _begin_no_more(self, *, at_once: bool = False) -> None:
        self.todo.close()
        if self._crew is not None:
            self._crew.close(at_once=at_once)

    @property
    def is_stopped(self) -> bool:
        """Whether it was told to stop before all had ended."""
        return self._stop.asked and sum(map(len, self._ended)) < len(self._plan.instances) * self._plan.epochs

    async def _recall(self) -> None:
        """Add what the journal holds of climbs that this session did not come to; asks nobody anything."""
        for instance, epoch in self._climbs():
            if instance.id not in self._ended[epoch - 1]:
                solution, paid = await self._recorded(instance, epoch)
                for one in paid:
                    self._tally.spend(one)
                self._tally.add(solution)

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
        if (taken := await self.todo.next()) is None:
            return False
        try:
            solution, paid = await self._climbed(*taken, self._climb)
        except Stopped:  # what it had recorded is added by _recall
            return False
        except PutOff as later:
            self.put_off(taken, later)
        else:
            self.end(taken, solution, paid)
        finally:
            self.todo.done()
        return True

    @property
    def quarantined(self) -> Mapping[str, str]:
        """The instances that are not asked, by id, with the reason."""
        return self._plan.quarantined

    async def ask(self, rung: str, prompt: Prompt) -> Completion:
        """What a rung answers, asked as climbs ask it. Raises what its guards and its provider raise."""
        return await self._climb.models[rung].complete(prompt)

    async def recalled(self, taken: Taken) -> bool:
        """Whether the climb has ended without anybody being asked: it is quarantined, or recorded to its end."""
        solution, paid = await self._recorded(*taken)
        if solution.reason == NOT_BEGUN:
            return False
        self.end(taken, solution, paid, is_news=False)
        return True

    async def give_up(self, taken: Taken, why: str) -> None:
        """End a climb that could not be brought to its end, with what is recorded of it."""
        solution, paid = await self._recorded(*taken)
        self.end(taken, replace(solution, reason="outage", failure=Failure.INFRASTRUCTURE, error=why), paid)

    async def _recorded(self, instance: Instance, epoch: int) -> tuple[Solution, Paid]:
        recorded = replace(self._climb, journal=OnlyRecorded(self._journal))
        return await self._climbed(instance, epoch, recorded)

    def put_off(self, taken: Taken, later: PutOff) -> None:
        """It goes on when its rung may be asked again; while a provider is down nothing new is begun at its door."""
        self.todo.later(later.ready_at, taken, also_fresh=later.is_first)

    def end(self, taken: Taken, solution: Solution, paid: Paid, *, is_news: bool = True) -> None:
        """A climb has come to its end, and has cost what was `paid`; one that was recorded ends no row of outages."""
        instance, epoch = taken
        self._ended[epoch - 1].add(instance.id)
        for one in paid:
            self._tally.spend(one)
        if is_news:
            self._alarm.hear(solution)
        self._tally.add(solution)
        for observer in self._observers:
            observer.climbed(solution)
        if self._alarm.rang or (self._spending is not None and self._spending.hit is not None):
            self._begin_no_more()

    def _left_s(self) -> float:
        return float("inf") if self._spending is None else self._spending.left_s

    async def _climbed(self, instance: Instance, epoch: int, climb: Climb) -> tuple[Solution, Paid]:
        if (why := self._plan.quarantined.get(instance.id)) is not None:
            return Solution(instance.id, epoch, Status.QUARANTINED, "quarantined", error=why), ()
        paid: list[Completion | Grading] = []  # of a climb that is cut off, the journal tells it: see _recall
        climber = self.climber(instance.id, epoch)
        with nullcontext() if climber is None else climbing(climber):
            return await climbed(instance, epoch, climb, Account(paid, climber, self.given_up)), paid

    def climber(self, instance_id: str, epoch: int) -> Climber | None:
        """A climb's budget; None where nothing is counted."""
        return None if self._spending is None else self._spending.climber(instance_id, epoch)


def _name(taken: Taken) -> tuple[str, int]:
    return taken[0].id, taken[1]


def _begun(journal: Searchable) -> set[tuple[str, int]]:
    """The climbs that a journal holds anything of; its other records look like none, or like one of no instance."""
    recorded = getattr(journal, "recorded", tuple)
    parts = (key.split("/", 2) for key in recorded())
    return {(one[0], int(one[1])) for one in parts if len(one) > 2 and one[1].isdecimal()}  # noqa: PLR2004  id/epoch/…


def first_error(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first error in a group: the others were cancelled because of it."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
