"""Grader models that are asked within a run's budgets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from evalkit.core.ladder import Rung
from evalkit.core.ports import Model
from evalkit.core.types import Completion, Message, Prompt
from evalkit.run.spending import Spending


class Graders(Protocol):
    """Grader models by name and parameters."""

    def model(self, name: str, params: Mapping[str, object]) -> "GraderModel":
        """The grader of that name."""
        ...


class GraderModel(Model, Protocol):
    """A model that says how it is set."""

    @property
    def rung(self) -> Rung:
        """Its settings."""
        ...


@dataclass(frozen=True)
class BudgetedGraders:
    """Graders, each asked only within the budgets."""

    graders: Graders
    spending: Spending

    def model(self, name: str, params: Mapping[str, object]) -> GraderModel:
        """As the graders' own."""
        return self.graders.model(name, params)

    async def __call__(
        self, model: str, messages: Sequence[Message], params: Mapping[str, object], *, instance_id: str, number: int
    ) -> Completion:
        """One answer. Raises BudgetError, or ModelError on an outage."""
        grader = self.graders.model(model, params)
        prompt = Prompt(tuple(messages), instance_id, number=number)
        return await self.spending.call(f"grader {model}", grader.rung, prompt, grader)
