"""A regrade as a run of its own: folder, journal, summary and MLflow, naming its source."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from evalkit import __version__
from evalkit.adapters.jsonl_journal import JsonlJournal
from evalkit.adapters.run_folder import RunFolder
from evalkit.cli.hydra_app import leaves
from evalkit.cli.judged_in import sandbox_tags
from evalkit.cli.provenance import as_yaml, commit, rubrics_yaml
from evalkit.cli.report import at_end
from evalkit.cli.source_run import SourceRun
from evalkit.core.digest import rubric_digest
from evalkit.core.ports import RunRecord
from evalkit.core.regrading import Climbed
from evalkit.core.summary import DatasetFacts, Facts, Summary
from evalkit.core.tally import Tally
from evalkit.core.traits import traits
from evalkit.core.types import Completion, Solution, Status, Verdict
from evalkit.identity import SCHEDULING
from evalkit.places import mlruns
from evalkit.wiring import Wired

T = TypeVar("T")
# Of the answers; sweep and ramp are the source's alone.
KEPT = ("evalkit.simulated", "evalkit.feedback", "evalkit.context")
DIGITS = 12  # of a run's key


def log(source: SourceRun, wired: Wired, climbs: Sequence[Climbed], overrides: Sequence[str]) -> str:
    """Write the run and publish it; its folder. Logging the same again changes nothing.

    Climbs that would have gone on count as unsolved here, and are counted in the tag `evalkit.regraded.open`.
    """
    record = _record(source, wired, climbs)
    folder = RunFolder(mlruns() / "runs" / record.key, wired.scrub)
    lock = {
        "evalkit": __version__,
        "source": source.record.key,
        "dataset": {"name": wired.dataset.name, "digest": wired.dataset.digest},
        "instances": sorted({climb.solution.instance_id for climb in climbs}),
        "overrides": list(overrides),
        "commit": commit(),
    }
    folder.begin(record, as_yaml(dict(wired.config)), lock, rubrics_yaml(wired), traits(wired.instances))
    solutions = asyncio.run(_journal(folder, record.key, climbs))
    tally = Tally(wired.settings.ladder)
    tracker = wired.tracker
    tracker.start(record)
    for solution in solutions:
        folder.climbed(solution)
        tally.add(solution)
        tracker.climbed(solution)
        for attempt in solution.attempts:
            tally.spend(attempt.completion)
            for grading in attempt.verdict.gradings:
                tally.spend(grading)
    summary = wired.scrub.summary(_summary(source, wired, record, tally))
    folder.finish(summary)
    at_end(Path(folder.path), summary, wired.settings.report_up_to)
    late = tracker.finish(summary)
    tracker.close()
    return f"{folder.path}" + (f" ({late})" if late else "")


def _record(source: SourceRun, wired: Wired, climbs: Sequence[Climbed]) -> RunRecord:
    key = _key(source, wired)
    was = source.record
    given = wired.settings.name
    open_ones = sum(climb.open for climb in climbs)
    return replace(
        was,
        key=key,
        name=given if given and given != was.name else f"{was.name} regraded",
        kind="run",
        folder=str(mlruns() / "runs" / key),
        params={**was.params, **wired.choices, **{name: _text(value) for name, value in leaves(wired.config).items()}},
        tags={
            **{name: was.tags[name] for name in KEPT if name in was.tags},
            **sandbox_tags(wired),
            "evalkit.key": key,
            "evalkit.kind": "run",
            "evalkit.source": was.key,
            "evalkit.regraded": "true",
            "evalkit.regraded.open": str(open_ones),
            "evalkit.version": __version__,
            "evalkit.commit": commit(),
        },
        dataset=wired.dataset.name,
        dataset_digest=wired.dataset.digest,
        instances=len({climb.solution.instance_id for climb in climbs}),
        climbs=len(climbs),
    )


def _key(source: SourceRun, wired: Wired) -> str:
    """The regrade's own: of the answers, and of all that judges them."""
    shared = wired.shared_rubric
    judging = [
        source.record.key,
        wired.config["verifier"],
        {key: value for key, value in wired.config["sandbox"].items() if key not in SCHEDULING},
        wired.dataset.digest,
        wired.identity.images,
        rubric_digest(shared) if shared else None,
        __version__.split(".", 1)[0],
        *([wired.identity.plug_ins] if wired.identity.plug_ins else []),
    ]
    return hashlib.sha256(json.dumps(judging, sort_keys=True, default=str).encode()).hexdigest()[:DIGITS]


async def _journal(folder: RunFolder, key: str, climbs: Sequence[Climbed]) -> list[Solution]:
    """The answers and today's verdicts, so that this run can be regraded too; what was logged before stays."""
    journal = JsonlJournal(folder.path / "journal.jsonl", key)
    try:
        return [await _climb(journal, climb.solution) for climb in climbs]
    finally:
        journal.close()


async def _climb(journal: JsonlJournal, solution: Solution) -> Solution:
    attempts = []
    for attempt in solution.attempts:
        asked = f"{solution.instance_id}/{solution.epoch}/{attempt.number}/{attempt.rung}/{attempt.prompt.digest}"
        await journal.once(f"{asked}/completion", Completion, _known(attempt.completion))
        verdict = attempt.verdict
        if solution.status is not Status.UNFINISHED:
            verdict = await journal.once(f"{asked}/verdict", Verdict, _known(verdict))
        attempts.append(replace(attempt, verdict=verdict))
    return replace(solution, attempts=tuple(attempts))


def _known(value: T) -> Callable[[], Awaitable[T]]:
    async def effect() -> T:
        return value

    return effect


def _summary(source: SourceRun, wired: Wired, record: RunRecord, tally: Tally) -> Summary:
    unfinished = tally.counts[Status.UNFINISHED]
    facts = Facts(
        record.key,
        record.name,
        DatasetFacts(record.dataset, record.dataset_digest, record.instances),
        wired.choices.get("ladder", ""),
        source.record.tags.get("evalkit.simulated") == "true",
        record.tags,
    )
    status, why = ("unfinished", f"{unfinished} could not be judged") if unfinished else ("complete", "")
    return tally.summary(facts, status=status, why=why, wall_seconds=0.0)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)
