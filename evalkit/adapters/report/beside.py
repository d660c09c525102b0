"""What the page of several runs shows: each against the first, and all of them side by side."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isinf
from pathlib import Path
from typing import Any

from evalkit.adapters.report.figures import Badge, badges, stairs
from evalkit.adapters.report.gathered import Gathered, Place, gather
from evalkit.adapters.report.packing import Packing
from evalkit.adapters.report.rendering import label, rendered
from evalkit.adapters.report.saving import MOST_BYTES, Written, saved
from evalkit.adapters.report.words import between, count, duration, mean, money, percent, points
from evalkit.core.comparison import Comparison, Difference
from evalkit.core.summary import Summary

LISTED = 60  # flips that the page names; the list below has them all
GROUPS = 20
WORDS = {
    "better": "{b} is better than {a}.",
    "worse": "{b} is worse than {a}.",
    "no_difference_shown": "No difference is shown between {a} and {b}.",
    "cannot_show": "These runs cannot show a difference: too few instances differ.",
}


@dataclass(frozen=True)
class Against:
    """One run against the baseline, as the page words it. `least` and `most` bound the track of the uplift."""

    letter: str
    name: str
    found: Comparison
    conclusion: str
    look: str
    bound: float
    parts: list[tuple[str, int, str]]
    hint: str
    gained: list[str]
    lost: list[str]


def write_comparison(
    folders: Sequence[Path], found: Sequence[Comparison], out: Path, *, place: Place, most_bytes: int = MOST_BYTES
) -> Written:
    """Write runs beside each other: the first folder's is the baseline of all `found`, in the folders' order.

    Raises as `write_run` does.
    """
    packing = Packing(most_bytes)
    sides = [found[0].a, *(one.b for one in found)]
    flipped = {flip.instance_id for one in found for flip in one.flips}
    runs = [gather(folder, side.summary, packing, place, flipped) for folder, side in zip(folders, sides, strict=True)]
    packing.close()
    values = comparison_values(runs, found)
    return saved(out, rendered("comparison.html.j2", runs, packing, values), sum(run.left_out for run in runs))


def comparison_values(runs: Sequence[Gathered], found: Sequence[Comparison]) -> dict[str, Any]:
    """The template's values."""
    letters = [label(number) for number in range(len(runs))]
    against = [_against(letter, one) for letter, one in zip(letters[1:], found, strict=True)]
    summaries = [run.summary for run in runs]
    return {
        "letters": letters,
        "runs": runs,
        "summaries": summaries,
        "against": against,
        "listed": LISTED,
        "badges": _badges(letters, summaries),
        "uncounted": [_uncounted(letter, one) for letter, one in zip(letters, summaries, strict=True)],
        "rows": _rows(summaries, found),
        "stairs": [stairs(run.summary, run.came) for run in runs],
        "groups": _groups(found[0]) if len(found) == 1 else [],
        "epochs": max((row.epoch for one in summaries for row in one.instances), default=1),
    }


def _against(letter: str, one: Comparison) -> Against:
    found, uplift = one.found, one.found.uplift
    parts = [
        ("both", found.both, "both"),
        ("only_b", len(found.gained), f"only {letter}" if found.epochs == 1 else f"{letter} more often"),
        ("mixed", found.mixed, "the same share"),
        ("only_a", len(found.lost), "only A" if found.epochs == 1 else "A more often"),
        ("neither", found.neither, "neither"),
    ]
    return Against(
        letter=letter,
        name=one.b.summary.name,
        found=one,
        conclusion=WORDS[one.conclusion].format(a="A", b=letter),
        look=one.conclusion if one.conclusion in ("better", "worse") else "",
        bound=max(0.1, min(1.0, 1.25 * max(abs(uplift.low), abs(uplift.high)))),
        parts=[part for part in parts if part[1] or part[0] != "mixed"],
        hint=_hint(one),
        gained=list(found.gained),
        lost=list(found.lost),
    )


