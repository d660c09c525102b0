"""What graders took before the first climb, to prove that instances are healthy: it is part of what a run cost."""

from dataclasses import dataclass, replace
from itertools import count

from evalkit.core.errors import InfrastructureError
from evalkit.core.ports import Verifier
from evalkit.core.types import Candidate, Completion, Grading, Instance, Verdict
from evalkit.run.records import NotRecorded, Searchable


@dataclass(frozen=True, slots=True)
class Paid:
    """What graders took before the first climb, to prove that instances are healthy."""

    gradings: tuple[Grading, ...] = ()
    answers: tuple[Completion, ...] = ()  # of which no verdict came


class Ledger:
    """A verifier that remembers what graders took."""

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier
        self.paid = Paid()

    def covers(self, instance: Instance) -> str:
        """As the verifier's own."""
        return self._verifier.covers(instance)

    async def verify(self, instance: Instance, candidate: Candidate) -> Verdict:
        """As the verifier's own."""
        try:
            verdict = await self._verifier.verify(instance, candidate)
        except InfrastructureError as error:
            self.paid = replace(self.paid, answers=(*self.paid.answers, *error.spent))
            raise
        self.paid = replace(self.paid, gradings=(*self.paid.gradings, *verdict.gradings))
        return verdict

    async def settle(self, journal: Searchable) -> None:
        """Put it on record, behind what earlier sessions of the run have paid."""
        if self.paid == Paid():
            return
        number = next(number for number in count() if _health(number) not in journal)
        await journal.once(_health(number), Paid, self._settled)

    async def _settled(self) -> Paid:
        return self.paid


async def paid_for_health(journal: Searchable) -> list[Completion | Grading]:
    """What this run's sessions have paid for that."""
    found: list[Completion | Grading] = []
    for number in count():
        if _health(number) not in journal:
            return found
        paid = await journal.once(_health(number), Paid, _never)
        found += [*paid.gradings, *paid.answers]
    return found


def _health(number: int) -> str:
    return f"health/{number}"


async def _never() -> Paid:
    raise NotRecorded("the journal holds it already")
