"""Runs for comparisons, made of what their instances came to."""

from collections.abc import Mapping, Sequence

from evalkit.core.ladder import Ladder, Rung
from evalkit.core.pairing import Side
from evalkit.core.summary import DatasetFacts, Facts, InstanceRow, Summary
from evalkit.core.tally import Tally
from evalkit.core.traits import Traits
from evalkit.core.types import Status

LADDER = Ladder({"small": Rung("scripted/small"), "big": Rung("scripted/big")}, name="mine")
MARKS = {"+": Status.SOLVED, "-": Status.UNSOLVED, "?": Status.UNFINISHED, "!": Status.QUARANTINED}


def row(instance_id: str, mark: str, epoch: int = 1, *, cost: float | None = 0.5, attempts: int = 2) -> InstanceRow:
    """A climb: `+` solved, `-` unsolved, `?` unfinished, `!` quarantined."""
    solved = mark == "+"
    return InstanceRow(
        instance_id=instance_id,
        epoch=epoch,
        solved=solved,
        status=MARKS[mark],
        attempts=attempts,
        attempts_needed=attempts if solved else None,
        rung="small" if solved else None,
        error_type=None if solved else "test_failure",
        final_error=None if solved else "2 of 5 tests fail",
        time_seconds=1.0,
        cost_usd=cost,
        tokens_prompt=10,
        tokens_completion=5,
    )


def summary(
    marks: str | Mapping[str, str], name: str = "a", *, simulated: bool = False, digest: str = "d", **more
) -> Summary:
    """A run over i0, i1, …, a mark a climb; or {instance: a mark an epoch}."""
    climbs: Mapping[str, Sequence[str]] = (
        marks if isinstance(marks, Mapping) else {f"i{n:03}": one for n, one in enumerate(marks)}
    )
    tally = Tally(LADDER)
    tally.rows = [row(who, mark, epoch, **more) for who, each in climbs.items() for epoch, mark in enumerate(each, 1)]
    for one in tally.rows:
        tally.counts[one.status] += 1
        tally.cost.add(one.cost_usd)
    facts = Facts(f"key-{name}", name, DatasetFacts("mine", digest, len(climbs)), "mine", simulated, {})
    return tally.summary(facts, status="complete", why="", wall_seconds=1.0)


def side(marks: str | Mapping[str, str], label: str = "A", traits: Sequence[Traits] = (), **more) -> Side:
    """The same as a side of a comparison."""
    known = {one.instance_id: one for one in traits}
    return Side(label, summary(marks, label.lower(), **more), known)
