"""What a run does with its journal beside recording: counts what was paid, and reads what is there."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from itertools import count, takewhile
from typing import Protocol, TypeVar

from evalkit.core.errors import InfrastructureError
from evalkit.core.failure import Failure
from evalkit.core.ports import Journal
from evalkit.core.types import Completion, Grading, Unjudged, Verdict

T = TypeVar("T")


class Searchable(Journal, Protocol):
    """A journal that knows what it holds."""

    def __contains__(self, key: str) -> bool:
        """Whether a result is recorded under `key`."""
        ...


class Metered:
    """Sees what one climb records: counts every completion and grader, also where the climb is never finished.

    `judged` hears of each attempt (instance, rung, completion, verdict); `unjudged` is the completion that still
    waits for its verdict; `recalled` hears of what was there already. Nothing that may pass is recorded: that a model
    is not in the subscription is true today, and would skip the rung for ever.
    """

    def __init__(
        self,
        inner: Searchable,
        spend: Callable[[Completion | Grading], None],
        judged: Callable[[str, str, Completion, Verdict], None],
        recalled: Callable[[Completion | Verdict | Grading], None] = lambda _: None,
    ) -> None:
        self._inner = inner
        self._recalled = recalled
        self._spend = spend
        self._judged = judged
        self.unjudged: Unjudged | None = None

    def __contains__(self, key: str) -> bool:
        return key in self._inner

    async def once(self, key: str, kind: type[T], effect: Callable[..., Awaitable[T]], *args: object) -> T:
        """As the journal's own."""
        known = key in self._inner
        lost = await self._lost_before(key) if kind is Verdict and not known else []

        async def lasting(*given: object) -> T:
            value = await effect(*given)
            if getattr(value, "failure", None) is Failure.MODEL_UNAVAILABLE:
                raise _Passing(value)
            if lost and isinstance(
                value, Verdict
            ):  # what an earlier try had paid is on the bill of the one that worked
                return replace(value, gradings=(*value.gradings, *lost))
            return value

        try:
            value = await self._inner.once(key, kind, lasting, *args)
        except _Passing as passing:
            value = passing.value  # type: ignore[assignment]  # what `effect` returned
        except InfrastructureError as error:
            await self._lose(key, lost, error.spent)
            raise
        if known and isinstance(value, Completion | Verdict):
            self._recalled(value)
        self._count(key, value)
        return value

    def _count(self, key: str, value: object) -> None:
        instance, rung = climbing(key)
        if isinstance(value, Completion):
            self._spend(value)
            self.unjudged = Unjudged(rung, value)
        elif isinstance(value, Verdict) and self.unjudged is not None:
            for grading in value.gradings:
                self._spend(grading)
            self._judged(instance, rung, self.unjudged.completion, value)
            self.unjudged = None

    async def _lost_before(self, key: str) -> list[Grading]:
        """What earlier tries of this verdict took."""
        numbers = takewhile(lambda number: _lost_key(key, number) in self._inner, count())
        lost = [grading for number in numbers for grading in await kept(self._inner, _lost_key(key, number))]
        for grading in lost:
            self._recalled(grading)
        return lost

    async def _lose(self, key: str, earlier: Sequence[Grading], now: Sequence[Grading]) -> None:
        """Count, and keep for the next session, what graders took for a verdict that did not come."""
        for grading in (*earlier, *now):
            self._spend(grading)
        if self.unjudged is not None:
            self.unjudged = replace(self.unjudged, spent=(*earlier, *now))
        number = next(number for number in count() if _lost_key(key, number) not in self._inner)
        await put(self._inner, _lost_key(key, number), now)


async def put(journal: Searchable, key: str, paid: Sequence[Grading]) -> None:
    """Record what graders took, if they took anything."""

    async def given() -> tuple[Grading, ...]:
        return tuple(paid)

    if paid:
        await journal.once(key, tuple[Grading, ...], given)


async def kept(journal: Searchable, key: str) -> tuple[Grading, ...]:
    """What `put` has recorded."""
    return await OnlyRecorded(journal).once(key, tuple[Grading, ...], _nothing)


def _lost_key(key: str, number: int) -> str:
    return f"{key}/lost/{number}"


async def _nothing() -> tuple[Grading, ...]:
    return ()


def climbing(key: str) -> tuple[str, str]:
    """Instance and rung in a key of solve's: instance/epoch/number/rung/prompt/what. Only a rung may hold a `/`."""
    parts = key.split("/")
    return parts[0], "/".join(parts[3:-2])


class OnlyRecorded:
    """A journal that recalls, and refuses to do anything new."""

    def __init__(self, inner: Searchable) -> None:
        self._inner = inner

    def __contains__(self, key: str) -> bool:
        return key in self._inner

    async def once(self, key: str, kind: type[T], effect: Callable[..., Awaitable[T]], *args: object) -> T:
        """As the journal's own. Raises NotRecorded where an effect would be needed."""
        if key not in self._inner:
            raise NotRecorded("not begun, or not finished, when the run ended")
        return await self._inner.once(key, kind, effect, *args)


class NotRecorded(InfrastructureError):  # noqa: N818  no error of anybody's: the run ended first
    """The climb's next effect is not in the journal."""


class _Passing(Exception):  # noqa: N818  carries a value past the journal
    def __init__(self, value: object) -> None:
        self.value = value
