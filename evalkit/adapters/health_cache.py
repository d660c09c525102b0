"""What preflight found out about instances, kept so that a second run need not prove it again."""

import hashlib
from pathlib import Path

import msgspec

from evalkit.core.types import Instance


class HealthCache:
    """A JSONL file of digest and faults. `verifier` is whatever else a verdict depends on, as text.

    It is only a cache: a line that cannot be read is looked up anew, and a folder that cannot be written costs
    time, not truth.
    """

    def __init__(self, path: Path, verifier: str) -> None:
        self._path = path
        self._verifier = verifier
        self._known: dict[str, tuple[str, ...]] = {}
        try:
            lines = path.read_bytes().splitlines()
        except OSError:
            lines = []
        for line in lines:
            try:
                digest, faults = msgspec.json.decode(line, type=tuple[str, tuple[str, ...]])
            except msgspec.DecodeError:
                continue
            self._known[digest] = faults

    def get(self, instance: Instance) -> tuple[str, ...] | None:
        """The faults found before, or None."""
        return self._known.get(self._digest(instance))

    def put(self, instance: Instance, faults: tuple[str, ...]) -> None:
        """Remember, for this process and the next."""
        digest = self._digest(instance)
        self._known[digest] = faults
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab") as file:
                file.write(msgspec.json.encode((digest, faults)) + b"\n")
        except OSError:
            return

    def _digest(self, instance: Instance) -> str:
        return hashlib.sha256(repr((instance, self._verifier)).encode()).hexdigest()[:24]
