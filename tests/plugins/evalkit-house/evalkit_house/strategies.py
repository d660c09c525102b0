"""A strategy: the problem as it stands, and below it what was wrong with the last answer."""

from collections.abc import Sequence
from dataclasses import dataclass

from evalkit.core.answer import candidate
from evalkit.core.ladder import Step
from evalkit.core.types import Attempt, Candidate, Completion, Instance, Message, Prompt


@dataclass
class Bare:
    """`system` goes first, where there is one."""

    system: str = ""

    def prompt(self, instance: Instance, history: Sequence[Attempt], epoch: int, step: Step) -> Prompt:
        """The messages of the attempt; the same inputs must give the same messages, so that a run resumes."""
        told = [finding.message for attempt in history[-1:] for finding in attempt.verdict.findings]
        messages = [Message("system", self.system)] if self.system else []
        messages.append(Message("user", "\n".join([*told, instance.prompt])))
        return Prompt(tuple(messages), instance.id, epoch, step.number)

    def candidate(self, instance: Instance, completion: Completion) -> Candidate:
        """Taken out as the instance's `answer` says."""
        return candidate(instance.answer, completion, instance)
