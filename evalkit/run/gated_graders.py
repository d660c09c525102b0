"""Graders behind the same gates as rungs: one whose quota is used up, or whose provider is down, is left alone."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from evalkit.core.ports import Verifier
from evalkit.core.types import Candidate, Completion, Instance, Message, Verdict
from evalkit.run.bounded_graders import GraderModel, Graders
from evalkit.run.gates import Gates, PutOff


class Asked(Graders, Protocol):
    """Grader models that can be asked by name."""

    async def __call__(
        self, model: str, messages: Sequence[Message], params: Mapping[str, object], *, instance_id: str, number: int
    ) -> Completion:
        """One answer. Raises ModelError on an outage."""
        ...


@dataclass(frozen=True)
class GatedGraders:
    """Graders, each asked only through its gate."""

    graders: Asked
    gates: Gates

    def model(self, name: str, params: Mapping[str, object]) -> GraderModel:
        """As the graders' own."""
        return self.graders.model(name, params)

    async def __call__(
        self, model: str, messages: Sequence[Message], params: Mapping[str, object], *, instance_id: str, number: int
    ) -> Completion:
        """One answer. Raises QuotaError, PutOff where it is worth waiting, or the grader's own error."""
        rung = self.graders.model(model, params).rung
        who = f"grader {model}" + (f" at {rung.api_base}" if rung.api_base else "")
        self.gates.know(who, rung)
        return await self.gates.through(
            who, lambda: self.graders(model, messages, params, instance_id=instance_id, number=number)
        )


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
