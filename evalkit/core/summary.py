"""What a run comes to, as facts: counts, rates with intervals, cost, and one light row an instance."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from evalkit.core.stats import Interval
from evalkit.core.suspects import Suspect
from evalkit.core.triage import Triage
from evalkit.core.types import Status


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
class GraderRow:
    """What grader models took, which the totals hold as well: requests, US dollars and tokens (None: unknown)."""

    requests: int
    cost_usd: float | None
    tokens_prompt: int | None
    tokens_completion: int | None


@dataclass(frozen=True, slots=True)
class CachedRow:
    """Answers that came from the cache, and what they had cost, which the totals hold but nobody paid again."""

    answers: int
    cost_usd: float | None


@dataclass(frozen=True, slots=True)
class InstanceRow:
    """One climb, light enough to keep for every instance of a large run."""

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
class Facts:
    """What is known of a run before it starts."""

    key: str
    name: str
    dataset: DatasetFacts
    ladder: str
    simulated: bool
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Summary:
    """summary.json. `status` is complete, unfinished, paused or stopped; `why` its one line.

    `solved_rate` counts solved and unsolved climbs only: unfinished and quarantined ones are no evidence about
    the models, and stand in `counts`. `suspects` are rules that the answers make doubtful; `untested` answers were
    rejected by one rule alone, and their tests did not run. `triage` sorts what went wrong by cause; `skills` counts
    the attempts that each skill went into.
    """

    key: str
    name: str
    status: str
    simulated: bool
    dataset: DatasetFacts
    ladder: str
    counts: Mapping[str, int]
    solved_rate: Interval | None
    attempts: Mapping[str, float | Mapping[str, int] | None]
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
    suspects: tuple[Suspect, ...] = ()
    untested: int = 0
    graders: GraderRow | None = None
    triage: Triage | None = None
    skills: Mapping[str, int] = field(default_factory=dict)
    cached: CachedRow | None = None
