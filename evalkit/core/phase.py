"""phase_<X>_results.json: what a phase came to and what its gate said, in the words of INTERFACE.md; pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from evalkit.core.gate import Ruling
from evalkit.core.ramp import tiers
from evalkit.core.stats import Interval, paired
from evalkit.core.summary import InstanceRow
from evalkit.core.tally import Total
from evalkit.core.types import JUDGED, Status


@dataclass(frozen=True, slots=True)
class ResultRow:
    """One climb. `verified`: an attempt was accepted. `ladder` is set where the sample is shared out."""

    instance_id: str
    verified: bool
    attempts: int
    attempts_needed: int | None
    error_type: str | None
    final_error: str | None
    time_seconds: float
    status: Status
    epoch: int = 1
    ladder: str = ""


@dataclass(frozen=True, slots=True)
class PhaseSummary:
    """`success_rate` is of the judged climbs: unfinished and quarantined ones are no evidence (invariant 1).

    `improvement_from_previous` is this rate minus the phase's before, on other instances too; None for the first.
    """

    total: int
    verified: int
    success_rate: float | None
    avg_attempts: float | None
    avg_time: float | None
    most_common_error: str | None
    improvement_from_previous: float | None
    judged: int = 0
    unfinished: int = 0
    quarantined: int = 0
    cost_usd: float | None = None
    tiers: Mapping[str, str] = field(default_factory=dict)
    by_ladder: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Retried:
    """A batch run again, against the earlier ramp's results, on exactly the instances that both judged.

    `uplift`, `p_value` and `conclusion` are None for `failed`: of instances chosen because they failed some pass
    the second time by chance alone, and none can get worse.
    """

    of: str
    mode: str
    phase: int
    shared: int
    before: int
    after: int
    gained: tuple[str, ...]
    lost: tuple[str, ...]
    improvement: float | None
    uplift: Interval | None = None
    p_value: float | None = None
    conclusion: str | None = None


@dataclass(frozen=True, slots=True)
class PhaseResults:
    """The whole file. `phase` counts from 1; `runs` are the keys of the runs that the phase consists of."""

    phase: int
    timestamp: str
    config: Mapping[str, Any]
    results: tuple[ResultRow, ...]
    summary: PhaseSummary
    gate: Ruling
    name: str = ""
    simulated: bool = False
    runs: tuple[str, ...] = ()
    retry: Retried | None = None


def result_rows(rows: Iterable[InstanceRow], ladder: str = "") -> tuple[ResultRow, ...]:
    """Climbs as the file words them."""
    return tuple(
        ResultRow(
            row.instance_id,
            row.solved,
            row.attempts,
            row.attempts_needed,
            row.error_type,
            row.final_error,
            row.time_seconds,
            row.status,
            row.epoch,
            ladder,
        )
        for row in rows
    )


def phase_summary(
    results: Sequence[ResultRow], ruling: Ruling, costs: Iterable[float | None], previous: float | None
) -> PhaseSummary:
    """A phase's numbers; `previous` is the success rate of the phase before."""
    judged = [row for row in results if row.status in JUDGED]
    rate = _rate(judged)
    errors = Counter(row.error_type for row in results if row.error_type and not row.verified)
    counts = Counter(row.status for row in results)
    cost = Total()
    for one in costs:
        cost.add(one)
    return PhaseSummary(
        total=len(results),
        verified=counts[Status.SOLVED],
        success_rate=rate,
        avg_attempts=fmean(row.attempts for row in judged) if judged else None,
        avg_time=fmean(row.time_seconds for row in judged) if judged else None,
        most_common_error=errors.most_common(1)[0][0] if errors else None,
        improvement_from_previous=None if rate is None or previous is None else rate - previous,
        judged=len(judged),
        unfinished=counts[Status.UNFINISHED],
        quarantined=counts[Status.QUARANTINED],
        cost_usd=cost.value,
        tiers=tiers(ruling.value, ruling.low),
        by_ladder=_by_ladder(judged),
    )


def retried(of: str, mode: str, phase: int, before: Sequence[ResultRow], after: Sequence[ResultRow]) -> Retried:
    """What a batch gained over the earlier ramp, instance by instance."""
    was, now = _solved(before), _solved(after)
    shared = sorted(was.keys() & now.keys())
    gained = tuple(name for name in shared if now[name] and not was[name])
    lost = tuple(name for name in shared if was[name] and not now[name])
    facts = (of, mode, phase, len(shared), sum(was[name] for name in shared), sum(now[name] for name in shared))
    improvement = (len(gained) - len(lost)) / len(shared) if shared else None
    if mode == "failed" or not shared:
        return Retried(*facts, gained, lost, improvement)
    found = paired(was, now)
    return Retried(*facts, gained, lost, improvement, found.uplift, found.p_value, found.conclusion)


def _solved(rows: Sequence[ResultRow]) -> dict[str, bool]:
    """Judged instances; one with several epochs is solved where most of them are."""
    found: dict[str, list[bool]] = {}
    for row in rows:
        if row.status in JUDGED:
            found.setdefault(row.instance_id, []).append(row.verified)
    return {name: 2 * sum(solved) > len(solved) for name, solved in found.items()}


def _by_ladder(judged: Sequence[ResultRow]) -> dict[str, dict[str, float | None]]:
    ladders = sorted({row.ladder for row in judged} - {""})
    return {name: _share([row for row in judged if row.ladder == name]) for name in ladders}


def _share(rows: Sequence[ResultRow]) -> dict[str, float | None]:
    return {"total": len(rows), "verified": sum(row.verified for row in rows), "success_rate": _rate(rows)}


def _rate(rows: Sequence[ResultRow]) -> float | None:
    return sum(row.verified for row in rows) / len(rows) if rows else None
