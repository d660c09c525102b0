"""Models and graders that are asked by way of something else, which may refuse, wait, or answer in their place."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from evalkit.core.ladder import Rung
from evalkit.core.ports import Model
from evalkit.core.types import Completion, Message, Prompt

M = TypeVar("M", bound=Model)
Ask = Callable[[str, M, Prompt], Awaitable[Completion]]  # a rung's or a grader's name, its model, what it is asked


def guarded(models: Mapping[str, Model], ask: Ask[Model]) -> dict[str, Model]:
    """The models by rung, each asked only through `ask`; all else is as their own."""
    return {name: _Guarded(name, model, ask) for name, model in models.items()}


@dataclass(frozen=True)
class _Guarded(Generic[M]):
    name: str
    model: M
    ask: Ask[M]

    @property
    def simulated(self) -> bool:
        return self.model.simulated

    async def complete(self, prompt: Prompt) -> Completion:
        return await self.ask(self.name, self.model, prompt)

    async def check(self) -> None:
        await self.model.check()


class GraderModel(Model, Protocol):
    """A model that says how it is set."""

    @property
    def rung(self) -> Rung:
        """Its settings."""
        ...


class Graders(Protocol):
    """Grader models by name and parameters."""

    def model(self, name: str, params: Mapping[str, object]) -> GraderModel:
        """The grader of that name."""
        ...


@dataclass(frozen=True)
class GuardedGraders:
    """Graders, each asked only through `ask`; all else is as their own."""

    graders: Graders
    ask: Ask[GraderModel]

    def model(self, name: str, params: Mapping[str, object]) -> GraderModel:
        """The grader of that name."""
        return _GuardedGrader(name, self.graders.model(name, params), self.ask)

    async def __call__(
        self, model: str, messages: Sequence[Message], params: Mapping[str, object], *, instance_id: str, number: int
    ) -> Completion:
        """One answer. Raises what `ask` does, or ModelError on an outage."""
        return await self.model(model, params).complete(Prompt(tuple(messages), instance_id, number=number))


@dataclass(frozen=True)
class _GuardedGrader(_Guarded[GraderModel]):
    @property
    def rung(self) -> Rung:
        return self.model.rung
