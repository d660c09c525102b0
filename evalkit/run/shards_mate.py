"""One worker, as its run sees it: what it has in hand, and its calls that are under way."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Protocol

from evalkit.core.errors import ProviderTimeoutError
from evalkit.core.failure import Failure
from evalkit.core.types import Completion
from evalkit.run import shards_messages as say
from evalkit.run.evaluate import Taken
from evalkit.run.shards_link import Link
from evalkit.run.spending import Climber

LOST = "the worker died while the call was under way"


class Started(Protocol):
    """A worker's process."""

    async def ended(self) -> str:
        """Wait until it is gone; how it ended, in a few words."""
        ...

    def kill(self) -> None:
        """End it at once."""
        ...


class WorkerLostError(ProviderTimeoutError):
    """A worker died while its call was under way: it may be billed."""

    failure = Failure.INFRASTRUCTURE


@dataclass
class Call:
    """A call that a worker wants to make; `perform` has it made there."""

    mate: "Mate"
    number: int
    waits: "asyncio.Task[None] | None"  # who looks for its turn
    answer: "asyncio.Future[Completion]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    is_going: bool = False

    async def perform(self) -> Completion:
        """What came of it, as its worker says."""
        if self.mate.is_over:
            raise WorkerLostError(LOST, requests=0)
        self.is_going = True
        self.mate.link.send(say.Go(self.number))
        return await self.answer

    def lose(self) -> None:
        """Its worker is gone."""
        if self.is_going and not self.answer.done():
            self.answer.set_exception(WorkerLostError(LOST))
        elif not self.is_going and self.waits is not None:
            self.waits.cancel()


@dataclass
class InHand:
    """A climb that a worker has."""

    taken: Taken
    climber: Climber | None


class Mate:
    """One worker, as the run sees it."""

    def __init__(self, number: int, heard: Callable[["Mate", Any], None]) -> None:
        self.number, self._heard = number, heard
        self.link = Link(say.Up, self._hear, self._lose)
        self.process: Started | None = None
        self.climbs: dict[int, InHand] = {}
        self.calls: dict[int, Call] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        self.wanted = 0
        self.key: str | None = None
        self.where = ""
        self.error: Exception | None = None
        self.providers: dict[str, tuple[int, int, int, int]] = {}
        self.is_begun = self.is_over = False
        self._changed = asyncio.Event()

    def _hear(self, message: object) -> None:
        try:
            self._heard(self, message)
        except Exception as error:  # noqa: BLE001  asyncio would only log it; whoever serves this worker raises it
            self.fail(error)
        self.wake()

    def _lose(self) -> None:
        self.is_over = True
        self.wake()

    def fail(self, error: Exception) -> None:
        """What ends the run."""
        self.error = self.error or error
        self.wake()

    def wake(self) -> None:
        """Have who waits look again."""
        self._changed.set()

    async def until(self, so: Callable[[], bool]) -> bool:
        """Wait until it is so; False where the worker is gone before. Raises what ends the run."""
        while not so() and not self.is_over and self.error is None:
            self._changed.clear()
            await self._changed.wait()
        if self.error is not None:
            raise self.error
        return not self.is_over

    def do(self, work: Coroutine[Any, Any, None]) -> None:
        """Do it beside all else; its error ends the run."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and isinstance(error, Exception):
            self.fail(error)
