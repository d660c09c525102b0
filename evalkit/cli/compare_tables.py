"""A comparison's tables: rows and headings, for the terminal, for Markdown and for CSV alike."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from math import isfinite
from typing import Any

from evalkit.cli.compare_words import SHORT, around, p, points
from evalkit.cli.tables import counted
from evalkit.core.breakdown import Group, RungPair
from evalkit.core.comparison import Comparison, Difference, Flip
from evalkit.core.levers import Levers
from evalkit.core.pairing import Side
from evalkit.core.stats import Interval, Place
from evalkit.core.summary import InstanceRow, RungRow, Summary

BY_REPOSITORY = "p clustered"


@dataclass(frozen=True, slots=True)
class Table:
    """`columns` maps a row's key to its heading; `name` is a file's."""

    name: str
    title: str
    columns: Mapping[str, str]
    rows: Sequence[Mapping[str, Any]]


def overview(one: Comparison) -> Table:
    """The two runs beside each other, and the paired difference of each quantity."""
    a, b = one.a.summary, one.b.summary
    rates = (one.passes[0].at_a, one.passes[0].at_b) if one.passes else (a.solved_rate, b.solved_rate)
    rows: list[dict[str, Any]] = [
        {"what": "solved", "a": _solved(a), "b": _solved(b), "difference": ""},
        {
            "what": "rate (95 %)",
            "a": percent(rates[0]),
            "b": percent(rates[1]),
            "difference": f"{around(one.found.uplift)} points",
        },
        _quantity("attempts", one.attempts, lambda value: f"{value:.2f}"),
        _quantity("seconds", one.seconds, lambda value: f"{value:.2f}"),
        _quantity("cost", one.cost_usd, dollars, rounded),
    ]
    rows += [row for row in (_per_solved(one),) if row]
    rows += [
        {"what": f"{name}{k.k}", "a": percent(a), "b": percent(b), "difference": f"{around(difference)} points"}
        for k in one.passes[1:]
        for name, a, b, difference in (("pass@", k.at_a, k.at_b, k.at), ("pass^", k.hat_a, k.hat_b, k.hat))
    ]
    columns = {"what": "an instance", "a": "A", "b": "B", "difference": "B - A (95 %)"}
    return Table("overview", "", columns, rows)


def rungs(one: Comparison) -> Table:
    """What each rung did in both runs, whole."""
    rows = [{"rung": row.name, "model": _model(row), **_rung("a", row.a), **_rung("b", row.b)} for row in one.rungs]
    columns = {"rung": "rung", "model": "model", "solved_a": "A", "solved_b": "B"}
    if any(row["cost_a"] or row["cost_b"] for row in rows):
        columns |= {"cost_a": "A costs", "cost_b": "B costs"}
    return Table("by_rung", "by rung: solved / attempts, in the whole runs", columns, rows)


def failures(one: Comparison) -> Table:
    """How unsolved climbs ended."""
    rows = [
        {"class": row.name, "a": row.a, "b": row.b, "cured_b": row.a_solved_by_b, "cured_a": row.b_solved_by_a}
        for row in one.failures
    ]
    columns = {"class": "failure", "a": "A", "b": "B", "cured_b": "of A's, B solves", "cured_a": "of B's, A solves"}
    return Table("by_failure", "how unsolved climbs ended", columns, rows)


def groups(one: Comparison) -> list[Table]:
    """By difficulty, tag and repository, where there are two or more."""
    named = (
        ("by_difficulty", "difficulty", one.difficulties),
        ("by_tag", "tag", one.tags),
        ("by_repository", "repository", one.clusters),
    )
    return [_groups(name, what, parts) for name, what, parts in named if len(parts) > 1]


def flips(one: Comparison, files: Callable[[Flip], tuple[str, str]]) -> Table:
    """Each instance that flips, and where both last attempts lie."""
    rows = []
    for flip in one.flips:
        a, b = files(flip)
        rows.append(
            {
                "instance_id": flip.instance_id,
                "a": _ended(flip.a, flip.rows_a),
                "b": _ended(flip.b, flip.rows_b),
                "attempt_a": a,
                "attempt_b": b,
            }
        )
    columns = {
        "instance_id": "instance",
        "a": "A",
        "b": "B",
        "attempt_a": "A's last attempt",
        "attempt_b": "B's last attempt",
    }
    return Table("flips", "instances that flip", columns, rows)


def runs(sides: Sequence[Side]) -> Table:
    """Several runs, a line each."""
    rows = [
        {
            "label": side.label,
            "name": name(side),
            "solved": _solved(side.summary),
            "rate": percent(side.summary.solved_rate),
            "attempts": side.summary.attempts["mean"],
            "cost": dollars(side.summary.cost_usd),
            "key": side.summary.key[:8],
        }
        for side in sides
    ]
    columns = {
        "label": "",
        "name": "run",
        "solved": "solved",
        "rate": "rate, 95 %",
        "attempts": "attempts",
        "cost": "cost",
        "key": "key",
    }
    return Table("runs", "", columns, rows)


def against(comparisons: Sequence[Comparison], *, names: bool = True) -> Table:
    """Each run against the baseline; without `names` under its label only."""
    rows = [
        {
            "run": f"{one.b.label} {one.b.summary.name}" if names else one.b.label,
            "uplift": around(one.found.uplift),
            "only": f"{len(one.found.lost)} : {len(one.found.gained)}",
            "p_value": p(one.found.p_value),
            "p_adjusted": p(one.p_adjusted),
            "clustered": one.clustered and p(one.clustered.p_value),
            "conclusion": SHORT[one.conclusion],
        }
        for one in comparisons
    ]
    base = comparisons[0].a
    title = f"against {base.label} {base.summary.name}: uplift in points (95 %), who alone solves more, exact test"
    columns = {
        "run": "run",
        "uplift": "uplift",
        "only": f"only {base.label} : it",
        "p_value": "p",
        "p_adjusted": "Holm p",
        **({"clustered": BY_REPOSITORY} if any(one.clustered for one in comparisons) else {}),
        "conclusion": "",
    }
    return Table("against", title, columns, rows)


def ranking(places: Sequence[Place], sides: Sequence[Side]) -> Table:
    """The runs from the best to the worst, and which differences are not real."""
    names = {side.label: side.summary.name for side in sides}
    rows = [
        {
            "place": place.place,
            "run": f"{place.name} {names[place.name]}",
            "rate": percent(place.rate),
            "level": ", ".join(place.level_with) or "none: it differs from all",
        }
        for place in places
    ]
    columns = {"place": "#", "run": "run", "rate": "solved (95 %)", "level": "not shown to differ from"}
    return Table("ranking", "ranking (all pairs, Holm-corrected)", columns, rows)


def factors(found: Levers) -> Table:
    """What each level of each factor adds over the baseline's."""
    rows = [
        {
            "factor": one.factor,
            "level": f"{one.baseline} → {one.level}",
            "effect": around(one.effect),
            "p_adjusted": p(one.p_adjusted),
            "clustered": clustered and p(clustered.p_adjusted),
            "conclusion": SHORT[one.conclusion],
            "matched": one.matched or "by regression",
        }
        for one, clustered in zip_longest(found.effects, found.clustered)
    ]
    columns = {
        "factor": "factor",
        "level": "change",
        "effect": "lifts, points (95 %)",
        "p_adjusted": "Holm p",
        **({"clustered": BY_REPOSITORY} if found.clustered else {}),
        "conclusion": "",
        "matched": "pairs",
    }
    title = f"what each factor does, over {counted(found.cells, 'cell')}: uplift, all else alike"
    return Table("factors", title, columns, rows)


