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
from evalkit.adapters.run_folder import RunFolder
from evalkit.cli.execute import Session
from evalkit.cli.hydra_app import Composed, composed, leaves
from evalkit.core.advice import what_next
from evalkit.core.errors import ConfigError
from evalkit.core.frozen import Frozen, freeze
from evalkit.core.phase import PhaseResults, phase_summary, result_rows
from evalkit.core.ports import RunRecord
from evalkit.core.ramp import Planned, planned
from evalkit.core.ramp_summary import ramp_summary
from evalkit.core.summary import DatasetFacts, Facts, Summary, Tally
from evalkit.places import home, mlruns
from evalkit.run.ramp import COMPLETE, Passed, ascend
from evalkit.settings import RampSettings, read
from evalkit.wiring import Wired

UNDER_WAY = "under way, or interrupted; the same command continues"
ENDED = {"stop": "stopped", "continue": "complete", "good": "complete"}


class Ascent:
    """One process's work on one ramp. Raises ConfigError before anything is spent."""

    def __init__(self, found: Composed) -> None:
        self.settings = read(found.config, RampSettings)
        self.ramp = self.settings.ramp
        self._found = found
        of = {name: _of_ladder(found, name) for name in self.ramp.shares} or {"": found}
        self._by_ladder = {name: _wired(one) for name, one in of.items()}
        self.wired = next(iter(self._by_ladder.values()))
        self._size = min(len(self.wired.dataset.instances), self.settings.sample.size or sys.maxsize)
        try:
            self.phases = planned(self.ramp, self._size)
        except ValueError as error:
            raise ConfigError(f"ramp: {error}") from error
        self.folder = RampFolder(mlruns() / "ramps" / self.key)
        self._done: list[Passed] = []

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
        return self.settings.name or f"ramp-{self._found.choices.get('ladder', 'ladder')}-{self.wired.dataset.name}"

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
        self._begin()
        for passed in ascend(self.phases, self._phase, until_good=self.ramp.until == "good"):
            yield passed, self._note(passed)
        self._finish()

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
            "evalkit.ramp": self._run_id,
            "evalkit.phase": str(phase.number),
            "evalkit.family": wired.family,
            **({"evalkit.share": ladder} if ladder else {}),
        }
        wired.tracker.prepare()
        try:
            session = Session(wired, self._found.overrides, tags, started, self._family(wired))
            return session.finished() or asyncio.run(session.run())
        finally:
            wired.tracker.close()

    def _wired_phase(self, phase: Planned, ladder: str, names: tuple[str, ...]) -> Wired:
        """The objects of one ladder's run in a phase, which has a name and a sample of its own."""
        whole = self._by_ladder[ladder]
        name = f"{self.title} {phase.name}" + (f" {ladder}" if ladder else "")
        sample = replace(whole.settings.sample, size=phase.size)
        wired = replace(
            whole,
            config={**whole.config, "name": name, "sample": asdict(sample)},
            settings=replace(whole.settings, name=name, sample=sample),
            only=names,
        )
        vars(wired)["dataset"] = self.wired.dataset  # read once: it is the same for all phases
        return wired

    def _family(self, wired: Wired) -> list[Path]:
        """The folders of other phases that give an instance the same result, and have begun."""
        found = []
        for path in sorted((mlruns() / "runs").glob("*/record.json")):
            tags = json.loads(path.read_text(encoding="utf-8")).get("tags", {})
            begun = (path.parent / "journal.jsonl").is_file()
            if begun and tags.get("evalkit.family") == wired.family and path.parent.name != wired.key:
                found.append(path.parent)
        return found

    def _note(self, passed: Passed) -> PhaseResults:
        self._done.append(passed)
        results = self._results(passed)
        self.folder.add(results)
        return results

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
            "ladder": " | ".join(name or choices.get("ladder", "") for name in ladders),
            "dataset": self.wired.dataset.name,
            "context": choices.get("context", ""),
            "feedback": choices.get("feedback", ""),
            "verifier": choices.get("verifier", ""),
            "epochs": settings.epochs,
            "seed": settings.seed,
            "sample": self.sample.digest,
        }

    @cached_property
    def _run_id(self) -> str:
        """The MLflow run of the ramp, which its phases name; the ramp's key where no store has taken it yet."""
        try:
            return str(json.loads((self.folder.path / "published.json").read_text(encoding="utf-8"))["run_id"])
        except (OSError, ValueError, KeyError):
            return self.key

    def _begin(self) -> None:
        """Freeze the sample, and make the ramp known, so that phases can name it."""
        self.sample  # noqa: B018  drawn and written by asking for it
        folder = RunFolder(self.folder.path)
        earlier = folder.summary()
        published = (self.folder.path / "published.json").is_file()
        if earlier is None or not published:
            lock = {"evalkit": __version__, "sample": self.sample.digest, "families": self.families}
            folder.begin(self._record(), json.dumps(self._found.config, indent=2, default=str), lock, "")
            self._publish(earlier or self._first())

    def _first(self) -> Summary:
        """Before the first phase has ended."""
        tally = Tally(self.wired.settings.ladder)
        return tally.summary(self._facts(), status="paused", why=UNDER_WAY, wall_seconds=0.0)

    def _finish(self) -> None:
        last = self._done[-1]
        ruling = last.ruling
        status = last.status if ruling.refused else ENDED[ruling.decision]
        why = f"phase {last.phase.number} ({last.phase.size} instances): {ruling.decision}, {ruling.why}"
        summary = ramp_summary(
            self._facts(),
            list(last.parts.values()),
            status=status if last.status == COMPLETE or ruling.refused else last.status,
            why=why,
            wall_seconds=sum(part.wall_seconds for one in self._done for part in one.parts.values()),
            tags={"evalkit.gates": self._gates(), "evalkit.tier": self._tier()},
        )
        if RunFolder(self.folder.path).summary() != summary:
            self._publish(summary)

    def _gates(self) -> str:
        return ", ".join(f"{one.phase.size}: {_word(one)}" for one in self._done)

    def _tier(self) -> str:
        """The highest success tier that the last phase met, empty if none."""
        results = self.folder.phase(self._done[-1].phase.number)
        met = [tier for tier, word in results.summary.tiers.items() if word != "missed"] if results else []
        return met[-1] if met else ""

    def _publish(self, summary: Summary) -> None:
        tracker = _untraced(self.wired).tracker
        try:
            RunFolder(self.folder.path).finish(summary)
            tracker.start(self._record())
            if late := tracker.finish(summary):
                print(f"evalkit: {late}", file=sys.stderr)
        finally:
            tracker.close()

    def _facts(self) -> Facts:
        size = self.phases[-1].size
        dataset = DatasetFacts(self.wired.dataset.name, self.wired.dataset.digest, size)
        ladder = " | ".join(self.ramp.shares) or self.wired.choices.get("ladder", "")
        return Facts(self.key, self.title, dataset, ladder, self._simulated, self._record().tags)

    @property
    def _simulated(self) -> bool:
        return any(wired.simulated for wired in self._by_ladder.values())

    def _record(self) -> RunRecord:
        wired, size = self.wired, self.phases[-1].size
        found = leaves(self._found.config)
        texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in found.items()}
        tags = {
            "evalkit.key": self.key,
            "evalkit.kind": "ramp",
            "evalkit.simulated": str(self._simulated).lower(),
            "evalkit.feedback": wired.feedback_tag,
            "evalkit.version": __version__,
        }
        return RunRecord(
            key=self.key,
            name=self.title,
            kind="ramp",
            folder=str(self.folder.path),
            experiment=str(wired.config["tracker"].get("experiment", "evalkit")),
            params={**wired.choices, **texts},
            tags=tags,
            dataset=wired.dataset.name,
            dataset_digest=wired.dataset.digest,
            instances=size,
            climbs=size * self.settings.epochs,
        )


def _untraced(wired: Wired) -> Wired:
    """The same without traces: a ramp's climbs are traced with their phases."""
    tracker = dict(wired.config["tracker"])
    if "traces" in tracker:
        tracker["traces"] = "none"
    return replace(wired, config={**wired.config, "tracker": tracker})


def _wired(found: Composed) -> Wired:
    """The objects of a ladder's run, for which the ramp's settings are none."""
    config = {key: value for key, value in found.config.items() if key != "ramp"}
    return Wired(config, found.choices, read(config))


def _of_ladder(found: Composed, ladder: str) -> Composed:
    """The same config with another ladder. Raises ConfigError if there is none of that name."""
    overrides: Sequence[str] = [one for one in found.overrides if not one.startswith("ladder=")]
    return composed([*overrides, f"ladder={ladder}"], "ramp")


def _word(passed: Passed) -> str:
    return "unfinished" if passed.ruling.refused else str(passed.ruling.decision)
