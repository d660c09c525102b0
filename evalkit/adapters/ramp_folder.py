"""A ramp's folder: the frozen sample and phase_<X>_results.json, beside what a run's folder has."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from evalkit.core.errors import ConfigError, StorageError
from evalkit.core.frozen import Frozen
from evalkit.core.phase import PhaseResults

SAMPLE = "sample.json"


class RampFolder:
    """Reads and writes mlruns/ramps/<key>/. Raises StorageError where it cannot."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def frozen(self) -> Frozen | None:
        """The sample, None if none was frozen yet. Raises ConfigError if it is not what was frozen."""
        path = self.path / SAMPLE
        try:
            found = msgspec.json.decode(path.read_bytes(), type=Frozen)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as error:
            raise StorageError(f"{path}: {error}. Restore it, or delete the folder to draw again.") from error
        if not found.is_whole:
            raise ConfigError(
                f"{path}: was changed after it was frozen. Restore it, or delete the folder to draw again."
            )
        return found

    def freeze(self, sample: Frozen) -> None:
        """Write the sample, on disk before anything is asked."""
        self._write(SAMPLE, sample)

    def add(self, results: PhaseResults) -> PhaseResults:
        """Write a phase's results, and what stands there then: those that say the same already keep their time."""
        earlier = self.phase(results.phase)
        if earlier is not None and replace(earlier, timestamp=results.timestamp) == results:
            return earlier
        self._write(f"phase_{results.phase}_results.json", results)
        return results

    def families(self) -> list[str]:
        """What its results depend on beside the instances, a fingerprint a ladder; empty if it did not begin."""
        try:
            return [str(one) for one in json.loads((self.path / "lock.json").read_text(encoding="utf-8"))["families"]]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StorageError(f"{self.path / 'lock.json'}: {error}. The ramp's own command makes it again.") from error

    def chart(self, series: Mapping[str, Sequence[tuple[int, float]]]) -> None:
        """Write what trackers draw: (step, value)s by metric."""
        self._write("series.json", series)

    def phase(self, number: int) -> PhaseResults | None:
        """A phase's results, None if there are none. Raises StorageError if they cannot be read."""
        path = self.path / f"phase_{number}_results.json"
        try:
            return msgspec.json.decode(path.read_bytes(), type=PhaseResults)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as error:
            raise StorageError(f"{path}: {error}. Delete it: the same command makes it again.") from error

    def last(self) -> PhaseResults | None:
        """The results of the highest phase, None if there are none."""
        numbers = [int(path.name.split("_")[1]) for path in self.path.glob("phase_[0-9]*_results.json")]
        return self.phase(max(numbers)) if numbers else None

    def _write(self, name: str, content: object) -> None:
        path = self.path / name
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with path.with_suffix(".new").open("wb") as file:
                file.write(msgspec.json.format(msgspec.json.encode(content), indent=2))
                file.flush()
                os.fsync(file.fileno())
            path.with_suffix(".new").replace(path)
        except OSError as error:
            raise StorageError(f"{path}: {error.strerror}. Make the folder writable, or free space.") from error
