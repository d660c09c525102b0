"""The ramp as settings, and what follows from them alone: which phases fit, and which ladder an instance climbs."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from math import isclose

from evalkit.core.gate import RULES, Gate

RETRIES = ("none", "failed", "all")
TIERS = (0.8, 0.9, 0.95, 1.0)


@dataclass
class Phase:
    """So many instances, and its gate: null is what the ramp's `gate` says."""

    size: int
    rule: str | None = None
    stop_below: float | None = None
    good_above: float | None = None
    unhealthy_most: float | None = None

    def __post_init__(self) -> None:
        """Refuse what can never work. Raises ValueError."""
        if self.size < 1:
            raise ValueError(f"size is {self.size}; it must be at least 1")
        if self.rule is not None and self.rule not in RULES:
            raise ValueError(f"rule is {self.rule!r}; it must be null or one of {', '.join(RULES)}")


@dataclass
class Ramp:
    """Phases by name, smallest first, each behind its gate.

    `until` is `end`, or `good` to end at the first gate that says good. `retry` runs a ramp's last batch again, its
    `failed` instances or `all`; `of` is that ramp's key, null the newest on the same instances. `shares` splits the
    sample over ladders of conf/ladder/: {one: 0.5, other: 0.5}; empty: the run's ladder.
    """

    phases: dict[str, Phase]
    gate: Gate = field(default_factory=Gate)
    until: str = "end"
    retry: str = "none"
    of: str | None = None
    shares: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what can never work. Raises ValueError."""
        if not self.phases:
            raise ValueError("phases is empty: a ramp needs at least one, e.g. p30: {size: 30}")
        sizes = [phase.size for phase in self.phases.values()]
        if len(set(sizes)) < len(sizes):
            raise ValueError(f"phases have the sizes {', '.join(map(str, sizes))}; each must be another")
        if self.retry not in RETRIES:
            raise ValueError(f"retry is {self.retry!r}; it must be one of {', '.join(RETRIES)}")
        if self.until not in ("end", "good"):
            raise ValueError(f"until is {self.until!r}; it must be end or good")
        if self.shares and (min(self.shares.values()) <= 0 or not isclose(sum(self.shares.values()), 1)):
            raise ValueError(f"shares are {self.shares}; each must be above 0, and together they must be 1")
        for phase in self.phases.values():
            gate_of(self, phase)


@dataclass(frozen=True, slots=True)
class Planned:
    """A phase that will be climbed: its number from 1, its size, how many instances are new, and its gate."""

    number: int
    name: str
    size: int
    new: int
    gate: Gate


def planned(ramp: Ramp, instances: int) -> tuple[Planned, ...]:
    """The phases that fit so many instances, smallest first. Raises ValueError where none does."""
    found: list[Planned] = []
    for name, phase in sorted(ramp.phases.items(), key=lambda item: item[1].size):
        if phase.size <= instances:
            new = phase.size - (found[-1].size if found else 0)
            found.append(Planned(len(found) + 1, name, phase.size, new, gate_of(ramp, phase)))
    if not found:
        first = min(ramp.phases, key=lambda name: ramp.phases[name].size)
        raise ValueError(
            f"the dataset holds {instances} instances and the first phase asks for {ramp.phases[first].size}; "
            f"set ramp.phases.{first}.size={instances}"
        )
    return tuple(found)


def too_large(ramp: Ramp, instances: int) -> list[int]:
    """The sizes of the phases that do not fit."""
    return sorted(phase.size for phase in ramp.phases.values() if phase.size > instances)


def gate_of(ramp: Ramp, phase: Phase) -> Gate:
    """A phase's gate: its own settings before the ramp's. Raises ValueError where they contradict each other."""
    own = {
        key: getattr(phase, key)
        for key in ("rule", "stop_below", "good_above", "unhealthy_most")
        if getattr(phase, key) is not None
    }
    return replace(ramp.gate, **own)


def shared_out(strata: Mapping[str, str], shares: Mapping[str, float], seed: int) -> dict[str, str]:
    """Which share each instance goes to; `strata` is the sample in its order, with each instance's stratum.

    Each goes where its stratum, then the whole, is furthest behind its share, ties by a seeded hash: minimization
    (Pocock and Simon 1975, Biometrics 31:103) without its coin. So every phase is balanced, and a later one leaves
    the earlier as they are.
    """
    within: Counter[tuple[str, str]] = Counter()
    whole: Counter[str] = Counter()
    found = {}
    for name, stratum in strata.items():
        here = Counter({share: within[stratum, share] for share in shares})
        ties = {share: sha256(f"{seed}\x1fshare\x1f{name}\x1f{share}".encode()).hexdigest() for share in shares}
        behind = {share: (_behind(here, shares, share), _behind(whole, shares, share), ties[share]) for share in shares}
        found[name] = max(behind, key=behind.__getitem__)
        within[stratum, found[name]] += 1
        whole[found[name]] += 1
    return found


def _behind(there: Counter[str], shares: Mapping[str, float], share: str) -> float:
    """How many instances a share lacks when one more has come; rounded, so that equal is equal."""
    return round(shares[share] * (there.total() + 1) - there[share], 9)


def tiers(value: float | None, low: float | None) -> dict[str, str]:
    """The success tiers (80, 90, 95, 100 %): `shown` by the lower bound, `met` by the rate alone, or `missed`."""
    if value is None or low is None:
        return {f"{tier:.0%}": "missed" for tier in TIERS}
    return {f"{tier:.0%}": "shown" if low >= tier else "met" if value >= tier else "missed" for tier in TIERS}


def highest(found: Mapping[str, str]) -> str:
    """The highest tier that was met, empty if none."""
    return next((tier for tier in reversed(list(found)) if found[tier] != "missed"), "")
