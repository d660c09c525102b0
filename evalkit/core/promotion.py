"""Whether a registered alias may move to another run, and which of several runs is the best. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evalkit.core.errors import ConfigError, RefusedError
from evalkit.core.pairing import Side, pair, refuse
from evalkit.core.stats import Compared, compared, difference
from evalkit.core.types import Status

MARGIN = 0.05
ALLOWING = ("first", "better", "not_worse")
NOTHING = "nothing_solved"
MOST = 1_000_000  # instances; a sample that is larger is no advice
# Of these metrics the lowest is the best.
LOWER_FAMILIES = (
    "cost_usd",
    "tokens_",
    "seconds_",
    "wall_seconds",
    "attempts_mean",
    "unsolved",
    "unfinished",
    "quarantined",
    "failure.",
)


@dataclass(frozen=True, slots=True)
class Ruling:
    """By which rule: first, better or not_worse allow it; nothing_solved, worse, not_shown, not_comparable do not.

    `why` says it in words.
    """

    rule: str
    why: str
    found: Compared | None = None

    @property
    def allowed(self) -> bool:
        """Whether the alias may move."""
        return self.rule in ALLOWING


def may_move(champion: Side | None, challenger: Side, margin: float = MARGIN, *, simulated: bool = False) -> Ruling:
    """Whether the alias may move from the champion's run to the challenger's.

    It may where the challenger is better (exact test, p < 0.05), or is shown not to be worse by more than `margin`: the
    95 % interval of its uplift lies above -margin (a test of non-inferiority; Tango 1998 for pairs). Both must be on
    the same instances. `simulated` lets scripted answers be set against live ones. What solved nothing is no champion,
    also where there is none yet.
    """
    if champion is None or not challenger.summary.counts.get(Status.SOLVED):
        return _alone(challenger)
    try:
        refuse([champion, challenger], simulated=simulated)
        found = paired(champion, challenger)
    except ConfigError as error:
        # What compare offers, such as --shared-only, is no way to a champion.
        return Ruling("not_comparable", str(error).partition(";")[0])
    seen = f"uplift {_points(found.uplift.value)} points ({_points(found.uplift.low)} to {_points(found.uplift.high)})"
    seen += f" on {found.instances} instances"
    if found.conclusion == "better":
        return Ruling("better", f"{seen}: better", found)
    if found.uplift.low > -margin:
        return Ruling("not_worse", f"{seen}: not worse by more than {margin:.0%}", found)
    if found.conclusion == "worse":
        return Ruling("worse", f"{seen}: worse", found)
    return Ruling("not_shown", f"{seen}: may be worse by more than {margin:.0%}{_advice(found, margin)}", found)


def _alone(challenger: Side) -> Ruling:
    """Where there is nothing to compare."""
    if challenger.summary.counts.get(Status.SOLVED):
        return Ruling("first", "nothing holds it yet")
    return Ruling(NOTHING, f"it solved nothing, of {len(challenger.summary.instances)}")


def paired(champion: Side, challenger: Side) -> Compared:
    """The challenger against the champion, clustered where the instances are. Raises ConfigError without pairs."""
    pairs = pair(champion, challenger)
    clusters = {name: one.cluster for name, one in {**champion.traits, **challenger.traits}.items() if one.cluster}
    ours = {one.instance_id: [row.solved for row in one.b] for one in pairs}
    theirs = {one.instance_id: [row.solved for row in one.a] for one in pairs}
    return compared(theirs, ours, clusters if ours.keys() <= clusters.keys() else None)


def _advice(found: Compared, margin: float) -> str:
    needed = enough(len(found.lost), len(found.gained), found.instances, margin)
    return f"; about {needed} instances with results like these would rule it out" if needed else ""


def enough(lost: int, gained: int, instances: int, margin: float) -> int | None:
    """How many instances, with differences as frequent as these, would show `margin`; None where none would."""
    if (gained - lost) / instances <= -margin or margin == 0:
        return None
    size = instances
    while size < MOST:
        share = size / instances
        if difference(lost * share, gained * share, size).low > -margin:
            return size
        size += max(1, size // 50)
    return None


def _points(share: float) -> str:
    return f"{100 * share:+.1f}"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A run that may be the best: `cost_usd` is None where unknown, `started` milliseconds since 1970.

    `sample` says on what it was run: the dataset's digest and how it was sampled.
    """

    run_id: str
    name: str
    metrics: Mapping[str, float]
    started: int
    sample: tuple[str, ...] = ()

    @property
    def cost_usd(self) -> float | None:
        """What it cost."""
        return self.metrics.get("cost_usd")


def best(candidates: Sequence[Candidate], metric: str, *, useless: bool = False) -> Candidate:
    """The best by the metric; of equals the cheaper, an unknown cost last, then the earlier.

    Runs that solved nothing are cheapest and quickest, and the best of none: only `useless` lets them win. Raises
    ConfigError where no run has the metric, RefusedError where none solved anything.
    """
    known = [one for one in candidates if metric in one.metrics]
    if not known:
        raise ConfigError(f"no run has the metric {metric!r}")
    if not useless:
        known = [one for one in known if one.metrics.get("solved") != 0]
    if not known:
        raise RefusedError(f"none of the runs with the metric {metric!r} solved anything; --force takes one of them.")
    sign = 1 if metric.startswith(LOWER_FAMILIES) else -1

    def order(one: Candidate) -> tuple[float, bool, float, int]:
        return sign * one.metrics[metric], one.cost_usd is None, one.cost_usd or 0.0, one.started

    return min(known, key=order)
