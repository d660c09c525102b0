"""What a comparison comes to, in sentences; for the terminal and for reports."""

from collections.abc import Sequence
from math import isfinite

from evalkit.cli.tables import counted
from evalkit.core.comparison import LEVEL, Comparison
from evalkit.core.levers import Levers
from evalkit.core.power import sample_for
from evalkit.core.stats import Interval

AN_UPLIFT = 0.1  # to name a sample for, where none was seen
LISTED = 20  # instances in a line
SHORT = {"better": "better", "worse": "worse", "no_difference_shown": "not shown", "cannot_show": "cannot show"}


def points(share: float) -> str:
    """A difference of rates in percentage points: `+7`, `−12`, `+0.4`."""
    value = 100 * share
    text = f"{value:+.1f}" if 0 < abs(value) < 1 else f"{value:+.0f}"
    return "0" if text in ("+0", "-0", "+0.0", "-0.0") else text.replace("-", "−")


def around(interval: Interval) -> str:
    """`+7 (−1 to +15)`, in percentage points."""
    return f"{points(interval.value)} ({points(interval.low)} to {points(interval.high)})"


def p(value: float) -> str:
    """A p-value as it is told: three digits, never zero."""
    return "< 0.0001" if value < 0.0001 else f"{value:.2g}" if value < 0.01 else f"{value:.3f}"  # noqa: PLR2004


def p_is(value: float) -> str:
    """`p = 0.023`, `p < 0.0001`."""
    return f"p {told}" if (told := p(value)).startswith("<") else f"p = {told}"


def conclusion(one: Comparison, a: str = "A", b: str = "B") -> str:
    """What may be said, in one line."""
    differ = len(one.found.gained) + len(one.found.lost)
    if one.conclusion == "better":
        return f"{b} is better than {a}"
    if one.conclusion == "worse":
        return f"{b} is worse than {a}"
    if one.conclusion == "cannot_show":
        return f"cannot show a difference: {counted(differ, 'instance')} {'differs' if differ == 1 else 'differ'}"
    return "no difference shown"


def sample(one: Comparison) -> str:
    """What sample could show it, where this one did not."""
    if one.conclusion in ("better", "worse"):
        return ""
    if one.found.sample is None:
        enough = f"it takes {sample_for(AN_UPLIFT)} to show {points(AN_UPLIFT)} points"
    else:
        enough = f"it takes about {one.found.sample} to show one like this ({points(one.found.uplift.value)} points)"
    return f"{shows(one)}; {enough}"


def shows(one: Comparison) -> str:
    """What so many instances can show."""
    instances = counted(one.found.instances, "instance")
    if not isfinite(one.smallest):
        return f"{instances} can show no uplift at all"
    return f"{instances} show an uplift of {points(one.smallest)} points or more (power 80 %)"


def table_of_pairs(one: Comparison) -> str:
    """The four (or five) counts."""
    found = one.found
    counts = f"both {found.both}, only A {len(found.lost)}, only B {len(found.gained)}, neither {found.neither}"
    if found.epochs == 1:
        return f"paired on {counted(found.instances, 'instance')}: {counts}"
    shares = f"both always {found.both}, A more often {len(found.lost)}, B more often {len(found.gained)}"
    rest = f"neither ever {found.neither}, as often {found.mixed}"
    return f"paired on {counted(found.instances, 'instance')} x {found.epochs} epochs: {shares}, {rest}"


def uplift(one: Comparison) -> str:
    """The difference, its interval and its test."""
    found, adjusted = one.found, one.p_adjusted != one.found.p_value
    holm = f" (Holm {p(one.p_adjusted)})" if adjusted else ""
    apart = found.uplift.low > 0 or found.uplift.high < 0
    stricter = "; the test is stricter than the interval" if apart and one.p_adjusted >= LEVEL else ""
    tested = f"{found.test} {p_is(found.p_value)}{holm}{stricter}"
    return f"uplift B - A: {points(found.uplift.value)} points ({_bounds(found.uplift)}), {tested}"


def clustered(one: Comparison) -> str:
    """What clusters make of it, where there are enough of them."""
    found = one.clustered
    if found is None:
        return ""
    told = f"clustered by {found.clusters} repositories: {_bounds(found.uplift)}, {p_is(found.p_value)}"
    if one.conclusion in ("better", "worse") and found.conclusion != one.conclusion:
        return f"{told}: not shown to hold in other repositories than these"
    return told


def left_out(one: Comparison) -> list[str]:
    """What is no evidence, a line a run."""
    lines = []
    for side, counts in zip((one.a, one.b), one.left_out.values(), strict=True):
        if counts:
            told = ", ".join(f"{count} {name}" for name, count in counts.items())
            lines.append(f"{side.label} leaves out: {told}")
        if side.summary.status != "complete":
            lines.append(
                f"{side.label} is {side.summary.status}: {side.summary.why or 'the same command continues it'}"
            )
    return lines


def lines(one: Comparison) -> list[str]:
    """Everything that is to be said, in order."""
    told = [
        table_of_pairs(one),
        uplift(one),
        clustered(one),
        f"conclusion: {conclusion(one)}",
        sample(one),
        one.found.note,
    ]
    return [line for line in [*told, *left_out(one)] if line]


def only(one: Comparison) -> list[str]:
    """Which instances one run solved and the other did not, or less often."""
    how = "only" if one.found.epochs == 1 else "more often"
    return [
        f"{how} {label}: {ids(names)}" for label, names in (("A", one.found.lost), ("B", one.found.gained)) if names
    ]


def lifted(found: Levers) -> str:
    """Which lever lifted, in one line."""
    if not found.lifted:
        return "which lever lifted: none is shown to"
    told = (f"{one.factor} {one.baseline} → {one.level} ({points(one.effect.value)} points)" for one in found.lifted)
    return f"which lever lifted: {', '.join(told)}"


def ids(names: Sequence[str]) -> str:
    """The first of these, and how many more."""
    more = len(names) - LISTED
    return ", ".join(names[:LISTED]) + (f" and {more} more" if more > 0 else "")


def _bounds(interval: Interval) -> str:
    return f"95 % {points(interval.low)} to {points(interval.high)}"
