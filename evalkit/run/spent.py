"""What a run's journal tells that it has spent, record by record."""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from evalkit.core.caps import Amount, took
from evalkit.core.types import Completion, Grading, Verdict
from evalkit.run.records import Searchable


@dataclass(frozen=True, slots=True)
class Extra:
    """A record under `spent/`: what of a climb's calls no other record tells. `epoch` 0: of no climb."""

    instance_id: str
    epoch: int
    cost_usd: float
    tokens: int
    calls: int


class Recorded(Searchable, Protocol):
    """A journal that can be read through."""

    def recorded(self) -> tuple[str, ...]:
        """The keys of all that is on disk."""
        ...


async def told(journal: Searchable, keys: Iterable[str]) -> AsyncIterator[tuple[Amount, Extra | None]]:
    """What each record says was taken; of a verdict's lost graders, its own record tells once it is there."""
    for key in keys:  # by their ends first: an instance may be called as the run's own records begin
        if key.endswith("/completion"):
            yield took(await journal.once(key, Completion, _nothing)), None
        elif key.endswith("/verdict"):
            yield took_by_graders((await journal.once(key, Verdict, _nothing)).gradings), None
        elif "/lost/" in key:
            if key.rpartition("/lost/")[0] not in journal:
                yield took_by_graders(await journal.once(key, tuple[Grading, ...], _nothing)), None
        elif key.startswith("spent/"):
            extra = await journal.once(key, Extra, _nothing)
            yield Amount(extra.cost_usd, extra.tokens, extra.calls), extra
        elif key.startswith("health/"):
            yield took_by_graders(await journal.once(key, tuple[Grading, ...], _nothing)), None


def took_by_graders(gradings: Iterable[Grading]) -> Amount:
    """What they took together."""
    return sum(map(took, gradings), Amount())


async def _nothing() -> Any:
    raise AssertionError("a record that is there is not made")
