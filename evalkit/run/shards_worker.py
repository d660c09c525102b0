"""A worker: climbs what a run in another process hands it, asks that run before each call, and tells it all."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, TypeVar

import msgspec

from evalkit.core.caps import took
from evalkit.core.errors import EvalkitError
from evalkit.core.ports import Model
from evalkit.core.types import Completion, Grading, Instance, Message, Prompt, Verdict
from evalkit.run import shards_messages as say
from evalkit.run.climbed import Account, Climb, climbed
from evalkit.run.gates import PutOff
from evalkit.run.guarded import GraderModel, Graders, guarded
from evalkit.run.road import Road
from evalkit.run.shards_throttle import SharedThrottles
from evalkit.run.spent import took_by_graders
from evalkit.run.stopping import Stopped

T = TypeVar("T")
Send = Callable[[msgspec.Struct], None]
PACE_S = 2.0  # how often the run is told how many requests are under way
HAND: ContextVar[int] = ContextVar("hand")  # the number of the climb whose call it is


@dataclass(frozen=True)
class Shared:
    """What of the run's limits is this worker's; `ahead` says how many climbs should lie ready beside those begun."""

    road: Road | None
    concurrency: int
    throttles: SharedThrottles | None

    @property
    def ahead(self) -> int:
        """Few: what lies here, another worker cannot take."""
        return (self.concurrency if self.throttles is None else self.throttles.limit) // 8


class Worker:
    """Everything on one event loop's thread, hence without a lock. `heard` is called with each message of the run."""

    def __init__(self, send: Send, setup: say.Setup, instances: Mapping[str, Instance]) -> None:
        self._send = send
        self._setup = setup
        self._instances = instances
        self._jobs: deque[say.Job] = deque()
        self._turns: deque[asyncio.Future[say.Job]] = deque()
        self._wanted = 0
        self._asking = False
        self._closed = False
        self._numbers = count()
        self._replies: dict[int, asyncio.Future[Any]] = {}
        self._paced = 0.0

    def heard(self, message: object) -> None:
        """Take what the run says."""
        match message:
            case say.Jobs():
                self._wanted -= len(message.jobs)
                self._jobs.extend(message.jobs)
                self._leave() if self._closed else self._deal()
            case say.Go() | say.Done():
                self._tell(message.call, message)
            case say.OnRecord():
                self._tell(message.number, message)
            case say.Close():
                self._close(at_once=message.at_once)
            case say.Heard():
                if self._shared.throttles is not None:
                    self._shared.throttles.overheard(message)

    async def run(self, climb: Climb, shared: Shared) -> None:
        """Climb until cancelled. Raises what ends a whole run: StorageError, and bugs."""
        self._shared = shared
        verifier = climb.verifier if shared.road is None else shared.road.aside(climb.verifier)
        self._climb = replace(climb, models=guarded(climb.models, self._through), verifier=verifier)
        async with asyncio.TaskGroup() as climbers:
            for _ in range(shared.concurrency if shared.road is None else shared.road.most):
                climbers.create_task(self._work())

    def graders(self, graders: Graders) -> "AskedFor":
        """The graders, each asked only when the run says so."""
        return AskedFor(graders, self)

    async def call(
        self,
        name: str,
        prompt: Prompt,
        perform: Callable[[], Awaitable[Completion]],
        params: Mapping[str, object] | None = None,
    ) -> Completion:
        """What `perform` returns, once the run says so, or what the run gives instead. Raises as a model does."""
        number, messages = next(self._numbers), prompt.messages if self._setup.counting else ()
        told = dict(params) if params is not None else None
        self._send(say.Ask(number, HAND.get(), name, messages, prompt.number, told))
        reply = await self._reply(number)
        completion, cause = None, None
        if isinstance(reply, say.Go):
            completion, cause = await self._performed(number, perform)
            reply = await self._reply(number)
        if reply.error is not None:
            raise say.raised(reply.error) from cause
        answer: Completion | None = reply.instead or completion
        assert answer is not None
        return answer

    async def record(self, climb: int, key: str, value: bytes) -> bytes | None:
        """Have it put on record; None once it is, or what was on record before and counts."""
        number = next(self._numbers)
        self._send(say.Record(number, climb, key, value))
        told: say.OnRecord = await self._reply(number)
        return told.earlier

    def hear(self, instance: str, rung: str, completion: Completion, verdict: Verdict) -> None:
        """Tell the run of a failure, which may give the rung up."""
        if verdict.failure is not None:
            self._send(say.Judged(instance, rung, str(verdict.failure), completion.detail))

    async def _performed(
        self, number: int, perform: Callable[[], Awaitable[Completion]]
    ) -> tuple[Completion | None, Exception | None]:
        try:
            completion = await perform()
        except (EvalkitError, Stopped) as error:
            self._send(say.Answered(number, error=say.fault(error)))
            return None, error
        self._send(say.Answered(number, replace(completion, text="")))
        return completion, None

    async def _through(self, rung: str, model: Model, prompt: Prompt) -> Completion:
        return await self.call(rung, prompt, lambda: model.complete(prompt))

    async def _work(self) -> None:
        while True:
            async with nullcontext() if self._shared.road is None else self._shared.road.place():
                await self._climbed(await self._next())

    async def _climbed(self, job: say.Job) -> None:
        HAND.set(job.climb)
        paid: list[Completion | Grading] = []
        account = Account(paid, _Budget(job.climb, self._send) if self._setup.capped else None, self)
        climb = replace(self._climb, journal=ShardJournal(job, self))
        try:
            solution = await climbed(self._instances[job.instance_id], job.epoch, climb, account)
        except Stopped:
            self._send(say.Left(job.climb))
        except PutOff as later:
            self._send(say.Left(job.climb, say.fault(later)))
        else:
            bare, edited = say.without_files(solution)
            answers = tuple(replace(one, text="") for one in paid if isinstance(one, Completion))
            gradings = tuple(one for one in paid if isinstance(one, Grading))
            self._send(say.Ended(job.climb, bare, answers, gradings, edited))
        self._tell_pace()

    async def _next(self) -> say.Job:
        turn: asyncio.Future[say.Job] = asyncio.get_running_loop().create_future()
        self._turns.append(turn)
        self._deal()
        return await turn

    def _deal(self) -> None:
        while self._jobs and self._turns:
            turn = self._turns.popleft()
            if not turn.done():
                turn.set_result(self._jobs.popleft())
        if not self._asking and not self._closed:
            self._asking = True
            asyncio.get_running_loop().call_soon(self._want)

    def _want(self) -> None:
        """Ask for as many as climbers wait, in one message for all that came to wait in this turn of the loop."""
        self._asking = False
        short = len(self._turns) + self._shared.ahead - len(self._jobs) - self._wanted
        if short > 0:
            self._wanted += short
            self._send(say.Want(short))

    def _close(self, *, at_once: bool) -> None:
        self._closed = True
        self._leave()
        if at_once and self._shared.throttles is not None:
            self._shared.throttles.close()

    def _leave(self) -> None:
        while self._jobs:
            self._send(say.Left(self._jobs.popleft().climb))

    def _reply(self, number: int) -> "asyncio.Future[Any]":
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._replies[number] = reply
        return reply

    def _tell(self, number: int, message: object) -> None:
        if (reply := self._replies.pop(number, None)) is not None and not reply.done():
            reply.set_result(message)

    def _tell_pace(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._shared.throttles is None or now < self._paced + PACE_S:
            return
        self._paced = now
        made = self._shared.throttles.made.items()
        self._send(say.Pace({name: (one.limit, one.under_way, one.highest, one.cuts) for name, one in made}))


class ShardJournal:
    """A climb's part of the run's journal: what the run knew of it, and what it has put on its disk since."""

    def __init__(self, job: say.Job, worker: Worker) -> None:
        self._known = dict(job.known)
        self._climb, self._worker = job.climb, worker

    def __contains__(self, key: str) -> bool:
        """Whether a result is recorded under `key`."""
        return key in self._known

    async def once(self, key: str, kind: type[T], effect: Callable[..., Awaitable[T]], *args: object) -> T:
        """The recorded result under `key`, or run the effect, have it recorded on the run's disk, and return it."""
        if key in self._known:
            return msgspec.json.decode(self._known[key], type=kind)
        value = await effect(*args)
        data = msgspec.json.encode(value)
        earlier = await self._worker.record(self._climb, key, data)
        self._known[key] = data if earlier is None else earlier
        return value if earlier is None else msgspec.json.decode(earlier, type=kind)


@dataclass(frozen=True)
class _Budget:
    """A climb's budget, which the run keeps."""

    climb: int
    send: Send

    def passed(self, seconds: float) -> None:
        self.send(say.Passed(self.climb, seconds))

    def recalled(self, paid: Completion | Verdict | Grading) -> None:
        took_ = took_by_graders(paid.gradings) if isinstance(paid, Verdict) else took(paid)
        self.send(say.Passed(self.climb, took_.seconds, took_.cost_usd, took_.tokens, took_.calls))


@dataclass(frozen=True)
class AskedFor:
    """Graders, each asked only when the run says so."""

    inner: Graders
    worker: Worker

    def model(self, name: str, params: Mapping[str, object]) -> GraderModel:
        """As the graders' own."""
        return self.inner.model(name, params)

    async def __call__(
        self, model: str, messages: Sequence[Message], params: Mapping[str, object], *, instance_id: str, number: int
    ) -> Completion:
        """One answer. Raises as the run's graders do."""
        prompt = Prompt(tuple(messages), instance_id, number=number)
        grader = self.inner.model(model, params)
        return await self.worker.call(model, prompt, lambda: grader.complete(prompt), params)
