"""A run at one moment: how far, how fast, what it has cost, what bounds it, and what failed last."""

from collections.abc import Mapping
from dataclasses import dataclass

from evalkit.cli.live_file import Provider
from evalkit.cli.watch.folder import Failed
from evalkit.core.stats import Interval


@dataclass(frozen=True)
class RungSeen:
    """One rung: attempts that it answered, climbs solved on it, its model's mean seconds, its most frequent failure."""

    name: str
    model: str
    attempts: int
    solved: int
    seconds_mean: float | None
    cost_usd: float | None
    under_way: int
    often: str
    given_up: bool


@dataclass(frozen=True)
class Picture:
    """What is known now.

    `state` is running, preparing (before the first climb), ending (publishing), killed, or as the summary says.
    `climbs` is how many there will be (None: not known yet); `ended` of them have, while it runs also by an outage.
    `per_minute` and `seconds_left` are None unless it runs and climbs have ended; money that is not known is None.
    `under_way` are climbs that have an answer and go on: one that waits for its first is not seen from outside.
    `limits` are the caps that are set: used and limit.
    """

    name: str
    key: str
    folder: str
    state: str
    why: str
    process: int | None
    dataset: str
    ladder: str
    simulated: bool
    climbs: int | None
    ended: int
    counts: Mapping[str, int]
    solved_rate: Interval | None
    attempts: int
    under_way: int
    requests: int
    cost_usd: float | None
    tokens: int | None
    seconds: float | None
    per_minute: float | None
    seconds_left: float | None
    concurrency: str
    limits: Mapping[str, tuple[float | None, float]]
    providers: Mapping[str, Provider]
    rungs: tuple[RungSeen, ...]
    failures: tuple[Failed, ...]

    @property
    def is_over(self) -> bool:
        """Whether nobody works on it."""
        return self.process is None
