"""Which instances preflight proved healthy, so that a second run need not prove it again."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from evalkit.core.digest import digest
from evalkit.core.types import Instance


class HealthCache:
    """A file of digests, one a line. `verifier` is whatever else a verdict depends on, as text.

    `environments` are digests of what repositories' tests run in, by name. No repository's file is read: its commit
    says what they hold. It is only a cache: a folder that cannot be written costs time, not truth.
    """

    def __init__(self, path: Path, verifier: str, environments: Mapping[str, str] | None = None) -> None:
        self._path = path
        self._verifier = verifier
        self._environments = environments or {}
        self._digests: dict[str, tuple[Instance, str]] = {}  # made once: each instance is asked about three times
        self._rubrics: dict[int, str] = {}
        try:
            self._known = set(path.read_text(encoding="ascii", errors="replace").split())
        except OSError:
            self._known = set()

    def healthy(self, instance: Instance) -> bool:
        """Whether it was proven before, by the same verifier."""
        return self._digest(instance) in self._known

    def note(self, instances: Iterable[Instance]) -> None:
        """Remember, for this process and the next."""
        new = {self._digest(instance) for instance in instances} - self._known
        self._known |= new
        if not new:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="ascii") as file:
                file.write("".join(f"{digest}\n" for digest in sorted(new)))
        except OSError:
            return

    def _digest(self, instance: Instance) -> str:
        known = self._digests.get(instance.id)
        if known is None or known[0] is not instance:
            known = self._digests[instance.id] = (instance, self._made(instance))
        return known[1]

    def _made(self, instance: Instance) -> str:
        environment = self._environments.get(instance.repo.environment, "") if instance.repo else ""
        judged = (digest([instance], self._rubrics), self._verifier, environment)
        return hashlib.sha256(repr(judged).encode()).hexdigest()[:24]
