"""report.html: a run, or several beside each other, as one file that a browser opens without a network."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evalkit.adapters.report.figures import badges, histogram, stairs
from evalkit.adapters.report.gathered import Gathered, Place, RuleCount, gather
from evalkit.adapters.report.packing import Packing
from evalkit.adapters.report.rendering import rendered
from evalkit.adapters.report.saving import MOST_BYTES, Written, saved
from evalkit.core.summary import Summary
from evalkit.core.triage import located

RULES = 25  # that the page lists
SOURCES = {"test": "hidden tests", "visible": "tests of the repository", "answer": "no answer to judge"}


def write_run(
    folder: Path, summary: Summary, out: Path, *, place: Place, suspects: Sequence[str], most_bytes: int = MOST_BYTES
) -> Written:
    """Write a run's report. `place` is where a run's folder keeps a climb, `suspects` are lines about doubtful rules.

    Raises ConfigError where a climb cannot be read, StorageError where the report cannot be written.
    """
    packing = Packing(most_bytes)
    run = gather(folder, summary, packing, place)
    packing.close()
    return saved(out, rendered("run.html.j2", [run], packing, _values(run, suspects)), run.left_out)


def _values(run: Gathered, suspects: Sequence[str]) -> dict[str, Any]:
    summary = run.summary
    counts = summary.counts
    judged = counts["solved"] + counts["unsolved"]
    triage = summary.triage
    return {
        "run": run,
        "summary": summary,
        "rate": summary.solved_rate,
        "judged": judged,
        "epochs": max((row.epoch for row in summary.instances), default=1),
        "badges": badges(summary),
        "uncounted": [f"{counts[name]:,} {name}" for name in ("unfinished", "quarantined") if counts.get(name)],
        "stairs": stairs(summary, run.came),
        "bars": histogram(summary.instances),
        "failed": bool(summary.failures or (triage and triage.rows)),
        "causes": triage.rows if triage else (),
        "located": located(triage.located) if triage and triage.located else "",
        "suspects": suspects,
        "rules": [_rule(one, run) for one in run.rules[:RULES]],
        "more_rules": max(0, len(run.rules) - RULES),
    }


def _rule(one: RuleCount, run: Gathered) -> dict[str, Any]:
    row = run.summary.instances[one.example]
    title = SOURCES.get(one.source) or (f"{one.rubric}/{one.rule}" if one.rubric else one.rule)
    return {
        "title": title if one.required else f"{title} (optional)",
        "message": one.message,
        "instance_id": row.instance_id,
        "epoch": row.epoch,
        "attempts": one.attempts,
        "climbs": one.climbs,
        "solved": one.solved,
        "share": 100 * one.attempts / run.rules[0].attempts,
    }
