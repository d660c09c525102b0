"""Models that are asked by way of something else, which may refuse, wait, or answer in their place."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from evalkit.core.ports import Model
from evalkit.core.types import Completion, Prompt

Ask = Callable[[str, Model, Prompt], Awaitable[Completion]]  # a rung's name, its model, what it is asked


def guarded(models: Mapping[str, Model], ask: Ask) -> dict[str, Model]:
    """The models by rung, each asked only through `ask`; all else is as their own."""
    return {name: _Guarded(name, model, ask) for name, model in models.items()}


@dataclass(frozen=True)
class _Guarded:
    name: str
    model: Model
    ask: Ask

    @property
    def simulated(self) -> bool:
        return self.model.simulated

    async def complete(self, prompt: Prompt) -> Completion:
        return await self.ask(self.name, self.model, prompt)

    async def check(self) -> None:
        await self.model.check()
