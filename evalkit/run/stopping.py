"""Stopping a run gently: what is under way ends and is recorded, and nothing new is asked."""

from collections.abc import Mapping
from dataclasses import dataclass

from evalkit.core.ports import Model
from evalkit.core.types import Completion, Prompt


class Stopped(Exception):  # noqa: N818  no error of anybody's
    """A climb wanted to ask a model after the run was told to stop."""


class Stop:
    """Whether the run is to stop; `asked` is set from the event loop's thread only."""

    def __init__(self) -> None:
        self.asked = False

    def guarded(self, models: Mapping[str, Model]) -> dict[str, Model]:
        """The models, each asked only until the run is to stop."""
        return {name: _Guarded(model, self) for name, model in models.items()}


@dataclass(frozen=True)
class _Guarded:
    model: Model
    stop: Stop

    @property
    def simulated(self) -> bool:
        return self.model.simulated

    async def complete(self, prompt: Prompt) -> Completion:
        if self.stop.asked:
            raise Stopped
        return await self.model.complete(prompt)

    async def check(self) -> None:
        await self.model.check()
