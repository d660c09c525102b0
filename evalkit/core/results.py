"""What was recorded of a run's attempts, light enough to keep for every attempt of a large run."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tokens:
    """Of an attempt, as its file tells them; None is unknown, never zero."""

    prompt: int | None = None
    completion: int | None = None


@dataclass(frozen=True, slots=True)
class Seconds:
    """Of an attempt, as its file tells them: of its last request, and of judging."""

    model: float = 0.0
    verifier: float = 0.0


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One attempt. `number` counts over the climb from 1, `on_rung` on its rung; None is unknown, never zero.

    `cost_usd` is the model's, in US dollars; `seconds` are `model` (its last request) and `verifier` together.
    `prompt_digest` tells whether two attempts were asked the same (16 hex digits). `skipped`: the rung could not be
    asked, so it is no attempt.
    """

    instance_id: str
    epoch: int
    number: int
    rung: str
    on_rung: int
    model: str
    accepted: bool
    skipped: bool
    failure: str | None
    cost_usd: float | None
    tokens_prompt: int | None
    tokens_completion: int | None
    seconds_model: float
    seconds_verifier: float
    prompt_digest: str

    @property
    def seconds(self) -> float:
        """Of model and verifier together."""
        return self.seconds_model + self.seconds_verifier
