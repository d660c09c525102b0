"""A ramp's own run: the record and summary in its folder, and the MLflow run that its phases name."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from evalkit import __version__
from evalkit.adapters.ramp_folder import RampFolder
from evalkit.adapters.run_folder import RunFolder
from evalkit.cli.hydra_app import Composed, leaves
from evalkit.cli.judged_in import sandbox_tags
from evalkit.cli.provenance import as_yaml, commit
from evalkit.core.ports import RunRecord
from evalkit.core.ramp_summary import ramp_summary
from evalkit.core.summary import DatasetFacts, Facts, Summary
from evalkit.core.tally import Tally
from evalkit.run.ramp import Passed
from evalkit.wiring import Wired

UNDER_WAY = "under way, or interrupted; the same command continues"
ENDED = {"stop": "stopped", "continue": "complete", "good": "complete"}


class RampRun:
    """`size` is the largest phase's; `ladder` names the ladder, or those that share the sample."""

    def __init__(
        self, wired: Wired, found: Composed, *, key: str, title: str, size: int, ladder: str, simulated: bool
    ) -> None:
        self._wired, self._found, self._ladder, self._simulated = wired, found, ladder, simulated
        self._key, self._title, self._size = key, title, size

    def begin(self, folder: RampFolder, lock: Mapping[str, Any]) -> None:
        """Make the ramp known before its first phase, unless it is."""
        self._folder = folder
        files = RunFolder(folder.path)
        earlier = files.summary()
        if earlier is None or not (folder.path / "published.json").is_file():
            files.begin(self._record, as_yaml(dict(self._found.config)), lock, "")
            self._publish(earlier or self._first())

    @cached_property
    def run_id(self) -> str:
        """The MLflow run of the ramp; the ramp's key where no store has taken it yet."""
        try:
            return str(json.loads((self._folder.path / "published.json").read_text(encoding="utf-8"))["run_id"])
        except (OSError, ValueError, KeyError, TypeError):
            return self._key

    def finish(self, done: Sequence[Passed], tier: str) -> None:
        """Write and publish what the ramp came to; what says the same already stays as it is."""
        last = done[-1]
        ruling = last.ruling
        summary = ramp_summary(
            self._facts(),
            list(last.parts.values()),
            status=last.status if ruling.refused else ENDED[ruling.decision],
            why=f"phase {last.phase.number} ({last.phase.size} instances): {_word(last)}, {ruling.why}",
            wall_seconds=sum(part.wall_seconds for one in done for part in one.parts.values()),
            tags={"evalkit.gates": _gates(done), "evalkit.tier": tier},
        )
        earlier = RunFolder(self._folder.path).summary()
        if earlier is None or _lasting(earlier) != _lasting(summary):
            self._folder.chart(_series(done))
            self._publish(summary)

    def _publish(self, summary: Summary) -> None:
        tracker = _untraced(self._wired).tracker
        try:
            RunFolder(self._folder.path).finish(summary)
            tracker.start(self._record)
            if late := tracker.finish(summary):
                print(f"evalkit: {late}", file=sys.stderr)
        finally:
            tracker.close()

    def _first(self) -> Summary:
        """Before the first phase has ended."""
        tally = Tally(self._wired.settings.ladder)
        return tally.summary(self._facts(), status="paused", why=UNDER_WAY, wall_seconds=0.0)

    def _facts(self) -> Facts:
        dataset = DatasetFacts(self._wired.dataset.name, self._wired.dataset.digest, self._size)
        return Facts(self._key, self._title, dataset, self._ladder, self._simulated, self._record.tags)

    @cached_property
    def _record(self) -> RunRecord:
        wired = self._wired
        found = leaves(self._found.config)
        texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in found.items()}
        return RunRecord(
            key=self._key,
            name=self._title,
            kind="ramp",
            folder=str(self._folder.path),
            experiment=str(wired.config["tracker"].get("experiment", "evalkit")),
            params={**wired.choices, **texts},
            tags=self._tags(),
            dataset=wired.dataset.name,
            dataset_digest=wired.dataset.digest,
            instances=self._size,
            climbs=self._size * wired.settings.epochs,
        )

    def _tags(self) -> dict[str, str]:
        return {
            "evalkit.key": self._key,
            "evalkit.kind": "ramp",
            "evalkit.simulated": str(self._simulated).lower(),
            "evalkit.feedback": self._wired.feedback_tag,
            "evalkit.context": self._wired.settings.context.tag,
            "evalkit.version": __version__,
            "evalkit.commit": commit(),
            **sandbox_tags(self._wired),
        }


def _series(done: Sequence[Passed]) -> dict[str, list[tuple[int, float]]]:
    """The rate and its bounds by phase, for a chart over the number of instances."""
    return {
        f"ramp.{name}": [(one.phase.size, value) for one in done if (value := getattr(one.ruling, field)) is not None]
        for name, field in (("solved_rate", "value"), ("low", "low"), ("high", "high"))
    }


def _gates(done: Sequence[Passed]) -> str:
    return ", ".join(f"{one.phase.size}: {_word(one)}" for one in done)


def _word(passed: Passed) -> str:
    return "unfinished" if passed.ruling.refused else str(passed.ruling.decision)


def _lasting(summary: Summary) -> Summary:
    """Without what another checkout of the project changes."""
    return replace(summary, tags={name: value for name, value in summary.tags.items() if name != "evalkit.commit"})


def _untraced(wired: Wired) -> Wired:
    """The same without traces: a ramp's climbs are traced with their phases."""
    tracker = dict(wired.config["tracker"])
    if "traces" in tracker:
        tracker["traces"] = "none"
    return replace(wired, config={**wired.config, "tracker": tracker})
