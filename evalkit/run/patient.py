"""Judging before the first climb, when there is nothing else to do: whoever is put off waits."""

import asyncio
from dataclasses import dataclass

from evalkit.core.ports import Verifier
from evalkit.core.types import Candidate, Instance, Verdict
from evalkit.run.gates import PutOff


@dataclass(frozen=True)
class Patient:
    """A verifier that waits where a climb would be put off: before the first climb there is nothing else to do."""

    verifier: Verifier

    def covers(self, instance: Instance) -> str:
        """As the verifier's own."""
        return self.verifier.covers(instance)

    async def verify(self, instance: Instance, candidate: Candidate) -> Verdict:
        """The verdict, as soon as its graders may be asked."""
        while True:
            try:
                return await self.verifier.verify(instance, candidate)
            except PutOff as later:
                await asyncio.sleep(later.ready_at - asyncio.get_running_loop().time())