def interplay(found: Levers) -> Table:
    """Which two levels add more, or less, together than each alone."""
    rows = [
        {
            "factors": " and ".join(f"{factor}={level}" for factor, level in zip(one.factors, one.levels, strict=True)),
            "effect": around(one.effect),
            "p_adjusted": p(one.p_adjusted),
            "conclusion": "notable" if one.notable else "not shown",
        }
        for one in found.interactions
    ]
    columns = {"factors": "together", "effect": "beyond each alone", "p_adjusted": "Holm p", "conclusion": ""}
    return Table("interactions", "factors that act together", columns, rows)


def name(side: Side) -> str:
    """What a run is called, with what must be known of it."""
    marks = ["simulated"] if side.summary.simulated else []
    marks += ["oracle"] if side.summary.tags.get("evalkit.context") == "oracle" else []  # prompts knew what to change
    return side.summary.name + "".join(f" [{mark}]" for mark in marks)


def heading(side: Side) -> str:
    """A run's column."""
    return f"{side.label}: {name(side)}"


def percent(interval: Interval | None) -> str | None:
    """`60 % (31–83)`."""
    if interval is None:
        return None
    return f"{100 * interval.value:.0f} % ({100 * interval.low:.0f}–{100 * interval.high:.0f})"


def dollars(cost: float | None) -> str | None:
    """US dollars to three digits that count."""
    if cost is None:
        return None
    return f"${cost:.2f}" if abs(cost) >= 1 else f"${cost:.3g}"


