"""What MLflow is told of a run, as plain names and values; pure. The names are fixed: others rely on them."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from posixpath import normpath

from evalkit.core.ports import RunRecord
from evalkit.core.summary import InstanceRow, Summary
from evalkit.core.types import Status

PARAM_LIMIT, TAG_LIMIT, NAME_LIMIT = 6000, 8000, 250  # longer values are cut by MLflow without a word
CUT = " … (cut: the whole value is in long_values.json)"
RUN_STATUS = {"complete": "FINISHED", "unfinished": "FAILED", "paused": "KILLED", "stopped": "KILLED"}


def metrics(summary: Summary) -> dict[str, float]:
    """The final metrics; what is unknown, not a number or infinite is left out."""
    rate, counts = summary.solved_rate, summary.counts
    found: dict[str, object] = {
        "solved_rate": rate and rate.value,
        "solved_rate_low": rate and rate.low,
        "solved_rate_high": rate and rate.high,
        **{str(status): counts.get(status, 0) for status in Status},
        "attempts_mean": summary.attempts.get("mean"),
        "attempts_mean_solved": summary.attempts.get("mean_solved"),
        "cost_usd": summary.cost_usd,
        "cost_usd_per_solved": summary.cost_usd_per_solved,
        "tokens_prompt": summary.tokens.get("prompt"),
        "tokens_completion": summary.tokens.get("completion"),
        "tokens_prompt_cached": summary.tokens.get("prompt_cached"),
        "seconds_mean": summary.seconds.get("mean"),
        "seconds_p95": summary.seconds.get("p95"),
        "wall_seconds": summary.wall_seconds,
        **{f"solved_on.{rung.name}": rung.solved for rung in summary.by_rung},
        **{f"failure.{name}": count for name, count in summary.failures.items()},
    }
    return finite(found)


def finite(values: Mapping[str, object]) -> dict[str, float]:
    """The values that MLflow can plot, under names that it takes."""
    numbers = {name: float(value) for name, value in values.items() if isinstance(value, int | float)}
    return {legal(name): value for name, value in numbers.items() if math.isfinite(value)}


def first_tags(record: RunRecord) -> dict[str, str]:
    """The tags of a run that has begun; until it ends well it is unfinished."""
    return {
        "mlflow.source.name": "evalkit",
        "mlflow.source.type": "LOCAL",
        **{str(name): str(value) for name, value in record.tags.items() if str(value)},  # an empty one says nothing
        "evalkit.key": record.key,
        "evalkit.kind": record.kind,
        "evalkit.status": "unfinished",
    }


def last_tags(record: RunRecord, summary: Summary, links: Mapping[str, str] | None = None) -> dict[str, str]:
    """The tags of a run that has ended, and a description for the UI's overview page, with `links` (text: address)."""
    return {
        **first_tags(record),
        **{str(name): str(value) for name, value in summary.tags.items() if str(value)},
        "evalkit.key": record.key,
        "evalkit.kind": record.kind,
        "evalkit.simulated": str(summary.simulated).lower(),
        "evalkit.status": summary.status,
        "mlflow.note.content": note(record, summary, links or {}),
    }


def cut(values: Mapping[str, str], limit: int) -> tuple[dict[str, str], dict[str, str]]:
    """Values short enough for MLflow under legal names, and the whole of those that had to be cut."""
    short, whole = {}, {}
    for name, value in values.items():
        if len(value) > limit:
            whole[name] = value
        short[legal(name)] = value if len(value) <= limit else value[: limit - len(CUT)] + CUT
    return short, whole


def legal(name: str) -> str:
    """A name as MLflow takes it: `pass@1` becomes `pass_1`, `a//b` becomes `a_b`."""
    clean = re.sub(r"[^\w.\- :/]", "_", name)[:NAME_LIMIT]
    is_path = clean == normpath(clean) and not clean.startswith(("..", "/")) and clean != "."
    return clean if is_path else re.sub(r"[/.]+", "_", clean) or "_"


