"""evalkit run: one run, instances x epochs up the ladder; the same command again resumes it."""

import asyncio
import sys
import time
from collections.abc import Sequence

from evalkit.cli import from_registry
from evalkit.cli.execute import Session
from evalkit.cli.hydra_app import Composed, launch
from evalkit.core.summary import Summary
from evalkit.settings import read
from evalkit.wiring import Wired

CODES = {"complete": 0, "unfinished": 3, "stopped": 3, "paused": 5}


def main(argv: Sequence[str]) -> int:
    """Run, or resume, what the overrides describe."""
    return launch(argv, "evalkit run", job)


def job(composed: Composed, tags: dict[str, str] | None = None) -> int:
    """One run of one composed config; its exit code."""
    started = time.perf_counter()
    wired = Wired(composed.config, composed.choices, read(composed.config))
    # The tracker's library loads in a process of its own meanwhile; the sooner it begins, the less is waited for.
    wired.tracker.prepare()
    try:
        told = {**from_registry.tags(wired, composed.overrides), **(tags or {})}
        session = Session(wired, composed.overrides, told, started)
        if line := _out_of_reach(wired, composed.overrides):
            print(f"evalkit: {line}", file=sys.stderr)
        done = session.finished()
        if done is not None:
            print(f"{session.where}: complete already; {session.news}")
            return _end(session, done)
        return _end(session, asyncio.run(session.run()))
    finally:
        wired.tracker.close()


def _out_of_reach(wired: Wired, overrides: Sequence[str]) -> str:
    """Somebody asked for more attempts than the rungs make: without a word it would look as if they had been made."""
    most, asked = sum(rung.attempts for rung in wired.rungs.values()), wired.settings.max_attempts
    if asked <= most or not any(one.startswith("max_attempts=") for one in overrides):
        return ""
    last = list(wired.rungs)[-1]
    more = wired.rungs[last].attempts + asked - most
    return f"max_attempts={asked} changes nothing: the rungs make {most} at most; ladder.rungs.{last}.attempts={more}"


def _end(session: Session, summary: Summary) -> int:
    from evalkit.cli.outcome import show  # noqa: PLC0415  rich is needed only now

    show(summary, session.where, tracked=session.tracked)
    code = CODES[summary.status]
    if code:
        print(f"evalkit: {summary.status}: {summary.why}", file=sys.stderr)
    return code
