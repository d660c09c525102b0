"""Phases in order, each behind its gate; a later phase recalls what the earlier ones have paid for."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from evalkit.core.gate import Decision, Gate, Ruling, check
from evalkit.core.ports import Journal
from evalkit.core.ramp import Planned
from evalkit.core.summary import Summary
from evalkit.run.spent import Recorded

T = TypeVar("T")
COMPLETE = "complete"


@dataclass(frozen=True)
class Passed:
    """A phase that was climbed: its runs' summaries by ladder ("" without shares) and its gate's ruling."""

    phase: Planned
    parts: Mapping[str, Summary]
    ruling: Ruling
    ended: bool

    @property
    def status(self) -> str:
        """The first status among its runs that is not complete."""
        return _status(self.parts)[0]


def ascend(
    phases: Sequence[Planned], climb: Callable[[Planned], Mapping[str, Summary]], *, until_good: bool = False
) -> Iterator[Passed]:
    """Climb one phase after the other while the gates let it; no phase begins before the last one was ruled on."""
    for phase in phases:
        parts = climb(phase)
        ruling = ruled(phase.gate, parts)
        goal = until_good and ruling.decision is Decision.GOOD
        ended = ruling.decision is Decision.STOP or goal or phase is phases[-1]
        yield Passed(phase, parts, ruling, ended)
        if ended:
            return


def ruled(gate: Gate, parts: Mapping[str, Summary]) -> Ruling:
    """The gate's ruling on a phase that consists of one run, or of one a ladder."""
    status, why = _status(parts)
    return check(gate, [row for part in parts.values() for row in part.instances], status=status, why=why)


def _status(parts: Mapping[str, Summary]) -> tuple[str, str]:
    broken = ((part.status, part.why) for part in parts.values() if part.status != COMPLETE)
    return next(broken, (COMPLETE, ""))


class Inheriting:
    """A journal that takes over what others of its family hold, so that nothing is paid for twice.

    Records are copied when they are asked for: each run's journal is whole by itself, and a kill between two copies
    costs nothing, since the next session copies what is missing.
    """

    def __init__(
        self, own: Recorded, others: Sequence[Recorded], heard: Callable[[object], None] = lambda _: None
    ) -> None:
        """`heard` is told of each result that is taken over."""
        self._own = own
        self._others = others
        self._heard = heard

    def __contains__(self, key: str) -> bool:
        return key in self._own or self._holder(key) is not None

    async def once(self, key: str, kind: type[T], effect: Callable[..., Awaitable[T]], *args: object) -> T:
        """As the journal's own; an inherited result counts as the effect."""
        holder = None if key in self._own else self._holder(key)
        if holder is None:
            return await self._own.once(key, kind, effect, *args)
        taken = await self._own.once(key, kind, holder.once, key, kind, effect, *args)
        self._heard(taken)
        return taken

    def recorded(self) -> tuple[str, ...]:
        """The keys of all that it or the others hold."""
        return tuple({key: None for one in (self._own, *self._others) for key in one.recorded()})

    def _holder(self, key: str) -> Journal | None:
        return next((other for other in self._others if key in other), None)
