"""One climb to its end, whatever ends it, with what it took told to the run's accounts."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from evalkit.core.errors import InfrastructureError, StorageError
from evalkit.core.failure import Failure
from evalkit.core.ladder import Ladder
from evalkit.core.ports import Model, Strategy, Verifier
from evalkit.core.types import Attempt, Completion, Grading, Instance, Solution, Status, Verdict
from evalkit.run.gates import PutOff
from evalkit.run.records import Metered, NotRecorded, Searchable
from evalkit.run.solve import solve

REASONS = {Failure.BUDGET: "budget", Failure.QUOTA: "quota"}  # why a climb is unfinished, if not for an outage
NOT_BEGUN = "not_begun"  # the reason where the next effect is not recorded, and none may be made


@dataclass(frozen=True)
class Climb:
    """All that a climb needs, the same for each instance of a run."""

    ladder: Ladder
    max_attempts: int
    models: Mapping[str, Model]
    strategy: Strategy
    verifier: Verifier
    journal: Searchable


class Counting(Protocol):
    """A climb's budget."""

    def passed(self, seconds: float) -> None:
        """Count the time of a model or a verifier."""
        ...

    def recalled(self, paid: Completion | Verdict | Grading) -> None:
        """Count what the journal held."""
        ...


class Hearing(Protocol):
    """Who gives rungs up."""

    def hear(self, instance: str, rung: str, completion: Completion, verdict: Verdict) -> None:
        """Note an attempt's end."""
        ...


@dataclass(frozen=True)
class Account:
    """Hears what one climb records: what was paid, what it counts for its budget, what gives a rung up."""

    paid: list[Completion | Grading]
    climber: Counting | None
    given_up: Hearing

    def spend(self, one: Completion | Grading) -> None:
        """Note what a completion or a grader took."""
        self.paid.append(one)
        if self.climber is not None and isinstance(one, Completion):
            self.climber.passed(one.seconds)

    def judged(self, instance: str, rung: str, completion: Completion, verdict: Verdict) -> None:
        """Note an attempt's end."""
        self.given_up.hear(instance, rung, completion, verdict)
        if self.climber is not None:
            self.climber.passed(verdict.seconds)

    def recalled(self, one: Completion | Verdict | Grading) -> None:
        """Note what the journal held."""
        if self.climber is not None:
            self.climber.recalled(one)


async def climbed(instance: Instance, epoch: int, climb: Climb, account: Account) -> Solution:
    """The climb's end; an outage or a cap leaves it unfinished, with the attempts that were made.

    Raises StorageError, PutOff and Stopped: those are not the climb's own.
    """
    history: list[Attempt] = []
    journal = Metered(climb.journal, account.spend, account.judged, account.recalled)
    try:
        return await solve(
            instance,
            epoch,
            history,
            climb.ladder,
            climb.max_attempts,
            models=climb.models,
            strategy=climb.strategy,
            verifier=climb.verifier,
            journal=journal,
        )
    except NotRecorded as error:
        ended = Solution(instance.id, epoch, Status.UNFINISHED, NOT_BEGUN, error=str(error))
    except (StorageError, PutOff):  # nothing more can be recorded: going on would lose what is paid for
        raise
    except InfrastructureError as error:
        why = REASONS.get(error.failure, "outage")
        ended = Solution(instance.id, epoch, Status.UNFINISHED, why, failure=error.failure, error=str(error))
    return replace(ended, attempts=tuple(history), unjudged=journal.unjudged)
