"""A comparison as JSON; the names are fixed (docs/interface.md), adding is free."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from math import isfinite
from typing import Any

import msgspec

from evalkit.core.comparison import Comparison, Difference, Flip
from evalkit.core.levers import Levers
from evalkit.core.pairing import Side
from evalkit.core.stats import Compared, Place

SHARED = "climbs that both judged"
Files = Callable[[Comparison, Flip], tuple[str, str]]


def runs(sides: Sequence[Side]) -> list[dict[str, Any]]:
    """A row a run."""
    return [
        {
            "id": side.summary.key,
            "name": side.summary.name,
            "label": side.label,
            "solved_rate": msgspec.to_builtins(side.summary.solved_rate),
            "counts": dict(side.summary.counts),
            "status": side.summary.status,
            "simulated": side.summary.simulated,
            "attempts_mean": side.summary.attempts["mean"],
            "cost_usd": side.summary.cost_usd,
            "cost_usd_per_solved": side.summary.cost_usd_per_solved,
            "seconds_mean": side.summary.seconds["mean"],
        }
        for side in sides
    ]


def comparison(one: Comparison, files: Files, *, shared_only: bool = False) -> dict[str, Any]:
    """One run against the baseline. A number without bound is null.

    `shared_only`: the runs' instances may differ, so that what whole runs cost says nothing.
    """
    a, b, found = one.a.summary, one.b.summary, one.found
    told = {
        "a": a.key,
        "b": b.key,
        "instances": found.instances,
        "epochs": found.epochs,
        "both": found.both,
        "only_a": len(found.lost),
        "only_b": len(found.gained),
        "neither": found.neither,
        "mixed": found.mixed,
        "uplift": asdict(found.uplift),
        "p_value": found.p_value,
        "p_adjusted": one.p_adjusted,
        "test": found.test,
        "conclusion": one.conclusion,
        "note": found.note,
        "smallest_uplift": one.smallest,
        "sample_for_uplift": found.sample,
        "clustered": _clustered(one.clustered),
        "cost_usd": {**_totals(one, shared_only=shared_only), "mean": _mean(one.cost_usd)},
        "attempts": _mean(one.attempts),
        "seconds": _mean(one.seconds),
        "cost_usd_per_solved": asdict(one.per_solved),
        "passes": [asdict(passes) for passes in one.passes],
        "by_rung": msgspec.to_builtins(one.rungs),
        "by_failure": msgspec.to_builtins(one.failures),
        "by_tag": [asdict(group) for group in one.tags] if one.known else None,
        "by_difficulty": [asdict(group) for group in one.difficulties] if one.known else None,
        "by_repository": [asdict(group) for group in one.clusters] if one.known else None,
        "left_out": one.left_out,
        "flips": [_flip(one, flip, files) for flip in one.flips],
    }
    return dict(_finite(told))


def ranking(places: Sequence[Place]) -> list[dict[str, Any]]:
    """The runs by rank, under their labels."""
    return [
        {
            "place": place.place,
            "label": place.name,
            "solved_rate": asdict(place.rate),
            "level_with": list(place.level_with),
            "p_next": place.p_next,
        }
        for place in places
    ]


def levers(found: Levers) -> dict[str, Any]:
    """What each factor of a sweep does, alone and together."""
    return {
        "effects": [dict(_finite(asdict(one))) for one in found.effects],
        "effects_clustered": [dict(_finite(asdict(one))) for one in found.clustered],
        "interactions": [dict(_finite(asdict(one))) for one in found.interactions],
    }


def _clustered(found: Compared | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "clusters": found.clusters,
        "uplift": asdict(found.uplift),
        "p_value": found.p_value,
        "test": found.test,
        "conclusion": found.conclusion,
    }


def _totals(one: Comparison, *, shared_only: bool) -> dict[str, Any]:
    """What both spent, and `over` what."""
    a, b = one.spent if shared_only else (one.a.summary.cost_usd, one.b.summary.cost_usd)
    difference = None if a is None or b is None else b - a
    return {"a": a, "b": b, "difference": difference, "over": SHARED if shared_only else "whole runs"}


def _mean(found: Difference | None) -> dict[str, Any] | None:
    return None if found is None else {**asdict(found), "over": SHARED}


def _flip(one: Comparison, flip: Flip, files: Files) -> dict[str, Any]:
    """Solved or not on each side; with repeats, the shares."""
    once = len(flip.rows_a) == 1
    a, b = files(one, flip)
    return {
        "instance_id": flip.instance_id,
        "a": bool(flip.a) if once else flip.a,
        "b": bool(flip.b) if once else flip.b,
        "attempt_a": a,
        "attempt_b": b,
    }


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _finite(one) for name, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, list | tuple) else value
