"""The runs in the tracking store, newest first: solved rate with its 95 % interval, attempts, cost."""

import argparse
from shutil import get_terminal_size
from typing import Any

from evalkit.cli.store import add_uri, store_uri
from evalkit.cli.tables import FORMATS, show
from evalkit.places import home

EXAMPLE = "evalkit runs --limit 10 --format json"
KINDS = ("run", "sweep", "phase", "ramp", "comparison")
TABLE = {
    "name": "run (key · MLflow's id)",
    "solved": "solved",
    "rate": "rate, 95 %",
    "attempts": "attempts",
    "cost_usd": "$",
    "by_rung": "solved on",
    "tokens": "tokens",
    "seconds": "seconds",
    "started": "started (UTC)",
}
LATER = ("by_rung", "tokens", "seconds", "started")  # columns for a wide terminal only
WIDE = 110
SHORT = 8  # characters of a key or an id: a prefix that is taken for the whole
NONE_YET = "no runs yet: evalkit run ladder=local dataset=starter sample.size=5"
CSV = (
    "id", "name", "key", "kind", "status", "simulated", "experiment", "solved_rate", "solved_rate_low",
    "solved_rate_high", "solved", "unsolved", "unfinished", "quarantined", "attempts_mean", "cost_usd",
    "tokens_prompt", "tokens_completion", "wall_seconds", "started",
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument("--experiment", help="only runs of this experiment")
    parser.add_argument("--kind", choices=KINDS, help="only runs of this kind")
    parser.add_argument("--limit", type=_count, default=50, help="at most so many, default 50")
    parser.add_argument("--format", choices=FORMATS, default="table", help="default table")
    add_uri(parser)


def run(args: argparse.Namespace) -> int:
    """Print the runs. Returns the exit code."""
    from evalkit.adapters.mlflow_runs import list_runs  # noqa: PLC0415  MLflow takes 2 s

    uri = store_uri(args.uri)
    rows = list_runs(uri, str(home()), experiment=args.experiment, kind=args.kind, limit=args.limit)
    if not rows and args.format == "table":
        others = bool(args.kind or args.experiment) and list_runs(uri, str(home()), limit=1)
        wanted = " ".join(f"{name} {value!r}" for name, value in _wanted(args).items())
        print(f"no runs of {wanted}; there are others: `evalkit runs` shows them" if others else NONE_YET)
    elif args.format == "table":
        wide = get_terminal_size().columns >= WIDE
        columns = {name: heading for name, heading in TABLE.items() if wide or name not in LATER}
        show([_for_people(row) for row in rows], columns)
    elif args.format == "csv":
        show([_flat(row) for row in rows], {name: name for name in CSV}, form="csv")
    else:
        show(rows, {}, form="json")
    return 0


def _wanted(args: argparse.Namespace) -> dict[str, str]:
    given = {"kind": args.kind, "experiment": args.experiment}
    return {name: value for name, value in given.items() if value}


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return number


def _for_people(row: dict[str, Any]) -> dict[str, Any]:
    counts, rate, tokens = row["counts"], row["solved_rate"], row["tokens"]
    judged = counts.get("solved", 0) + counts.get("unsolved", 0)
    known = None not in tokens.values()
    key = (row["key"] or "–")[:SHORT]
    status = "running" if row["running"] else row["status"]
    marks = [*(["simulated"] if row["simulated"] else []), *([status] if status != "complete" else [])]
    shown = f" ({', '.join(marks)})" if marks else ""
    return {
        **row,
        "name": f"{row['name']}{shown}\n{key} · {row['id'][:SHORT]}",
        "solved": f"{counts.get('solved', 0)}/{judged}" + _troubles(counts) if counts else None,
        "rate": f"{rate['value']:.0%} ({100 * rate['low']:.0f}–{100 * rate['high']:.0f})" if rate else None,
        "attempts": None if row["attempts_mean"] is None else f"{row['attempts_mean']:.2f}",
        "by_rung": " ".join(f"{name}:{number}" for name, number in row["solved_on"].items()) or None,
        "tokens": tokens["prompt"] + tokens["completion"] if known else None,
        "seconds": None if row["wall_seconds"] is None else f"{row['wall_seconds']:.1f}",
        "started": (row["started"] or "")[:16].replace("T", " ") or None,
    }


def _troubles(counts: dict[str, int]) -> str:
    """What is no evidence about the models, and must be seen all the same."""
    return "".join(f" +{counts[name]} {name}" for name in ("unfinished", "quarantined") if counts.get(name))


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    rate = row["solved_rate"] or {"value": None, "low": None, "high": None}
    return {
        **row,
        **row["counts"],
        "solved_rate": rate["value"],
        "solved_rate_low": rate["low"],
        "solved_rate_high": rate["high"],
        "tokens_prompt": row["tokens"]["prompt"],
        "tokens_completion": row["tokens"]["completion"],
    }
