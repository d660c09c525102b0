"""evalkit compare: are two runs really different? Paired on the instances that both judged."""

import argparse
import json
from collections.abc import Callable
from typing import Any

import msgspec

from evalkit.cli.runs_of import run_folder
from evalkit.cli.tables import show
from evalkit.core.errors import ConfigError
from evalkit.core.stats import Paired, paired
from evalkit.core.summary import Summary
from evalkit.core.types import Status

EXAMPLE = "evalkit compare single-starter local-starter"

WORDS = {
    "better": "B is better",
    "worse": "B is worse",
    "no_difference_shown": "no difference shown",
    "cannot_show": "too few instances differ to show a difference: take a larger sample",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("a", metavar="A", help="a run: its folder, its name, its key or MLflow id or a prefix of one")
    parser.add_argument("b", metavar="B", help="the run to set against it")
    parser.add_argument("--format", choices=("table", "json"), default="table")
    parser.add_argument("--shared-only", action="store_true", help="compare although the runs' instances differ")
    parser.add_argument("--allow-simulated", action="store_true", help="compare a simulated run with a live one")


def run(args: argparse.Namespace) -> int:
    """Compare."""
    a, b = (summary_of(name) for name in (args.a, args.b))
    _refuse(a, b, shared_only=args.shared_only, simulated=args.allow_simulated)
    try:
        found = paired(_outcomes(a), _outcomes(b))
    except ValueError as error:
        raise ConfigError(f"compare {args.a} {args.b}: {error}") from error
    if args.format == "json":
        print(json.dumps(_json(a, b, found, allow_simulated=args.allow_simulated), indent=2))
    else:
        _print(a, b, found)
    return 0


def summary_of(name: str) -> Summary:
    """A run's summary. Raises ConfigError where there is none."""
    path = run_folder(name) / "summary.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=Summary)
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(f"{path}: {error}. Run it to its end first: the same `evalkit run` continues it.") from error


def _refuse(a: Summary, b: Summary, *, shared_only: bool, simulated: bool) -> None:
    if a.simulated != b.simulated and not simulated:
        raise ConfigError("one run is simulated and the other is live; --allow-simulated compares them all the same")
    if any(row.epoch > 1 for one in (a, b) for row in one.instances):
        raise ConfigError(
            "repeats of an instance are not independent, and this test takes pairs for independent: "
            "compare runs with epochs=1"
        )
    if a.dataset.digest != b.dataset.digest and not shared_only:
        raise ConfigError("the runs are on different datasets; --shared-only compares the instances they share")
    if _all(a) != _all(b) and not shared_only:
        raise ConfigError("the runs are on different samples; --shared-only compares the instances they share")


def _all(summary: Summary) -> set[tuple[str, int]]:
    return {(row.instance_id, row.epoch) for row in summary.instances}


def _outcomes(summary: Summary) -> dict[str, bool]:
    """Solved or not, for what was judged: an unfinished or quarantined climb says nothing about the models."""
    judged = (Status.SOLVED, Status.UNSOLVED)
    return {f"{row.instance_id}#{row.epoch}": row.solved for row in summary.instances if row.status in judged}


def _print(a: Summary, b: Summary, found: Paired) -> None:
    from evalkit.cli.outcome import money, rate  # noqa: PLC0415  rich is needed only for the table

    sides = {"a": a, "b": b}
    lines: dict[str, Callable[[Summary], object]] = {
        "solved": lambda one: f"{one.counts['solved']} of {one.counts['solved'] + one.counts['unsolved']}",
        "rate (95 %)": lambda one: rate(one.solved_rate),
        "attempts a climb": lambda one: one.attempts["mean"],
        "by rung": lambda one: "\n".join(f"{rung.name} {rung.solved}/{rung.attempts}" for rung in one.by_rung),
        "seconds": lambda one: round(one.wall_seconds),
        "tokens": _tokens,
        "cost": lambda one: money(one.cost_usd),
    }
    rows = [{"what": what} | {side: shown(one) for side, one in sides.items()} for what, shown in lines.items()]
    show(rows, {"what": ""} | {side: _heading(side, one) for side, one in sides.items()})
    uplift = found.uplift
    discordant = f"only A {len(found.only_a)}, only B {len(found.only_b)}"
    print(f"paired on {found.instances}: both {found.both}, {discordant}, neither {found.neither}")
    interval = f"95 % {uplift.low:+.0%} to {uplift.high:+.0%}"
    print(f"uplift B - A: {uplift.value:+.0%} ({interval}), exact McNemar p = {found.p_value:.3g}")
    for side, ids in (("A", found.only_a), ("B", found.only_b)):
        if ids:
            print(f"only {side}: {', '.join(one.removesuffix('#1') for one in ids)}")
    print(f"conclusion: {WORDS[found.conclusion]}")
    for side, one in (("A", a), ("B", b)):
        left = {name: one.counts[name] for name in ("unfinished", "quarantined") if one.counts.get(name)}
        if left:
            print(f"{side} leaves out: {', '.join(f'{count} {name}' for name, count in left.items())}")


def _heading(side: str, summary: Summary) -> str:
    marks = ["simulated"] if summary.simulated else []
    marks += ["oracle"] if summary.tags.get("evalkit.context") == "oracle" else []  # prompts knew what to change
    return f"{side.upper()}: {summary.name}" + "".join(f" [{mark}]" for mark in marks)


def _tokens(summary: Summary) -> str:
    return " + ".join(
        "?" if summary.tokens[kind] is None else str(summary.tokens[kind]) for kind in ("prompt", "completion")
    )


def _json(a: Summary, b: Summary, found: Paired, *, allow_simulated: bool) -> dict[str, Any]:
    flips = [(name, True, False) for name in found.only_a] + [(name, False, True) for name in found.only_b]
    difference = None if a.cost_usd is None or b.cost_usd is None else b.cost_usd - a.cost_usd
    comparison = {
        "a": a.key,
        "b": b.key,
        "instances": found.instances,
        "both": found.both,
        "only_a": len(found.only_a),
        "only_b": len(found.only_b),
        "neither": found.neither,
        "uplift": msgspec.to_builtins(found.uplift),
        "p_value": found.p_value,
        "p_adjusted": found.p_value,
        "conclusion": found.conclusion,
        "cost_usd": {"a": a.cost_usd, "b": b.cost_usd, "difference": difference},
        "flips": [{"instance_id": name.rpartition("#")[0], "a": one, "b": other} for name, one, other in flips],
    }
    runs = [{"id": one.key, "name": one.name, "solved_rate": msgspec.to_builtins(one.solved_rate)} for one in (a, b)]
    return {"runs": runs, "comparisons": [comparison], "allow_simulated": allow_simulated}
