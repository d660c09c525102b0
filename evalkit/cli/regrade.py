"""Judge a run's recorded answers again with today's rubric and tests; no model is asked.

Shows each verdict that flips, the rule that caused it, and what it does to the solved rate. A climb that was
solved and is not any more would have gone on: nothing more is recorded of it, and it counts as unsolved.
--suspects finds the rules that alone reject answers which pass their instance's tests. RUN is a run's folder,
name, key or MLflow id. OVERRIDE may change what judges, such as verifier.rubric=NAME or sandbox=docker.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from evalkit.cli.tables import show

if TYPE_CHECKING:
    from evalkit.cli.source_run import SourceRun
    from evalkit.core.regrading import Climbed, Rates
    from evalkit.core.suspects import Suspect
    from evalkit.core.types import Instance
    from evalkit.run.recorded import Recorded
    from evalkit.wiring import Wired

EXAMPLE = "evalkit regrade 0123456789ab verifier.rubric=python_function"
MIXED = True
UNJUDGED = 3
MOST_LINES = 10  # that say what could not be judged
SANDBOX = 1  # the stage before that of graders, see run/checking.stage
CONCURRENCY = 8  # verdicts at once; the sandbox has a limit of its own
FLIPS = {
    "instance_id": "instance",
    "epoch": "epoch",
    "attempt": "attempt",
    "before": "was",
    "after": "is",
    "because": "because of",
    "effect": "its climb",
}


@dataclass(frozen=True)
class Outcome:
    """All that a regrade found. `judged` of the `attempts` have a verdict of today."""

    climbs: "Sequence[Climbed]"
    rates: "Rates"
    attempts: int
    judged: int
    unjudged: tuple[str, ...]
    suspects: "tuple[Suspect, ...] | None"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument("run", metavar="RUN", help="a run's folder, name, key or MLflow id")
    parser.add_argument("overrides", nargs="*", metavar="OVERRIDE", help="such as verifier=rubric")
    parser.add_argument("--suspects", action="store_true", help="the rules that reject what passes the tests")
    parser.add_argument("--log", action="store_true", help="log it as a run of its own, in mlruns/ and MLflow")
    parser.add_argument("--with-graders", action="store_true", help="let rules ask grader models: costs money")
    parser.add_argument("--format", choices=("table", "json"), default="table")


def run(args: argparse.Namespace) -> int:
    """0, or 3 where some answers could not be judged."""
    from evalkit.cli.runs_of import run_folder  # noqa: PLC0415  --help needs none of these
    from evalkit.cli.source_run import SourceRun  # noqa: PLC0415

    source = SourceRun(run_folder(args.run, journal=True))
    wired = source.wired(args.overrides)
    outcome = asyncio.run(_judged(source, wired, args))
    logged = _logged(source, wired, outcome, args) if args.log else ""
    if args.format == "json":
        print(json.dumps(_plain(source, outcome, logged), indent=2))
    else:
        _tell(source, wired, outcome, graders=args.with_graders)
    if logged:
        print(f"logged as {logged}", file=sys.stderr)
    return UNJUDGED if outcome.unjudged else 0


async def _judged(source: "SourceRun", wired: "Wired", args: argparse.Namespace) -> Outcome:
    try:
        return await _outcome(source, wired, args)
    finally:
        await wired.close()


async def _outcome(source: "SourceRun", wired: "Wired", args: argparse.Namespace) -> Outcome:
    from evalkit.cli.source_run import without_graders  # noqa: PLC0415
    from evalkit.core.regrading import before, by_climb, climbed, rates  # noqa: PLC0415
    from evalkit.run.regrade import Regrading  # noqa: PLC0415

    answers = await source.answers()
    print(f"judging {len(answers)} recorded answers of {source.record.name}", file=sys.stderr)
    instances = {instance.id: instance for instance in wired.dataset.instances}
    verifier = wired.verifier if args.with_graders else without_graders(wired)
    prompts = {
        (one.instance_id, one.epoch, one.number): source.prompt(one.instance_id, one.epoch, one.number)
        for one in (answers if args.log else ())
    }
    judged = await Regrading(instances, prompts, wired.strategy, verifier).all(answers, CONCURRENCY)
    ladder, most = wired.settings.ladder, wired.settings.max_attempts
    climbs = [
        climbed(source.statuses.get(key) or before(attempts), attempts, ladder, most)
        for key, attempts in by_climb(judged).items()
    ]
    faults = [
        f"{one.instance_id}, epoch {one.epoch}, attempt {one.attempt.number}: {one.error}"
        for one in judged
        if one.error
    ]
    suspects = None
    if args.suspects:
        found, more = await _interrogated(wired, answers, instances, graders=args.with_graders)
        suspects, faults = found, [*faults, *(fault for fault in more if fault not in faults)]
    verdicts = sum(not one.error for one in judged)
    return Outcome(climbs, rates(climbs), len(answers), verdicts, tuple(faults), suspects)


async def _interrogated(
    wired: "Wired", answers: "Sequence[Recorded]", instances: "dict[str, Instance]", *, graders: bool
) -> "tuple[tuple[Suspect, ...], list[str]]":
    """The suspects among the rules, tests run where one rule alone rejects an answer."""
    from evalkit.run.regrade import Interrogation  # noqa: PLC0415  see run()
    from evalkit.run.rubric_verifier import RubricVerifier  # noqa: PLC0415
    from evalkit.run.tests_verifier import TestsVerifier  # noqa: PLC0415

    limits = {
        key: wired.config["verifier"][key] for key in ("timeout_s", "memory_mb") if key in wired.config["verifier"]
    }
    ask = wired.ask if graders else None
    name = wired.config["verifier"].get("rubric")
    rubric = RubricVerifier(rubrics=wired.rubrics, rubric=name, sandbox=wired.sandbox, ask=ask, **limits)
    tests = TestsVerifier(sandbox=wired.sandbox, **limits)
    interrogation = Interrogation(instances, wired.shared_rubric, wired.strategy, rubric, tests)
    suspicions, faults = await interrogation.all(answers, CONCURRENCY)
    return suspicions.found(), faults


def _logged(source: "SourceRun", wired: "Wired", outcome: Outcome, args: argparse.Namespace) -> str:
    from evalkit.cli.regraded_run import log  # noqa: PLC0415  see run()

    return log(source, wired, outcome.climbs, args.overrides)


def _plain(source: "SourceRun", outcome: Outcome, logged: str) -> dict[str, Any]:
    """The same for programs."""
    rates = outcome.rates
    return {
        "run": {"key": source.record.key, "name": source.record.name},
        "logged": logged or None,
        "attempts": outcome.attempts,
        "flips": [asdict(flip) for climb in outcome.climbs for flip in climb.flips],
        "solved_rate": {
            "before": asdict(rates.before) if rates.before else None,
            "after": asdict(rates.after) if rates.after else None,
        },
        "solved": {"before": rates.solved_before, "after": rates.solved_after},
        "judged": {"before": rates.judged_before, "after": rates.judged_after},
        "would_have_gone_on": rates.open,
        "unjudged": list(outcome.unjudged),
        **({} if outcome.suspects is None else {"suspects": [asdict(one) for one in outcome.suspects]}),
    }


def _tell(source: "SourceRun", wired: "Wired", outcome: Outcome, *, graders: bool) -> None:
    flips = [flip for climb in outcome.climbs for flip in climb.flips]
    if wired.dataset.digest != source.record.dataset_digest:
        which = f"the dataset {wired.dataset.name} (its instances, tests or rubrics)"
        print(f"{which} has changed since: {wired.dataset.digest[:12]}")
    if flips:
        rows = [{**asdict(flip), "because": ", ".join(flip.rules) or flip.message} for flip in flips]
        show(rows, FLIPS, title=f"{source.record.name}: {len(flips)} of {outcome.judged} verdicts flip")
    else:
        print(f"{source.record.name}: none of {outcome.judged} verdicts flips")
    _tell_rates(outcome.rates)
    for line in outcome.unjudged[:MOST_LINES]:
        print(f"not judged: {line}")
    if len(outcome.unjudged) > MOST_LINES:
        print(f"not judged: {len(outcome.unjudged) - MOST_LINES} more")
    if outcome.unjudged and not graders and _asks(wired):
        print("some rules ask a grader model: with --with-graders they may, which costs what asking costs")
    if outcome.suspects is not None:
        from evalkit.cli.suspect_lines import lines  # noqa: PLC0415  see run()

        print("\n".join(lines(outcome.suspects) or ["no suspects among the rules"]))


def _asks(wired: "Wired") -> bool:
    from evalkit.run.checking import effects, stage  # noqa: PLC0415  see run()

    return any(stage(check) > SANDBOX for check in effects(wired.judging))


def _tell_rates(rates: "Rates") -> None:
    from evalkit.cli.outcome import rate  # noqa: PLC0415  see run()

    was = f"{rates.solved_before} of {rates.judged_before}: {rate(rates.before)}"
    least = "at least " if rates.open else ""
    print(f"solved {was}, now {least}{rates.solved_after} of {rates.judged_after}: {rate(rates.after)}")
    if rates.open:
        climbs = "1 climb" if rates.open == 1 else f"{rates.open} climbs"
        print(f"{climbs} would have gone on, and nothing more is recorded: counted as unsolved")
