"""evalkit run: one run, instances x epochs up the ladder; the same command again resumes it."""

import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evalkit.cli import from_registry
from evalkit.cli.execute import Session
from evalkit.cli.hydra_app import Composed, launch
from evalkit.cli.hydra_arguments import parsed
from evalkit.cli.own_options import take_file, take_form, take_share
from evalkit.cli.swept import check_cells
from evalkit.core.errors import ConfigError
from evalkit.core.summary import Summary
from evalkit.settings import read
from evalkit.wiring import Wired

CODES = {"complete": 0, "unfinished": 3, "stopped": 3, "paused": 5}
GATE = 4  # --fail-under not met


def main(argv: Sequence[str]) -> int:
    """Run, or resume, what the overrides describe."""
    rest = list(argv)
    job = Job(take_share(rest, "--fail-under"), take_file(rest, "--junit"), take_form(rest))
    if job.junit is not None and {"-m", "--multirun"} & set(rest):
        raise ConfigError("--junit holds one run; with -m, run the cells one by one")
    with from_registry.opened(rest) as own:
        check_cells(parsed(own, "evalkit run"))
        return launch(own, "evalkit run", job)


@dataclass(frozen=True)
class Job:
    """One run of one composed config, and what is wanted of its end.

    `fail_under` is the least solved rate (None: any will do), `junit` where JUnit XML goes, `form` what stdout gets:
    table, or json for summary.json.
    """

    fail_under: float | None = None
    junit: Path | None = None
    form: str = "table"

    def __call__(self, composed: Composed, tags: dict[str, str] | None = None) -> int:
        """Run it; its exit code."""
        started = time.perf_counter()
        if self.junit is not None:  # an earlier run's would be taken for this one's, should this one break off
            _remove(self.junit)
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
                line = f"{session.where}: complete already; {session.news}"
                print(line, file=sys.stdout if self.form == "table" else sys.stderr)
                return self._end(session, done, wired.folder)
            return self._end(session, asyncio.run(session.run()), wired.folder)
        finally:
            wired.tracker.close()

    def _end(self, session: Session, summary: Summary, folder: Path) -> int:
        if self.form == "json":
            import msgspec  # noqa: PLC0415  needed only here

            print(msgspec.json.format(msgspec.json.encode(summary), indent=2).decode())
        else:
            from evalkit.cli.outcome import show  # noqa: PLC0415  rich is needed only now

            show(summary, session.where, tracked=session.tracked)
        if self.junit is not None:
            from evalkit.cli.junit import write_junit  # noqa: PLC0415  XML is needed only here

            write_junit(self.junit, folder, summary)
        return self._code(summary)

    def _code(self, summary: Summary) -> int:
        """What an outage left open comes first: a rate without it says nothing of the models (invariant 1)."""
        if code := CODES[summary.status]:
            print(f"evalkit: {summary.status}: {summary.why}", file=sys.stderr)
            return code
        rate = summary.solved_rate
        if self.fail_under is None or (rate is not None and rate.value >= self.fail_under):
            return 0
        print(f"evalkit: {_too_low(summary, self.fail_under)}", file=sys.stderr)
        return GATE


def _remove(old: Path) -> None:
    """The file of an earlier run. Raises ConfigError."""
    try:
        old.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(f"--junit {str(old)!r} cannot be written: {error.strerror}. Name another file.") from error


def _too_low(summary: Summary, wanted: float) -> str:
    from evalkit.cli.outcome import rate  # noqa: PLC0415  rich is needed only now

    counts = summary.counts
    judged = counts["solved"] + counts["unsolved"]
    known = f"{counts['solved']} of {judged} solved: {rate(summary.solved_rate)}" if judged else "nothing was judged"
    return f"--fail-under {wanted:g} is not met: {known}. What went wrong: evalkit triage {summary.key}"


def _out_of_reach(wired: Wired, overrides: Sequence[str]) -> str:
    """Somebody asked for more attempts than the rungs make: without a word it would look as if they had been made."""
    most, asked = sum(rung.attempts for rung in wired.rungs.values()), wired.settings.max_attempts
    if asked <= most or not any(one.startswith("max_attempts=") for one in overrides):
        return ""
    last = list(wired.rungs)[-1]
    more = wired.rungs[last].attempts + asked - most
    return f"max_attempts={asked} changes nothing: the rungs make {most} at most; ladder.rungs.{last}.attempts={more}"