def note(record: RunRecord, summary: Summary, links: Mapping[str, str]) -> str:
    """Markdown for the run's page in the UI, which shows its first lines: what came out, and where to look further."""
    ways = " · ".join(f"[{text}]({address})" for text, address in links.items())
    folder = f"Run folder: mlruns/runs/{record.key}"
    return "\n".join([_headline(record, summary), "", *([ways, ""] if ways else []), *_by_rung(summary), "", folder])


def _headline(record: RunRecord, summary: Summary) -> str:
    """One paragraph: what follows it is hidden in the UI after some three lines."""
    counts, rate = summary.counts, summary.solved_rate
    judged = counts.get(Status.SOLVED, 0) + counts.get(Status.UNSOLVED, 0)
    said = f"**Solved {counts.get(Status.SOLVED, 0)} of {judged}**"
    if rate:
        said += f" ({100 * rate.value:.3g} %, 95 % interval {100 * rate.low:.0f} to {100 * rate.high:.0f} %)"
    said += f" of dataset {record.dataset}, ladder {summary.ladder}."
    if summary.simulated:
        said = f"**Simulated:** scripted or replayed answers, no live model. {said}"
    if summary.status != "complete":
        said += f" **{summary.status.capitalize()}:** {summary.why or 'the same command continues.'}"
    return said


def _by_rung(summary: Summary) -> list[str]:
    rows = [
        f"| {rung.name} | {rung.model} | {rung.attempts} | {rung.solved} | {rung.seconds:.1f} |"
        for rung in summary.by_rung
    ]
    return ["| rung | model | attempts | solved | seconds |", "|---|---|---|---|---|", *rows]


ROW = (
    "epoch", "solved", "status", "attempts", "attempts_needed", "rung", "error_type", "final_error",
    "time_seconds", "cost_usd", "tokens_prompt", "tokens_completion",
)  # fmt: skip
# The evaluation view lines runs up by the first column and shows the second.
COLUMNS = ("instance_id", "outcome", *ROW)


def table_row(row: InstanceRow) -> list[object]:
    """One line of instances.json, the table that the UI's evaluation view opens."""
    name = row.instance_id if row.epoch == 1 else f"{row.instance_id} (epoch {row.epoch})"
    return [name, outcome(row), *(getattr(row, column) for column in ROW)]


def outcome(row: InstanceRow) -> str:
    """A climb's end in a few words."""
    if row.status is Status.SOLVED:
        return f"solved by {row.rung}, attempt {row.attempts}"
    after = f" after {row.attempts} attempt{'s' * (row.attempts > 1)}" if row.attempts else ""
    return f"{row.status}{after}: {row.error_type or 'no reason known'}: {(row.final_error or '')[:200]}"


def progress(rows: Iterable[InstanceRow], climbs: int, every: int = 1) -> Iterator[tuple[int, dict[str, float]]]:
    """What `progress.*` was after every so many of the `climbs`, and after the last; for rows as they ended."""
    totals: dict[str, float | None] = {
        "solved": 0,
        "unsolved": 0,
        "unfinished": 0,
        "attempts": 0,
        "cost_usd": 0.0,
    }
    for number, row in enumerate(rows, 1):
        step(totals, str(row.status), row.attempts, row.cost_usd)
        if number % every == 0 or number == climbs:
            yield number, finite({f"progress.{name}": value for name, value in totals.items()})


def step(totals: dict[str, float | None], status: str, attempts: int, cost: float | None) -> None:
    """Add one climb to the running totals; a cost that is unknown once stays unknown."""
    if status in totals:
        totals[status] = (totals[status] or 0) + 1
    totals["attempts"] = (totals["attempts"] or 0) + attempts
    totals["cost_usd"] = None if cost is None or totals["cost_usd"] is None else totals["cost_usd"] + cost
