"""ramp.retry: a ramp's last batch once more after a change, compared on exactly the instances that both judged."""

from dataclasses import replace
from pathlib import Path

from evalkit.adapters.ramp_folder import RampFolder
from evalkit.cli.hydra_app import Composed
from evalkit.cli.ramp.ascent import Ascent
from evalkit.core.errors import ConfigError
from evalkit.core.frozen import Frozen, frozen
from evalkit.core.gate import Decision
from evalkit.core.phase import PhaseResults, retried
from evalkit.core.ramp import Planned, gate_of
from evalkit.core.types import Status
from evalkit.places import mlruns
from evalkit.run.ramp import Passed

WHOLE = "the whole ramp with this config: the same command without ramp.retry; what was run here is not paid for again"


class Again(Ascent):
    """A ramp of one phase: the batch of another's last one. Raises ConfigError where there is none to run again."""

    def __init__(self, found: Composed) -> None:
        super().__init__(found)
        self._earlier = self._find()
        results = self._earlier.last()
        if results is None:
            raise ConfigError(f"{self._earlier.path} has no results yet; the command that began it continues it")
        self._results_before = results
        self._batch = self._failed() if self.ramp.retry == "failed" else [row.instance_id for row in results.results]
        if not self._batch:
            raise ConfigError(f"nothing failed in phase {results.phase} of ramp {self._earlier.path.name}")
        self.phases = (self._planned(),)
        vars(self).pop("key", None)  # it names this batch too
        self.folder = RampFolder(mlruns() / "ramps" / self.key)

    def _retrying(self) -> list[str]:
        earlier = vars(self).get("_earlier")
        return [self.ramp.retry, earlier.path.name, *self._batch] if earlier else []

    def _find(self) -> RampFolder:
        """The ramp that is run again: the one named, else the newest on this dataset with another config."""
        if self.ramp.of is not None:
            return self._named(mlruns() / "ramps" / self.ramp.of)
        ramps = [RampFolder(path.parent) for path in (mlruns() / "ramps").glob("*/sample.json")]
        same = [one for one in ramps if self._is_alike(one)]
        changed = [one for one in same if one.families() != self.families]
        if not changed:
            kind = "simulated" if self.simulated else "live"
            what = (
                "with another config: nothing was changed since"
                if same
                else f"on this dataset that is {kind}: climb one first"
            )
            raise ConfigError(f"ramp.retry={self.ramp.retry}: there is no ramp {what}")
        return max(changed, key=lambda one: one.last().timestamp)  # type: ignore[union-attr]  # these have results

    def _named(self, path: Path) -> RampFolder:
        found = RampFolder(path)
        sample = found.frozen()
        if sample is None:
            raise ConfigError(f"ramp.of: no ramp {path.name!r} in {path.parent}")
        if sample.dataset_digest != self.wired.dataset.digest:
            raise ConfigError(f"ramp.of: ramp {path.name} was climbed on another dataset, {sample.dataset}")
        last = found.last()
        if last is not None and last.simulated is not self.simulated:
            raise ConfigError(f"ramp.of: of ramp {path.name} and this one, one is simulated: they are not compared")
        if found.families() == self.families:
            raise ConfigError(f"ramp.of: nothing was changed since ramp {path.name}; change the config first")
        return found

    def _is_alike(self, ramp: RampFolder) -> bool:
        """Whether it is no retry itself, on this dataset, and as live or simulated as this one (invariant 8)."""
        sample, last = ramp.frozen(), ramp.last()
        if sample is None or last is None or last.retry is not None:
            return False
        return sample.dataset_digest == self.wired.dataset.digest and last.simulated is self.simulated

    def _failed(self) -> list[str]:
        return [row.instance_id for row in self._results_before.results if row.status is Status.UNSOLVED]

    def _planned(self) -> Planned:
        """The batch as a phase; the failed alone say nothing of the rate, so that their gate looks for faults only."""
        before, size = self._results_before, len(set(self._batch))
        own = next((phase for phase in self.ramp.phases.values() if phase.size == size), None)
        gate = self.ramp.gate if own is None else gate_of(self.ramp, own)
        if self.ramp.retry == "failed":
            gate = replace(gate, rule="health")
        return Planned(before.phase, f"{before.name} again", size, size, gate)

    def _draw(self) -> Frozen:
        earlier = self._earlier.frozen()
        if earlier is None:
            raise ConfigError(f"{self._earlier.path} has no sample any more")
        strata = {one.id: one.stratum for one in earlier.instances if one.id in set(self._batch)}
        return frozen(self.wired.dataset, strata, earlier.seed, earlier.by, self.ramp.shares)

    def _results(self, passed: Passed) -> PhaseResults:
        results = super()._results(passed)
        before = self._results_before
        shared = {row.instance_id for row in results.results}
        earlier = [row for row in before.results if row.instance_id in shared]
        compared = retried(self._earlier.path.name, self.ramp.retry, before.phase, earlier, results.results)
        summary = replace(results.summary, improvement_from_previous=compared.improvement)
        gate = results.gate if results.gate.decision is Decision.STOP else replace(results.gate, next=WHOLE)
        return replace(results, summary=summary, gate=gate, retry=compared)
