"""A ramp's summary.json: the last phase's numbers under the ramp's own key; pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean

from evalkit.core.stats import solved_rate
from evalkit.core.summary import Facts, InstanceRow, Summary
from evalkit.core.tally import Total
from evalkit.core.types import JUDGED, Status


def ramp_summary(
    facts: Facts, parts: Sequence[Summary], *, status: str, why: str, wall_seconds: float, tags: Mapping[str, str]
) -> Summary:
    """The last phase's runs as one, which is the ramp's result. `wall_seconds` is that of all phases."""
    whole = parts[0] if len(parts) == 1 else _together(parts)
    return replace(
        whole,
        key=facts.key,
        name=facts.name,
        dataset=facts.dataset,
        ladder=facts.ladder,
        simulated=facts.simulated,
        status=status,
        why=why,
        wall_seconds=wall_seconds,
        tags={**facts.tags, **tags},
    )


def _together(parts: Sequence[Summary]) -> Summary:
    """The runs of a sample that was shared out over ladders, added up."""
    rows = sorted((row for part in parts for row in part.instances), key=lambda row: (row.instance_id, row.epoch))
    judged = [row for row in rows if row.status in JUDGED]
    counts = Counter({str(status): 0 for status in Status})
    counts.update(str(row.status) for row in rows)
    failures: Counter[str] = Counter()
    for part in parts:
        failures.update(part.failures)
    solved, cost = counts[Status.SOLVED], _sum(part.cost_usd for part in parts)
    return replace(
        parts[0],
        counts=dict(counts),
        solved_rate=solved_rate((row.instance_id, row.solved) for row in judged),
        attempts=_attempts(judged),
        by_rung=tuple(replace(rung, name=f"{part.ladder}.{rung.name}") for part in parts for rung in part.by_rung),
        failures=dict(failures.most_common()),
        cost_usd=cost,
        cost_usd_per_solved=cost / solved if cost is not None and solved else None,
        tokens={name: _whole(_sum(part.tokens[name] for part in parts)) for name in ("prompt", "completion")},
        seconds={"mean": _mean([row.time_seconds for row in judged]), "p95": None},
        skipped_rungs={f"{part.ladder}.{name}": why for part in parts for name, why in part.skipped_rungs.items()},
        instances=tuple(rows),
    )


def _attempts(judged: Sequence[InstanceRow]) -> dict[str, float | Mapping[str, int] | None]:
    histogram = Counter(row.attempts for row in judged)
    return {
        "mean": _mean([row.attempts for row in judged]),
        "mean_solved": _mean([row.attempts for row in judged if row.solved]),
        "histogram": {str(attempts): histogram[attempts] for attempts in sorted(histogram)},
    }


def _sum(values: Iterable[float | None]) -> float | None:
    total = Total()
    for value in values:
        total.add(value)
    return total.value


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
