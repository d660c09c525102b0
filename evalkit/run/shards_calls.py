"""Models and graders that are asked where the call comes from: in the worker that makes it, or here."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass

from evalkit.core.ladder import Rung
from evalkit.core.ports import Model
from evalkit.core.types import Completion, Message, Prompt
from evalkit.run.bounded_graders import GraderModel, Graders

# How the call that is being looked after is made in its worker; None: it is this process's own.
PERFORM: ContextVar[Callable[[], Awaitable[Completion]] | None] = ContextVar("perform", default=None)


async def elsewhere(_: str, model: Model, prompt: Prompt) -> Completion:
    """Ask a rung's model where the call comes from: in its worker, or here."""
    perform = PERFORM.get()
    return await (model.complete(prompt) if perform is None else perform())


@dataclass
class GraderElsewhere:
    """A grader's model, asked where the call comes from."""

    inner: GraderModel
    rung: Rung

    @property
    def simulated(self) -> bool:
        """As the model's own."""
        return self.inner.simulated

    async def complete(self, prompt: Prompt) -> Completion:
        """One answer."""
        return await elsewhere("", self.inner, prompt)

    async def check(self) -> None:
        """As the model's own."""
        await self.inner.check()


@dataclass(frozen=True)
class GradersElsewhere:
    """Graders, asked where the call comes from: in its worker, or here."""

    graders: Graders

    def model(self, name: str, params: Mapping[str, object]) -> GraderModel:
        """The grader of that name."""
        inner = self.graders.model(name, params)
        return GraderElsewhere(inner, inner.rung)

    async def __call__(
        self, model: str, messages: Sequence[Message], params: Mapping[str, object], *, instance_id: str, number: int
    ) -> Completion:
        """One answer. Raises ModelError on an outage."""
        return await self.model(model, params).complete(Prompt(tuple(messages), instance_id, number=number))
