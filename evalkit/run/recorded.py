"""The answers that a run's journal holds, and work on each of them, so many at once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from evalkit.core.failure import Failure
from evalkit.core.ports import Strategy
from evalkit.core.summary import InstanceRow
from evalkit.core.types import Attempt, Candidate, Completion, Instance, Prompt, Solution, Status, Verdict
from evalkit.run.records import OnlyRecorded, Searchable

A = TypeVar("A")
B = TypeVar("B")


class Listed(Searchable, Protocol):
    """A journal that can say all that it holds."""

    def recorded(self) -> Iterable[str]:
        """The keys of its records, in the order in which they were made."""
        ...


@dataclass(frozen=True, slots=True)
class Recorded:
    """One completion as the journal holds it, with its verdict if it came to one; `on_rung` counts from 1."""

    instance_id: str
    epoch: int
    number: int
    rung: str
    on_rung: int
    digest: str
    completion: Completion
    verdict: Verdict | None


async def recorded(journal: Listed) -> list[Recorded]:
    """All of a run's completions, in the order of each climb; of an attempt that was made anew, the last."""
    found: dict[tuple[str, int, int], tuple[str, str]] = {}
    for key in journal.recorded():
        climb, _, what = key.rpartition("/")
        if what == "completion":
            instance, epoch, number, *rung, _ = climb.split("/")  # only a rung may hold a `/`
            found[instance, int(epoch), int(number)] = (climb, "/".join(rung))
    return [one async for one in _read(journal, dict(sorted(found.items())))]


async def _read(journal: Listed, found: dict[tuple[str, int, int], tuple[str, str]]) -> AsyncIterator[Recorded]:
    recall = OnlyRecorded(journal)
    seen: dict[tuple[str, int, str], int] = {}
    for (instance, epoch, number), (climb, rung) in found.items():
        on_rung = seen[instance, epoch, rung] = seen.get((instance, epoch, rung), 0) + 1
        completion = await recall.once(f"{climb}/completion", Completion, _nothing)
        judged = f"{climb}/verdict" in journal
        verdict = await recall.once(f"{climb}/verdict", Verdict, _nothing) if judged else None
        yield Recorded(instance, epoch, number, rung, on_rung, climb.rpartition("/")[2], completion, verdict)


def solutions(
    found: Sequence[Recorded],
    rows: Mapping[tuple[str, int], InstanceRow],
    instances: Mapping[str, Instance],
    strategy: Strategy,
    prompt: Callable[[str, int, int], Prompt],
) -> Iterator[Solution]:
    """The climbs again, as far as they were judged; how each ended says its row, where the run came to write it.

    Candidates are taken out of the answers anew; `prompt` gives what was asked, by instance, epoch and number.
    """
    climbs: dict[tuple[str, int], list[Attempt]] = {key: [] for key in rows}
    for one in found:
        attempts = climbs.setdefault((one.instance_id, one.epoch), [])
        if one.verdict is not None:
            instance = instances.get(one.instance_id)
            candidate = strategy.candidate(instance, one.completion) if instance else Candidate("")
            asked = prompt(one.instance_id, one.epoch, one.number)
            attempts.append(Attempt(one.number, one.rung, one.on_rung, asked, one.completion, candidate, one.verdict))
    for (name, epoch), attempts in climbs.items():
        row = rows.get((name, epoch))
        solved = bool(attempts) and attempts[-1].verdict.accepted
        status = row.status if row else Status.SOLVED if solved else Status.UNFINISHED
        failure = Failure(row.error_type) if row and row.error_type else None
        error = (row.final_error or "") if row and status is not Status.SOLVED else ""
        yield Solution(name, epoch, status, error or str(status), tuple(attempts), failure, error)


async def _nothing() -> Any:
    raise AssertionError("what is recorded is recalled")


async def each(items: Sequence[A], work: Callable[[A], Awaitable[B]], concurrency: int) -> list[B]:
    """The results of `work` in the order of the items; the first error ends all of it, as itself."""
    gate = asyncio.Semaphore(concurrency)

    async def one(item: A) -> B:
        async with gate:
            return await work(item)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(item)) for item in items]
    except BaseExceptionGroup as errors:  # the others were cancelled because of it
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]
