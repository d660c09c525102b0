"""What graders took before the first climb, to prove that instances are healthy: it is part of what a run cost."""

from itertools import count

from evalkit.core.errors import InfrastructureError
from evalkit.core.ports import Verifier
from evalkit.core.types import Candidate, Grading, Instance, Verdict
from evalkit.run.records import Searchable, kept, put


class Ledger:
    """A verifier that remembers what graders took."""

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier
        self._paid: list[Grading] = []

    def covers(self, instance: Instance) -> str:
        """As the verifier's own."""
        return self._verifier.covers(instance)

    async def verify(self, instance: Instance, candidate: Candidate) -> Verdict:
        """As the verifier's own."""
        try:
            verdict = await self._verifier.verify(instance, candidate)
        except InfrastructureError as error:
            self._paid += error.spent
            raise
        self._paid += verdict.gradings
        return verdict

    async def settle(self, journal: Searchable) -> None:
        """Put it on record, behind what earlier sessions of the run have paid."""
        number = next(number for number in count() if _key(number) not in journal)
        await put(journal, _key(number), self._paid)


async def paid_for_health(journal: Searchable) -> list[Grading]:
    """What this run's sessions have paid for that."""
    found: list[Grading] = []
    for number in count():
        if _key(number) not in journal:
            return found
        found += await kept(journal, _key(number))
    return found


def _key(number: int) -> str:
    return f"health/{number}"
