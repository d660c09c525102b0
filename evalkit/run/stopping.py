"""Stopping a run gently: what is under way ends and is recorded, and nothing new is asked."""

from collections.abc import Mapping

from evalkit.core.ports import Model
from evalkit.core.types import Completion, Prompt
from evalkit.run.guarded import guarded


class Stopped(Exception):  # noqa: N818  no error of anybody's
    """A climb wanted to ask a model after the run was told to stop."""


class Stop:
    """Whether the run is to stop; `asked` is set from the event loop's thread only."""

    def __init__(self) -> None:
        self.asked = False

    def guarded(self, models: Mapping[str, Model]) -> dict[str, Model]:
        """The models, each asked only until the run is to stop."""
        return guarded(models, self._ask)

    async def _ask(self, _: str, model: Model, prompt: Prompt) -> Completion:
        if self.asked:
            raise Stopped
        return await model.complete(prompt)
