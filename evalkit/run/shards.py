"""A run's crew: workers in other processes, or on other machines, who climb for it; one that dies is replaced.

The run keeps all that is one: journal, budgets, gates, rungs given up, tally, observers. A worker has models, sandbox
and its part of the limits. It asks before each call and has each result put on record before its effect counts
(docs/decisions/0012-workers.md).
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from itertools import count as numbers
from typing import Any, Protocol

import msgspec

from evalkit.core.caps import Amount
from evalkit.core.errors import ConfigError, InfrastructureError
from evalkit.core.failure import Failure
from evalkit.core.ports import Ask
from evalkit.core.shards import MOST_DEATHS, Held, Roster
from evalkit.core.types import Completion, Grading, Prompt, Verdict
from evalkit.run import shards_messages as say
from evalkit.run.evaluate import Evaluation, Paid, Taken
from evalkit.run.gates import PutOff
from evalkit.run.records import OnlyRecorded
from evalkit.run.shards_calls import PERFORM
from evalkit.run.shards_link import Link
from evalkit.run.shards_mate import Call, InHand, Mate, Started
from evalkit.run.spending import climbing
from evalkit.run.spent import Recorded
from evalkit.run.stopping import Stopped

ENDING_S = 10.0  # that a worker gets to close its sandboxes


class Workers(Protocol):
    """Where workers are started."""

    async def join(self) -> None:
        """Make sure that workers can be started here at all. Raises ConfigError."""
        ...

    async def start(self, number: int, link: Link) -> Started:
        """Start worker `number`, whose end of `link` will be connected. Raises ConfigError where that cannot be."""
        ...

    async def close(self) -> None:
        """Let go of what was held to start them."""
        ...


@dataclass(frozen=True)
class Ground:
    """What the run has made sure of before the first climb. `ask` asks its graders."""

    journal: Recorded
    ask: Ask
    sandbox: Mapping[str, str]
    unfit: tuple[str, ...]


class Crew:
    """`count` workers. `setup` is what worker `number` is told first; `say` is told in a line when one is gone."""

    def __init__(
        self, workers: Workers, count: int, setup: Callable[[int], say.Setup], tell: Callable[[str], None]
    ) -> None:
        self._workers, self._count, self._setup, self._tell = workers, count, setup, tell
        self._starting: dict[int, asyncio.Task[Mate]] = {}
        self._mates: dict[int, Mate] = {}
        self._roster: Roster[int, tuple[str, int]] = Roster()
        self._numbers = numbers(1)
        self._held = Held()
        self._closed: say.Close | None = None
        self._base: Evaluation | None = None
        self._ground: Ground | None = None
        self._over = asyncio.Event()  # nothing is left to hand out

    async def prepare(self) -> None:
        """Have the workers started, so that they load their libraries while the run makes sure of the rest.

        Raises ConfigError where none can be.
        """
        await self._workers.join()
        for number in range(self._count):
            self._start(number)

    def stand(self, ground: Ground) -> None:
        """Everything is in order; `work` may come."""
        self._ground, self._held = ground, Held(ground.journal.recorded())

    @property
    def providers(self) -> dict[str, tuple[int, int, int, int]]:
        """Requests at providers, of all workers: allowed at once, under way, the most that were used, cuts."""
        names = {name for mate in self._mates.values() for name in mate.providers}
        told = {name: [mate.providers.get(name, (0, 0, 0, 0)) for mate in self._mates.values()] for name in names}
        return {name: _sum(parts) for name, parts in sorted(told.items())}

    async def work(self, base: Evaluation) -> None:
        """Have all that is to be done climbed. Raises what ends the run."""
        self._base = base
        async with asyncio.TaskGroup() as group:
            for number in range(self._count):
                group.create_task(self._keep(number))

    def close(self, *, at_once: bool) -> None:
        """Begin no climb any more; `at_once` also sends away the requests that wait for their turn."""
        self._closed = say.Close(at_once or (self._closed is not None and self._closed.at_once))
        for mate in self._mates.values():
            mate.link.send(self._closed)
            mate.wake()

    async def end(self) -> None:
        """Send the workers home, and wait until what they had sent is on record and they are gone."""
        for task in self._starting.values():
            task.cancel()
        started = await asyncio.gather(*self._starting.values(), return_exceptions=True)
        mates = {*self._mates.values(), *(one for one in started if isinstance(one, Mate))}
        await asyncio.gather(*(self._sent_home(mate) for mate in mates))
        await self._workers.close()

    async def _sent_home(self, mate: Mate) -> None:
        mate.link.close()
        await self._settled(mate)
        if mate.process is not None:
            if not mate.is_begun:  # it has nothing to close, and may be deep in loading libraries
                mate.process.kill()
            await self._gone(mate.process)

    async def _gone(self, process: Started) -> str:
        with suppress(TimeoutError):
            async with asyncio.timeout(ENDING_S):
                return await process.ended()
        process.kill()
        return await process.ended()

    def _start(self, number: int) -> None:
        self._starting[number] = asyncio.get_running_loop().create_task(self._started(number))

    async def _started(self, number: int) -> Mate:
        mate = Mate(number, self._heard)
        mate.process = await self._workers.start(number, mate.link)
        mate.link.send(self._setup(number))
        return mate

    async def _keep(self, number: int) -> None:
        """Have one worker at this place until nothing is left to climb."""
        while (mate := await self._present(number)) is not None:
            self._mates[number] = mate
            try:
                if await self._served(mate):
                    self._over.set()
            finally:
                mate.link.close()
            if self._over.is_set():
                return
            await self._buried(mate)
            if self._closed is not None:
                return
            self._start(number)

    async def _present(self, number: int) -> Mate | None:
        """The worker that was started for this place; None where all is done before there is room for it."""
        starting = self._starting[number]
        over = asyncio.get_running_loop().create_task(self._over.wait())
        try:
            await asyncio.wait({starting, over}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            over.cancel()
        return await starting if starting.done() else None

    async def _served(self, mate: Mate) -> bool:
        """Whether the worker stayed until nothing was left to climb."""
        assert self._ground is not None
        if not await mate.until(lambda: mate.key is not None):
            return False
        if (here := self._setup(mate.number).key) != mate.key:
            raise ConfigError(
                f"worker {mate.number + 1} ({mate.where}) makes run {mate.key} of this config, which is {here} "
                "here: its files (dataset, rubrics, scripts) or its evalkit are others. Give all machines the same."
            )
        mate.is_begun = True
        mate.link.send(say.Begin(dict(self._ground.sandbox), self._ground.unfit))
        if self._closed is not None:
            mate.link.send(self._closed)
        feeding = asyncio.get_running_loop().create_task(self._fed(mate))
        feeding.add_done_callback(lambda _: mate.wake())
        try:
            if await mate.until(feeding.done):
                await feeding
                return await mate.until(lambda: not mate.climbs)
            return False
        finally:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)

    async def _fed(self, mate: Mate) -> None:
        """Hand the worker what it asks for, until there is nothing more."""
        assert self._base is not None
        todo = self._base.todo
        while await mate.until(lambda: mate.wanted > 0 or self._closed is not None):
            if (taken := await todo.next()) is None:
                return
            try:
                await self._handed(mate, taken)
            except asyncio.CancelledError:
                todo.later(0.0, taken)
                todo.done()
                raise

    async def _handed(self, mate: Mate, taken: Taken) -> None:
        assert self._base is not None
        instance, epoch = taken
        keys = self._held.of(instance.id, epoch)
        if (keys or instance.id in self._base.quarantined) and await self._base.recalled(taken):
            self._held.forget(instance.id, epoch)
            self._base.todo.done()
            return
        known = {key: await self._value(key) for key in keys}
        number = next(self._numbers)
        self._roster.give(mate.number, (instance.id, epoch))
        mate.climbs[number] = InHand(taken, self._base.climber(instance.id, epoch))
        mate.wanted -= 1
        mate.link.send(say.Jobs([say.Job(number, instance.id, epoch, known)]))

    async def _value(self, key: str) -> bytes:
        """What the journal, or the family's, holds; with its own kind, for what is inherited is copied and counted."""
        assert self._ground is not None
        kind: Any = tuple[Grading, ...] if "/lost/" in key else Verdict if key.endswith("/verdict") else Completion
        return msgspec.json.encode(await OnlyRecorded(self._ground.journal).once(key, kind, _nothing))

    def _heard(self, mate: Mate, message: object) -> None:  # noqa: C901, PLR0912  a table
        assert isinstance(message, say.Said)
        match message:
            case say.Ready():
                mate.key, mate.where = message.key, message.where
            case say.Want():
                mate.wanted += message.count
            case say.Ask():
                mate.do(self._asked(mate, message))
            case say.Answered():
                self._answered(mate, message)
            case say.Record():
                mate.do(self._recorded(mate, message))
            case say.Judged():
                assert self._base is not None
                verdict = Verdict(accepted=False, failure=Failure(message.failure))
                self._base.given_up.hear(
                    message.instance_id, message.rung, Completion("", detail=message.detail), verdict
                )
            case say.Passed():
                if (climber := mate.climbs[message.climb].climber) is not None:
                    passed = Amount(message.cost_usd, message.tokens, message.calls, message.seconds)
                    climber.budget.spent += passed
            case say.Ended():
                self._ended(mate, message)
            case say.Left():
                self._left(mate, message)
            case say.Heard():
                for other in self._mates.values():
                    if other is not mate:
                        other.link.send(message)
            case say.Pace():
                mate.providers = message.providers
            case say.Broken():
                mate.fail(say.raised(message.error))

    async def _asked(self, mate: Mate, ask: say.Ask) -> None:
        """Find a worker's call its turn, by all that guards a call of the run."""
        call = mate.calls[ask.call] = Call(mate, ask.call, asyncio.current_task())
        PERFORM.set(call.perform)
        done = say.Done(ask.call)
        try:
            completion = await self._guarded(mate.climbs[ask.climb], ask)
            done.instead = None if call.answer.done() and completion is call.answer.result() else completion
        except (InfrastructureError, ConfigError, Stopped) as error:
            done.error = say.fault(error)
        finally:
            del mate.calls[ask.call]
        mate.link.send(done)

    async def _guarded(self, hand: InHand, ask: say.Ask) -> Completion:
        assert self._base is not None
        assert self._ground is not None
        (instance, epoch), climber = hand.taken, hand.climber
        with nullcontext() if climber is None else climbing(climber):
            if ask.params is None:
                return await self._base.ask(ask.name, Prompt(ask.prompt, instance.id, epoch, ask.number))
            return await self._ground.ask(ask.name, ask.prompt, ask.params, instance_id=instance.id, number=ask.number)

    def _answered(self, mate: Mate, message: say.Answered) -> None:
        answer = mate.calls[message.call].answer
        if answer.done():
            return
        if message.error is not None:
            answer.set_exception(say.raised(message.error))
        elif message.completion is not None:
            answer.set_result(message.completion)

    async def _recorded(self, mate: Mate, record: say.Record) -> None:
        assert self._ground is not None
        ours = msgspec.Raw(record.value)

        async def given() -> msgspec.Raw:
            return ours

        found = await self._ground.journal.once(record.key, msgspec.Raw, given)
        self._held.add(record.key)
        earlier = None if found is ours else bytes(found)
        mate.link.send(say.OnRecord(record.number, earlier))

    def _ended(self, mate: Mate, message: say.Ended) -> None:
        assert self._base is not None
        taken = self._taken_back(mate, message.climb, ended=True)
        instance, epoch = taken
        self._held.forget(instance.id, epoch)
        paid: Paid = [*message.answers, *message.gradings]
        try:
            self._base.end(taken, say.with_files(message.solution, message.edited, instance), paid)
        finally:
            self._base.todo.done()

    def _left(self, mate: Mate, message: say.Left) -> None:
        assert self._base is not None
        taken = self._taken_back(mate, message.climb, ended=False)
        if message.later is not None and isinstance(later := say.raised(message.later), PutOff):
            self._base.put_off(taken, later)
        self._base.todo.done()

    def _taken_back(self, mate: Mate, climb: int, *, ended: bool) -> Taken:
        instance, epoch = mate.climbs.pop(climb).taken
        self._roster.take(mate.number, (instance.id, epoch), ended=ended)
        return instance, epoch

    async def _settled(self, mate: Mate) -> None:
        """What a worker that is gone had sent is on record, and its calls are settled."""
        mate.is_over = True
        for call in list(mate.calls.values()):
            call.lose()
        await asyncio.gather(*mate.tasks, return_exceptions=True)

    async def _buried(self, mate: Mate) -> None:
        """Hand out again what the worker had; its place is free. Raises InfrastructureError where that is no use."""
        assert self._base is not None
        assert mate.process is not None
        await self._settled(mate)
        if mate.error is not None:
            raise mate.error
        how = await self._gone(mate.process)
        hand = {(one.taken[0].id, one.taken[1]): one.taken for one in mate.climbs.values()}
        mate.climbs.clear()
        death = self._roster.died(mate.number)
        who = f"worker {mate.number + 1} ({mate.where or 'which had not begun'})"
        self._tell(f"{who} is gone: {how}; {len(hand)} climbs that it had in hand go on in others")
        for climb in death.lost:
            why = f"{MOST_DEATHS} workers that had this climb in hand died; the last one: {how}"
            await self._base.give_up(hand[climb], why)
            self._base.todo.done()
        for climb in death.again:
            self._base.todo.later(0.0, hand[climb])
            self._base.todo.done()
        if death.hopeless:
            raise InfrastructureError(
                f"workers die before they end a climb; the last one: {how}. Mend that, or set limits.processes=1"
            )


def _sum(parts: list[tuple[int, int, int, int]]) -> tuple[int, int, int, int]:
    limit, under_way, highest, cuts = (sum(column) for column in zip(*parts, strict=True))
    return limit, under_way, highest, cuts


async def _nothing() -> Any:
    raise AssertionError("what is recorded is recalled")
