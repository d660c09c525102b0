"""A ramp from its config to its files: the frozen sample, a run a phase, one summary run, what the gates said."""

import asyncio
import hashlib
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from evalkit import __version__
from evalkit.adapters.ramp_folder import RampFolder
from evalkit.cli.execute import Session
from evalkit.cli.hydra_app import Composed, composed
from evalkit.cli.ramp.run import RampRun
from evalkit.core.advice import what_next
from evalkit.core.errors import ConfigError
from evalkit.core.frozen import Frozen, freeze
from evalkit.core.phase import PhaseResults, phase_summary, result_rows
from evalkit.core.ramp import Planned, highest, planned
from evalkit.core.summary import Summary
from evalkit.places import home, mlruns
from evalkit.run.ramp import Passed, ascend
from evalkit.settings import RampSettings, read
from evalkit.wiring import Wired


class Ascent:
    """One process's work on one ramp. Raises ConfigError before anything is spent."""

    def __init__(self, found: Composed) -> None:
        self.settings = read(found.config, RampSettings)
        self.ramp = self.settings.ramp
        self._found = found
        of = {name: _of_ladder(found, name) for name in self.ramp.shares} or {"": found}
        self._by_ladder = {name: _wired(one) for name, one in of.items()}
        self.wired = next(iter(self._by_ladder.values()))
        for wired in self._by_ladder.values():
            vars(wired)["dataset"] = self.wired.dataset  # read once: it is the same for all
        self._size = min(len(self.wired.dataset.instances), self.settings.sample.size or sys.maxsize)
        try:
            self.phases = planned(self.ramp, self._size)
        except ValueError as error:
            raise ConfigError(f"ramp: {error}") from error
        self.folder = RampFolder(mlruns() / "ramps" / self.key)

    @cached_property
    def key(self) -> str:
        """The ramp's fingerprint: what is computed, on which sample, behind which gates."""
        ramp = {key: value for key, value in asdict(self.ramp).items() if key not in ("retry", "of")}
        told = [self.families, ramp, asdict(self.settings.sample), self.settings.seed, *self._retrying()]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:12]

    def _retrying(self) -> list[str]:
        return []

    @cached_property
    def families(self) -> list[str]:
        """What gives an instance its result, a fingerprint a ladder."""
        return [wired.family for wired in self._by_ladder.values()]

    @property
    def where(self) -> str:
        """The ramp's folder, short."""
        path = self.folder.path
        return str(path.relative_to(home()) if path.is_relative_to(home()) else path)

    @property
    def title(self) -> str:
        """What the ramp is called."""
        return self.settings.name or f"ramp-{self._ladder.replace(' | ', '-')}-{self.wired.dataset.name}"

    @property
    def _ladder(self) -> str:
        return " | ".join(self.ramp.shares) or self.wired.choices.get("ladder", "")

    @property
    def simulated(self) -> bool:
        """Whether any rung's answers are scripted or replayed (invariant 8)."""
        return any(wired.simulated for wired in self._by_ladder.values())

    @property
    def size(self) -> int:
        """How many instances there are to sample from."""
        return self._size

    @cached_property
    def sample(self) -> Frozen:
        """The frozen sample; drawn, and on disk, before the first call (invariant 7)."""
        found = self.folder.frozen()
        if found is None:
            found = self._draw()
            self.folder.freeze(found)
        return found

    def _draw(self) -> Frozen:
        settings = self.settings
        try:
            return freeze(self.wired.dataset, self.phases[-1].size, settings.seed, settings.sample.by, self.ramp.shares)
        except ValueError as error:
            raise ConfigError(f"sample: {error}") from error

    def climb(self) -> Iterator[tuple[Passed, PhaseResults]]:
        """Each phase as it has passed its gate, with what was written of it."""
        self._own = self._begin()
        done, tier = [], ""
        for passed in ascend(self.phases, self._phase, until_good=self.ramp.until == "good"):
            results = self._results(passed)
            results = self.folder.add(results)
            done.append(passed)
            tier = highest(results.summary.tiers)
            yield passed, results
        self._own.finish(done, tier)

    def _phase(self, phase: Planned) -> Mapping[str, Summary]:
        """Climb a phase: one run, or one a ladder; what the family has recorded is taken over."""
        drawn = self.sample.instances[: phase.size]
        parts = {}
        for ladder in self._by_ladder:
            names = tuple(one.id for one in drawn if one.ladder == ladder)
            if names:
                parts[ladder] = self._run(phase, ladder, names)
        return parts

    def _run(self, phase: Planned, ladder: str, names: tuple[str, ...]) -> Summary:
        started = time.perf_counter()
        wired = self._wired_phase(phase, ladder, names)
        tags = {
            "evalkit.ramp": self._own.run_id,
            "evalkit.phase": str(phase.number),
            "evalkit.family": wired.family,
            **({"evalkit.share": ladder} if ladder else {}),
        }
        wired.tracker.prepare()
        try:
            session = Session(wired, self._found.overrides, tags, started, self._family(wired))
            return session.finished() or asyncio.run(session.run(gated=True))
        finally:
            wired.tracker.close()

    def _wired_phase(self, phase: Planned, ladder: str, names: tuple[str, ...]) -> Wired:
        """The objects of one ladder's run in a phase, which has a name and a sample of its own."""
        whole = self._by_ladder[ladder]
        name = f"{self.title} {phase.name}" + (f" {ladder}" if ladder else "")
        sample = replace(whole.settings.sample, size=phase.size)
        made = replace(
            whole,
            config={**whole.config, "name": name, "sample": asdict(sample)},
            settings=replace(whole.settings, name=name, sample=sample),
            only=names,
        )
        vars(made)["dataset"] = whole.dataset
        return made

    def _family(self, wired: Wired) -> list[Path]:
        """The folders of other phases that give an instance the same result, and have begun."""
        found = []
        for path in sorted((mlruns() / "runs").glob("*/record.json")):
            begun = (path.parent / "journal.jsonl").is_file() and path.parent.name != wired.key
            if begun and _tags(path).get("evalkit.family") == wired.family:
                found.append(path.parent)
        return found

    def _results(self, passed: Passed) -> PhaseResults:
        rows = tuple(row for ladder, part in passed.parts.items() for row in result_rows(part.instances, ladder))
        before = self.folder.phase(passed.phase.number - 1)
        previous = before.summary.success_rate if before else None
        summary = phase_summary(rows, passed.ruling, (part.cost_usd for part in passed.parts.values()), previous)
        seconds = sum(part.wall_seconds for part in passed.parts.values())
        advice = what_next(self.phases, passed.phase.number, passed.ruling, summary, seconds, ended=passed.ended)
        return PhaseResults(
            phase=passed.phase.number,
            timestamp=datetime.now(UTC).isoformat(timespec="seconds"),
            config=self._config(),
            results=rows,
            summary=summary,
            gate=replace(passed.ruling, next=advice),
            name=passed.phase.name,
            simulated=any(part.simulated for part in passed.parts.values()),
            runs=tuple(part.key for part in passed.parts.values()),
        )

    def _config(self) -> dict[str, Any]:
        ladders = {name: [rung.model for rung in one.rungs.values()] for name, one in self._by_ladder.items()}
        choices, settings = self.wired.choices, self.settings
        return {
            "model": " | ".join(" > ".join(models) for models in ladders.values()),
            "approach": choices.get("strategy", ""),
            "attempts_max": settings.max_attempts,
            "ladder": self._ladder,
            "dataset": self.wired.dataset.name,
            "context": choices.get("context", ""),
            "feedback": choices.get("feedback", ""),
            "verifier": choices.get("verifier", ""),
            "epochs": settings.epochs,
            "seed": settings.seed,
            "sample": self.sample.digest,
        }

    def _begin(self) -> RampRun:
        """Freeze the sample, and make the ramp known, so that phases can name it."""
        lock = {"evalkit": __version__, "sample": self.sample.digest, "families": self.families}
        run = RampRun(
            self.wired,
            self._found,
            key=self.key,
            title=self.title,
            size=self.phases[-1].size,
            ladder=self._ladder,
            simulated=self.simulated,
        )
        run.begin(self.folder, lock)
        return run


def _tags(record: Path) -> dict[str, str]:
    """A run's tags; none where a kill tore its record, which its own command writes again."""
    try:
        return dict(json.loads(record.read_text(encoding="utf-8"))["tags"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"{record}: {error}; what this run paid for is not taken over", file=sys.stderr)
        return {}


def _wired(found: Composed) -> Wired:
    """The objects of a ladder's run, for which the ramp's settings are none."""
    config = {key: value for key, value in found.config.items() if key != "ramp"}
    return Wired(config, found.choices, read(config))


def _of_ladder(found: Composed, ladder: str) -> Composed:
    """The same config with another ladder. Raises ConfigError if there is none of that name."""
    overrides: Sequence[str] = [one for one in found.overrides if not one.startswith("ladder=")]
    return composed([*overrides, f"ladder={ladder}"], "ramp")
