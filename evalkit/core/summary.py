"""What a run comes to: counts, rates with intervals, cost, and one light row an instance."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from evalkit.core.stats import Interval, wilson
from evalkit.core.types import Solution, Status


@dataclass(frozen=True, slots=True)
class DatasetFacts:
    """Which dataset, and how many of its instances were sampled."""

    name: str
    digest: str
    instances: int


@dataclass(frozen=True, slots=True)
class RungRow:
    """What one rung did: attempts made on it, climbs accepted on it, US dollars (None: unknown), seconds."""

    name: str
    model: str
    attempts: int
    solved: int
    cost_usd: float | None
    seconds: float


@dataclass(frozen=True, slots=True)
class InstanceRow:
    """One climb, light enough to keep for every instance of a large run. `tags` and `difficulty` as given."""

    instance_id: str
    epoch: int
    solved: bool
    status: Status
    attempts: int
    attempts_needed: int | None
    rung: str | None
    error_type: str | None
    final_error: str | None
    time_seconds: float
    cost_usd: float | None
    tokens_prompt: int | None
    tokens_completion: int | None


@dataclass(frozen=True, slots=True)
class Summary:
    """summary.json. `status` is complete, unfinished, paused or stopped; `why` its one line."""

    key: str
    name: str
    status: str
    simulated: bool
    dataset: DatasetFacts
    ladder: str
    counts: Mapping[str, int]
    solved_rate: Interval | None
    attempts: Mapping[str, object]
    by_rung: tuple[RungRow, ...]
    failures: Mapping[str, int]
    cost_usd: float | None
    cost_usd_per_solved: float | None
    tokens: Mapping[str, int | None]
    seconds: Mapping[str, float | None]
    wall_seconds: float
    skipped_rungs: Mapping[str, str] = field(default_factory=dict)
    why: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    instances: tuple[InstanceRow, ...] = ()


__all__ = ["Counter", "DatasetFacts", "InstanceRow", "Interval", "RungRow", "Solution", "Summary", "wilson"]
