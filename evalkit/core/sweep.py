"""A sweep's cells: what each is, how it ended, and which of those on record count; pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from evalkit.core.summary import Summary


class State(StrEnum):
    """How far a cell is. The last four are a run's own words for its end, or none: it never became a run."""

    RUNNING = "running"
    INTERRUPTED = "interrupted"
    COMPLETE = "complete"
    UNFINISHED = "unfinished"
    PAUSED = "paused"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell as recorded. `overrides` are those that are swept, `key` its run's; empty where it never became a run.

    `number` is its place in the sweep, from 0, when it ran; `exit_code` what `evalkit run` would have ended with; times
    are ISO 8601, UTC.
    """

    overrides: tuple[str, ...]
    key: str
    state: State
    number: int = 0
    exit_code: int = 0
    why: str = ""
    started: str = ""
    ended: str = ""

    @property
    def name(self) -> str:
        """The cell as a person writes it."""
        return " ".join(self.overrides) or "as it is"


# A leaderboard's own columns, in the terminal and in its files: a factor of the same name would be lost among them.
HEADINGS = (
    "attempts", "solved", "cost", "run", "rate", "rank", "cell", "factors", "key", "run_id", "status", "why",
    "simulated", "judged", "unfinished", "quarantined", "solved_rate", "solved_rate_low", "solved_rate_high",
    "attempts_mean", "cost_usd", "cost_usd_per_solved", "seconds_mean", "wall_seconds", "price", "on_frontier",
)  # fmt: skip


def current(cells: Iterable[Cell]) -> tuple[Cell, ...]:
    """The cells that count, in the sweep's order: of several with the same overrides (a changed dataset) the newest."""
    newest: dict[frozenset[str], Cell] = {}
    for cell in sorted(cells, key=lambda one: one.started):
        newest[frozenset(cell.overrides)] = cell
    return tuple(sorted(newest.values(), key=lambda one: (one.number, one.started)))


def factor(override: str) -> tuple[str, str]:
    """What an override sets, and to what: `++a.b=1` is (`a.b`, `1`), `~a.b` is (`a.b`, `–`)."""
    name, sign, value = override.partition("=")
    return name.lstrip("+~"), value if sign else "–"


def factors(cells: Sequence[Cell], settings: Sequence[Mapping[str, str]]) -> tuple[dict[str, str], ...]:
    """By cell, what makes it differ from the others, under short names. `settings` are all that each cell's run has.

    A cell from before the sweep grew does not name what was fixed then; its settings do.
    """
    names = dict.fromkeys(factor(override)[0] for cell in reversed(cells) for override in cell.overrides)
    rows = [_values(cell, known, names) for cell, known in zip(cells, settings, strict=True)]
    differing = [name for name in names if len({row[name] for row in rows}) > 1] or list(names)
    short = _short(differing, HEADINGS)
    return tuple({short[name]: row[name] for name in differing} for row in rows)


def _values(cell: Cell, settings: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    own = dict(factor(override) for override in cell.overrides)
    return {name: own.get(name, settings.get(name, "–")) for name in names}


def _short(names: Sequence[str], taken: Iterable[str]) -> dict[str, str]:
    """Each name's last parts, as many as tell it from the others and from what is `taken`."""
    found = {}
    for name in names:
        parts = name.split(".")
        ends = [".".join(parts[start:]) for start in range(len(parts) - 1, -1, -1)]
        others = [*taken, *(other for other in names if other != name)]
        found[name] = next((end for end in ends if not any(_ends_so(other, end) for other in others)), name)
    return found


def _ends_so(name: str, end: str) -> bool:
    return name == end or name.endswith(f".{end}")


def status(cells: Sequence[Cell]) -> str:
    """What a sweep is: complete, unfinished, paused or stopped, as a run's summary says it."""
    states = {cell.state for cell in cells}
    if states <= {State.COMPLETE}:
        return "complete"
    return "paused" if states <= {State.COMPLETE, State.PAUSED} else "unfinished"


MEASURES = {
    "solved_rate": lambda one: one.solved_rate and one.solved_rate.value,
    "cost_usd": lambda one: one.cost_usd,
    "cost_usd_per_solved": lambda one: one.cost_usd_per_solved,
    "attempts_mean": lambda one: one.attempts["mean"],
    "seconds_mean": lambda one: one.seconds["mean"],
    "wall_seconds": lambda one: one.wall_seconds,
    "tokens_prompt": lambda one: one.tokens["prompt"],
    "tokens_completion": lambda one: one.tokens["completion"],
}


def measured(summary: Summary, name: str) -> float | None:
    """A run's metric that a sweeper may optimise; None where it is unknown."""
    value = MEASURES[name](summary)
    return None if value is None else float(value)