def _hint(one: Comparison) -> str:
    """What a larger sample would show."""
    if one.conclusion in ("better", "worse"):
        return ""
    words = []
    if not isinf(one.smallest):
        least = points(one.smallest).replace("+", "")
        words.append(f"{one.found.instances:,} instances show an uplift of {least} or more with 80 % power.")
    if one.found.sample:
        words.append(f"One as large as the one found would take {one.found.sample:,} instances.")
    return " ".join(words)


def _badges(letters: Sequence[str], summaries: Sequence[Summary]) -> list[tuple[str, Badge]]:
    """Each mark once, with the runs that have it."""
    found: dict[Badge, list[str]] = {}
    for letter, one in zip(letters, summaries, strict=True):
        for badge in badges(one):
            found.setdefault(badge, []).append(letter)
    return [(" and ".join(which), badge) for badge, which in found.items()]


def _uncounted(letter: str, summary: Summary) -> str:
    left = [f"{summary.counts[name]:,} {name}" for name in ("unfinished", "quarantined") if summary.counts.get(name)]
    return f"{letter}: {', '.join(left)}" if left else ""


def _rows(summaries: Sequence[Summary], found: Sequence[Comparison]) -> list[tuple[str, list[str], str]]:
    """A quantity's name, its value in each run, and for two runs the paired difference."""
    one = found[0] if len(found) == 1 else None
    uplift = one.found.uplift if one else None
    told = f"{points(uplift.value)} ({between(uplift.low, uplift.high)})" if uplift else ""
    return [
        ("Solved", [_solved(each) for each in summaries], told),
        ("95 % interval", [_interval(each) for each in summaries], ""),
        ("Attempts a climb", [mean(_mean(each)) for each in summaries], _told(one.attempts if one else None, _signed)),
        (
            "Cost",
            [money(each.cost_usd) for each in summaries],
            _told(one.cost_usd if one else None, _signed_money, " a climb"),
        ),
        ("Cost per solved", [_per_solved(each) for each in summaries], ""),
        ("Prompt tokens", [count(each.tokens["prompt"]) for each in summaries], ""),
        ("Completion tokens", [count(each.tokens["completion"]) for each in summaries], ""),
        (
            "Time a climb",
            [duration(each.seconds["mean"]) for each in summaries],
            _told(one.seconds if one else None, lambda value: f"{_signed(value)} s"),
        ),
        ("Wall time", [duration(each.wall_seconds) for each in summaries], ""),
    ]


def _solved(summary: Summary) -> str:
    judged = summary.counts["solved"] + summary.counts["unsolved"]
    rate = summary.solved_rate
    return f"{summary.counts['solved']:,} of {judged:,}" + (f", {percent(rate.value, judged)}" if rate else "")


def _interval(summary: Summary) -> str:
    rate = summary.solved_rate
    judged = summary.counts["solved"] + summary.counts["unsolved"]
    return f"{percent(rate.low, judged)} to {percent(rate.high, judged)}" if rate else "–"


def _per_solved(summary: Summary) -> str:
    return money(summary.cost_usd_per_solved) if summary.counts["solved"] else "none solved"


def _mean(summary: Summary) -> float | None:
    value = summary.attempts["mean"]
    return float(value) if isinstance(value, int | float) else None


def _told(found: Difference | None, worded: Callable[[float], str], unit: str = "") -> str:
    if found is None:
        return ""
    gap = found.difference
    return f"{worded(gap.value)}{unit} ({worded(gap.low)} to {worded(gap.high)})"


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")


def _signed_money(value: float) -> str:
    return ("+" if value >= 0 else "") + money(value)


def _groups(one: Comparison) -> list[tuple[str, list[Any], int]]:
    """Tables of parts of the sample: what they have in common, the largest, and how many more there are."""
    kinds = [("tag", one.tags), ("difficulty", one.difficulties), ("cluster", one.clusters)]
    return [(name, list(groups[:GROUPS]), max(0, len(groups) - GROUPS)) for name, groups in kinds if len(groups) > 1]
