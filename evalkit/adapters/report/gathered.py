"""A run read for its page: rows of all instances, as many climbs as fit, and what rules held against the answers."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evalkit.adapters.report.attempt_files import AttemptFile, Finding, attempt_files
from evalkit.adapters.report.climbs import ClimbPage
from evalkit.adapters.report.packing import Packing
from evalkit.core.summary import InstanceRow, Summary
from evalkit.core.types import Status

ERROR = 160  # characters of an instance's final error in the table
Place = Callable[[Path, InstanceRow], Path]


@dataclass(frozen=True)
class RuleCount:
    """What a rule, or all tests together, held against a run's answers."""

    rule: str
    rubric: str
    source: str
    required: bool
    attempts: int
    climbs: int
    solved: int  # of those climbs, in the end
    message: str
    example: int  # the row of an instance where it was met


@dataclass
class Gathered:
    """One run as the page takes it. `rows` are light, in the summary's order; `left_out` climbs did not fit."""

    folder: Path
    summary: Summary
    config: str
    rows: list[list[Any]] = field(default_factory=list)
    rules: list[RuleCount] = field(default_factory=list)
    left_out: int = 0
    came: dict[str, int] = field(default_factory=dict)  # climbs that were tried on a rung


def gather(
    folder: Path, summary: Summary, packing: Packing, place: Place, first: Collection[str] = frozenset()
) -> Gathered:
    """Read a run's climbs. Those of `first`, then failed ones, then retried ones are packed before the rest.

    Raises ConfigError where a file cannot be read.
    """
    found = Gathered(folder, summary, _text(folder / "config.yaml"))
    counts, came = _Rules(), Counter[str]()
    places: dict[int, tuple[int, int]] = {}
    for number in _order(summary.instances, first):
        row = summary.instances[number]
        files = list(attempt_files(place(folder, row)))
        came.update({one.rung for one in files if not one.skipped})
        counts.add(number, row, files)
        if not files:
            continue
        if packing.full:
            found.left_out += 1
        else:
            places[number] = packing.add(ClimbPage().attempts(files))
    found.rows = [_row(row, places.get(number)) for number, row in enumerate(summary.instances)]
    found.rules, found.came = counts.found(), dict(came)
    return found


def _order(rows: Sequence[InstanceRow], first: Collection[str]) -> list[int]:
    """What a reader opens first comes first, so that a size that is reached leaves out the rest."""

    def weight(number: int) -> tuple[bool, bool, bool, int]:
        row = rows[number]
        return row.instance_id not in first, row.status is Status.SOLVED, row.attempts < 2, number  # noqa: PLR2004

    return sorted(range(len(rows)), key=weight)


def _row(row: InstanceRow, place: tuple[int, int] | None) -> list[Any]:
    error = row.final_error or ""
    return [
        row.instance_id,
        row.epoch,
        row.status,
        row.attempts,
        row.rung,
        row.error_type,
        error if len(error) <= ERROR else error[: ERROR - 1] + "…",
        round(row.time_seconds, 3),
        row.cost_usd,
        row.tokens_prompt,
        row.tokens_completion,
        *(place or ()),
    ]


class _Rules:
    """Counts by rule; of tests by kind, since their names are as many as the instances."""

    def __init__(self) -> None:
        self._attempts: Counter[tuple[str, str, str]] = Counter()
        self._climbs: dict[tuple[str, str, str], set[int]] = defaultdict(set)
        self._solved: Counter[tuple[str, str, str]] = Counter()
        self._first: dict[tuple[str, str, str], tuple[int, Finding]] = {}

    def add(self, number: int, row: InstanceRow, files: Sequence[AttemptFile]) -> None:
        met: set[tuple[str, str, str]] = set()
        for one in files:
            keys = {_key(finding): finding for finding in reversed(one.findings)}
            self._attempts.update(keys.keys())
            met |= keys.keys()
            for key, finding in keys.items():
                at = self._first.get(key)
                if at is None or number < at[0]:
                    self._first[key] = number, finding
        for key in met:
            self._climbs[key].add(number)
            self._solved[key] += row.solved

    def found(self) -> list[RuleCount]:
        rows = []
        for key, attempts in self._attempts.most_common():
            number, finding = self._first[key]
            rule, rubric, source = key
            rows.append(
                RuleCount(
                    rule,
                    rubric,
                    source,
                    finding.required,
                    attempts,
                    len(self._climbs[key]),
                    self._solved[key],
                    finding.message[:ERROR],
                    number,
                )
            )
        return rows


def _key(finding: Finding) -> tuple[str, str, str]:
    return (finding.rule if finding.source == "rule" else "", finding.rubric, finding.source)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""