def rounded(cost: float) -> str:
    """The same to two digits, for differences."""
    return f"${cost:.2f}" if abs(cost) >= 1 else f"${cost:.2g}"


def _solved(summary: Summary) -> str:
    return f"{summary.counts['solved']} of {summary.counts['solved'] + summary.counts['unsolved']}"


def _quantity(
    what: str,
    found: Difference | None,
    told: Callable[[float], str | None],
    differing: Callable[[float], str | None] | None = None,
) -> dict[str, Any]:
    """`differing` says how a difference is told, where that is shorter."""
    each = differing or told
    if found is None:
        return {"what": what, "a": None, "b": None, "difference": "unknown"}
    one = found.difference
    bounds = f"{_signed(one.low, each)} to {_signed(one.high, each)}" if isfinite(one.high - one.low) else "no bounds"
    text = f"{_signed(one.value, each)} ({bounds})"
    return {"what": what, "a": told(found.a), "b": told(found.b), "difference": text}


def _per_solved(one: Comparison) -> dict[str, Any]:
    a, b, ratio = one.per_solved.a, one.per_solved.b, one.per_solved.ratio
    if not (a and a.value) and not (b and b.value):  # unknown, or free
        return {}
    times = None if ratio is None else f"x {ratio.value:.2f} ({ratio.low:.2f} to {ratio.high:.2f})"
    return {"what": "cost per solved", "a": a and dollars(a.value), "b": b and dollars(b.value), "difference": times}


def _signed(value: float, told: Callable[[float], str | None]) -> str:
    text = told(abs(value)) or "–"
    return f"−{text}" if value < 0 and text.strip("$0.") else f"+{text}" if text.strip("$0.") else text


def _rung(key: str, row: RungRow | None) -> dict[str, str | None]:
    if row is None:
        return {f"solved_{key}": None, f"cost_{key}": None}
    return {f"solved_{key}": f"{row.solved}/{row.attempts}", f"cost_{key}": dollars(row.cost_usd)}


def _model(row: RungPair) -> str:
    models = dict.fromkeys(side.model for side in (row.a, row.b) if side)
    return " / ".join(models)


def _groups(name: str, what: str, parts: Sequence[Group]) -> Table:
    rows = [
        {
            "name": part.name,
            "instances": part.instances,
            "a": f"{100 * part.a:.0f} %",
            "b": f"{100 * part.b:.0f} %",
            "only": f"{part.only_a} : {part.only_b}",
            "uplift": points(part.b - part.a) if part.uplift is None else around(part.uplift),
        }
        for part in parts
    ]
    columns = {
        "name": what,
        "instances": "instances",
        "a": "A",
        "b": "B",
        "only": "only A : B",
        "uplift": "B - A, points (95 %)",
    }
    return Table(name, f"by {what}", columns, rows)


def _ended(share: float, rows: Sequence[InstanceRow]) -> str:
    if len(rows) > 1:
        return f"{sum(row.solved for row in rows)} of {len(rows)}"
    row = rows[0]
    return f"solved ({row.rung}, {row.attempts})" if share else f"{row.error_type or 'unsolved'} ({row.attempts})"
