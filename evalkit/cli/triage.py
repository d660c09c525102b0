"""What went wrong in a run, by cause: how often, one example, and which lever it points at.

A cause is a failure class; where an instance's known patch tells more, it says whether the prompt showed the right
file and whether the answer edited it. `ended` counts climbs that ended so without being solved, `attempts` all
attempts. RUN is a run's folder, name, key or MLflow id.
"""

import argparse
import asyncio
import json
from dataclasses import asdict
from difflib import get_close_matches
from typing import TYPE_CHECKING

from evalkit.cli.tables import show

if TYPE_CHECKING:
    from pathlib import Path

    from evalkit.core.summary import Summary
    from evalkit.core.triage import Triage, TriageRow

EXAMPLE = "evalkit triage 0123456789ab --cause test_failure.right_file"
FORMATS = ("table", "json", "markdown")
COLUMNS = {
    "cause": "cause",
    "climbs": "ended",
    "attempts": "attempts",
    "lever": "lever",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument("run", metavar="RUN", help="a run's folder, name, key or MLflow id")
    parser.add_argument("--cause", metavar="NAME", help="this cause alone, with the instances that ended so")
    parser.add_argument("--format", choices=FORMATS, default="table", help="default table")


def run(args: argparse.Namespace) -> int:
    """Print the causes. Returns the exit code."""
    from evalkit.adapters.run_folder import RunFolder  # noqa: PLC0415  --help needs none of these
    from evalkit.cli.runs_of import run_folder  # noqa: PLC0415
    from evalkit.core.triage import markdown  # noqa: PLC0415

    folder = run_folder(args.run)
    summary = RunFolder(folder).summary()
    triage = summary.triage if summary and summary.triage else asyncio.run(_made_again(folder, summary))
    if args.cause:
        triage = _only(triage, args.cause)
    if args.format == "json":
        print(json.dumps(asdict(triage), indent=2))
    elif args.format == "markdown":
        print(markdown(triage), end="")
    else:
        _tell(triage, instances=bool(args.cause))
    return 0


def _tell(triage: "Triage", *, instances: bool) -> None:
    from evalkit.core.triage import located, words  # noqa: PLC0415

    if not triage.rows:
        print("nothing failed")
        return
    show([{**asdict(row), "lever": str(row.lever)} for row in triage.rows], COLUMNS)
    for row in triage.rows:
        print(f"{row.cause}\n  such as {words(row.example)}\n  {row.lever}: {row.advice}")
        if instances:
            print(f"  ended so: {_named(row)}")
    if triage.located:
        print(located(triage.located))


def _named(row: "TriageRow") -> str:
    more = row.climbs - len(row.instances)
    return (", ".join(row.instances) or "none") + (f" and {more} more climbs" if more > 0 else "")


def _only(triage: "Triage", name: str) -> "Triage":
    """The one cause. Raises ConfigError with the nearest name."""
    from dataclasses import replace  # noqa: PLC0415  as above

    from evalkit.core.errors import ConfigError  # noqa: PLC0415

    known = [row.cause for row in triage.rows]
    if name in known:
        return replace(triage, rows=tuple(row for row in triage.rows if row.cause == name))
    near = get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"there is {', '.join(known) or 'none'}."
    raise ConfigError(f"--cause: nothing failed of {name!r} in this run; {hint}")


async def _made_again(folder: "Path", summary: "Summary | None") -> "Triage":
    """For a run whose summary has none, such as an older one's: from its journal and dataset."""
    from evalkit.cli.source_run import SourceRun  # noqa: PLC0415
    from evalkit.core.triage import Triaging  # noqa: PLC0415
    from evalkit.run.recorded import solutions  # noqa: PLC0415

    source = SourceRun(folder)
    wired = source.wired([])
    instances = {instance.id: instance for instance in wired.dataset.instances}
    triaging = Triaging(instances.values())
    rows = {(row.instance_id, row.epoch): row for row in summary.instances} if summary else {}
    for solution in solutions(await source.answers(), rows, instances, wired.strategy, source.prompt):
        triaging.climbed(solution)
    return triaging.found
