"""How far the proofs of instances are, in plain lines: a repository's take minutes."""

import sys
import time
from collections import Counter

from evalkit.cli.progress import EVERY_S
from evalkit.core.types import Instance
from evalkit.run.health import Health


class HealthLines:
    """Told of each instance that was judged, says now and then how many of how many."""

    def __init__(self, instances: int) -> None:
        self._instances = instances
        self._found: Counter[str] = Counter()
        self._began = self._said = time.monotonic()

    def __call__(self, _: Instance, health: Health) -> None:
        """Count one, and say something if it is time to."""
        self._found["unhealthy" if health.faults else "not known" if health.outage else "healthy"] += 1
        now, done = time.monotonic(), self._found.total()
        if now - self._said < EVERY_S:
            return
        self._said = now
        told = ", ".join(f"{count} {what}" for what, count in sorted(self._found.items()))
        left = (now - self._began) / done * (self._instances - done)
        print(f"proofs {done}/{self._instances} · {told} · about {left:.0f} s left", file=sys.stderr)
