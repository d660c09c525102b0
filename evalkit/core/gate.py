"""What a phase's results say of going on: stop, continue or good, with the reason and what so few can show; pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from statistics import fmean

from evalkit.core.sequence import confidence_sequence, detectable
from evalkit.core.stats import FEWEST_DISCORDANT, Interval
from evalkit.core.summary import InstanceRow
from evalkit.core.types import JUDGED, Status

RULES = ("health", "point", "bound")
# What ended a climb although nothing was known yet of the solution: forms, formats and prompts that do not fit.
FORMAL = frozenset(
    {
        "empty_response", "no_answer", "truncated", "syntax_error", "context_window",
        "no_edits", "apply_failed", "no_change",
    }
)  # fmt: skip


class Decision(StrEnum):
    """Where the ramp goes from a gate: not on, on, or on with its goal shown."""

    STOP = "stop"
    CONTINUE = "continue"
    GOOD = "good"


@dataclass
class Gate:
    """Thresholds on a phase's solved rate; null: no such threshold.

    rule `health` looks at environment, formats and crashes only. `point` compares the rate itself: simple, and
    with each look more likely wrong. `bound` compares a bound that holds at all looks at once with probability
    1 - `alpha`. Every rule stops where more than `unhealthy_most` of the climbs say nothing of the models.
    """

    rule: str = "bound"
    stop_below: float | None = 0.2
    good_above: float | None = 0.8
    alpha: float = 0.05
    unhealthy_most: float = 0.5

    def __post_init__(self) -> None:
        """Refuse what can never work. Raises ValueError."""
        if self.rule not in RULES:
            raise ValueError(f"rule is {self.rule!r}; it must be one of {', '.join(RULES)}")
        for key in ("stop_below", "good_above", "unhealthy_most"):
            value = getattr(self, key)
            if value is not None and not 0 <= value <= 1:
                raise ValueError(f"{key} is {value}; it must be from 0 to 1")
        if not 0 < self.alpha < 1:
            raise ValueError(f"alpha is {self.alpha}; it must lie between 0 and 1, e.g. 0.05")
        if self.stop_below is not None and self.good_above is not None and self.stop_below > self.good_above:
            raise ValueError(f"stop_below is {self.stop_below}, above good_above, {self.good_above}")


@dataclass(frozen=True, slots=True)
class Ruling:
    """A gate's decision. `rule` is `unfinished` where it refused to decide (invariant 1).

    `low` and `high` bound the rate at all gates at once, whatever the rule. `detectable` says by `stop` and `good` how
    far beyond that threshold the true rate must lie for bounds of this phase to show it (power 80 %), `smallest_uplift`
    what a paired comparison of two ladders on it could show; None: nothing.
    """

    decision: Decision
    rule: str
    value: float | None
    low: float | None
    high: float | None
    why: str
    next: str = ""
    detectable: Mapping[str, float | None] = field(default_factory=dict)
    smallest_uplift: float | None = None

    @property
    def refused(self) -> bool:
        """Whether there is no decision, because the world failed."""
        return self.rule == "unfinished"


def check(gate: Gate, rows: Sequence[InstanceRow], *, status: str = "complete", why: str = "") -> Ruling:
    """Decide about a phase by its climbs. `status` is the run's: one that is not complete is refused."""
    judged = scores(rows)
    bounds = confidence_sequence(sum(judged.values()), len(judged), gate.alpha)
    decision, rule, because = _decide(gate, rows, bounds, status, why)
    value, low, high = (bounds.value, bounds.low, bounds.high) if bounds else (None, None, None)
    shown = FEWEST_DISCORDANT / len(judged) if len(judged) >= FEWEST_DISCORDANT else None
    return Ruling(
        decision, rule, value, low, high, because, detectable=_detectable(gate, len(judged)), smallest_uplift=shown
    )


def scores(rows: Sequence[InstanceRow]) -> dict[str, float]:
    """Each judged instance's share of solved epochs: epochs are no instances of their own, so they count as one."""
    found: dict[str, list[bool]] = {}
    for row in rows:
        if row.status in JUDGED:
            found.setdefault(row.instance_id, []).append(row.solved)
    return {name: fmean(solved) for name, solved in found.items()}


def unhealthy(rows: Sequence[InstanceRow]) -> Counter[str]:
    """The climbs that say nothing of the models, by class: quarantined ones, and those that failed in form."""
    found = Counter("quarantined" for row in rows if row.status is Status.QUARANTINED)
    found.update(str(row.error_type) for row in rows if row.status is Status.UNSOLVED and row.error_type in FORMAL)
    return found


def _decide(
    gate: Gate, rows: Sequence[InstanceRow], bounds: Interval | None, status: str, why: str
) -> tuple[Decision, str, str]:
    waiting = sum(row.status is Status.UNFINISHED for row in rows)
    if waiting or status != "complete":
        said = f"{waiting} of {len(rows)} climbs are unfinished" if waiting else f"the run is {status}: {why}"
        return Decision.STOP, "unfinished", f"{said}; an outage is no result, so nothing is decided"
    if bounds is None:
        return Decision.STOP, "health", "no instance could be judged: all are quarantined"
    sick = unhealthy(rows)
    if sick.total() > gate.unhealthy_most * len(rows):
        told = ", ".join(f"{name} {count}" for name, count in sick.most_common())
        return Decision.STOP, "health", f"{sick.total()} of {len(rows)} climbs say nothing of the models: {told}"
    if gate.rule == "health":
        told = ", ".join(f"{name} {count}" for name, count in sick.most_common()) or "none"
        return Decision.CONTINUE, "health", f"so few show only whether all works, not how well; faults: {told}"
    return _compare(gate, bounds)


def _compare(gate: Gate, bounds: Interval) -> tuple[Decision, str, str]:
    """The thresholds against the rate (point) or its bounds (bound)."""
    is_point = gate.rule == "point"
    low, high = (bounds.value, bounds.value) if is_point else (bounds.low, bounds.high)
    if gate.stop_below is not None and high < gate.stop_below:
        what = "the rate" if is_point else "the rate's upper bound"
        return Decision.STOP, gate.rule, f"{what}, {percent(high)}, is below {percent(gate.stop_below)} (stop_below)"
    if gate.good_above is not None and low >= gate.good_above:
        what = "the rate" if is_point else "the rate's lower bound"
        return Decision.GOOD, gate.rule, f"{what}, {percent(low)}, reaches {percent(gate.good_above)} (good_above)"
    what = f"the rate, {percent(low)}," if is_point else f"the bounds, {percent(low)} to {percent(high)},"
    return Decision.CONTINUE, gate.rule, f"{what} {_between(gate)}"


def _between(gate: Gate) -> str:
    ends = [
        *([f"not below {percent(gate.stop_below)} (stop_below)"] if gate.stop_below is not None else []),
        *([f"not above {percent(gate.good_above)} (good_above)"] if gate.good_above is not None else []),
    ]
    return f"do not decide: {' and '.join(ends)}" if ends else "are held against no threshold"


def _detectable(gate: Gate, trials: int) -> dict[str, float | None]:
    sides = {"stop": (gate.stop_below, False), "good": (gate.good_above, True)}
    return {
        name: detectable(trials, threshold, above=above, alpha=gate.alpha)
        for name, (threshold, above) in sides.items()
        if threshold is not None and trials
    }


def percent(rate: float) -> str:
    """A rate as a person reads it, to a tenth."""
    return f"{rate:.1%}".replace(".0%", "%").replace("%", " %")
