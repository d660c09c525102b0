"""Recorded answers before today's verifier: what a journal holds is judged again, and no model is asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from evalkit.core.errors import InfrastructureError
from evalkit.core.ports import Strategy, Verifier
from evalkit.core.regrading import Regraded
from evalkit.core.rubric import Rubric
from evalkit.core.suspects import Answer, Held, Suspicions, of_verdict
from evalkit.core.types import Attempt, Candidate, Instance, Prompt, Verdict
from evalkit.run.recorded import Recorded, each

UNJUDGED = Verdict(accepted=False)  # stands in an attempt that has no verdict


@dataclass(frozen=True)
class Regrading:
    """Judges recorded answers. `prompts` are what was asked, by instance, epoch and attempt, where it is known."""

    instances: Mapping[str, Instance]
    prompts: Mapping[tuple[str, int, int], Prompt]
    strategy: Strategy
    verifier: Verifier

    async def all(self, found: Sequence[Recorded], concurrency: int) -> list[Regraded]:
        """Each answer with its verdict of today, or why it has none."""
        return await each(found, self._one, concurrency)

    async def _one(self, record: Recorded) -> Regraded:
        before = record.verdict
        instance = self.instances.get(record.instance_id)
        prompt = self.prompts.get((record.instance_id, record.epoch, record.number), Prompt(()))
        made = Attempt(
            number=record.number,
            rung=record.rung,
            on_rung=record.on_rung,
            prompt=prompt,
            completion=record.completion,
            candidate=self.strategy.candidate(instance, record.completion) if instance else Candidate(""),
            verdict=before or UNJUDGED,
        )
        if instance is None:
            error = f"the dataset has no instance {record.instance_id!r} any more"
            return Regraded(record.instance_id, record.epoch, made, before, None, error)
        if made.skipped:  # nobody answered
            return Regraded(instance.id, record.epoch, made, before, before)
        try:
            after = await self.verifier.verify(instance, made.candidate)
        except InfrastructureError as error:
            return Regraded(instance.id, record.epoch, made, before, None, str(error))
        return Regraded(instance.id, record.epoch, replace(made, verdict=after), before, after)


@dataclass(frozen=True)
class Interrogation:
    """Finds rules that reject what passes the tests: the tests run only where one rule alone objects."""

    instances: Mapping[str, Instance]
    shared: Rubric | None
    strategy: Strategy
    rubric: Verifier
    tests: Verifier

    async def all(self, found: Sequence[Recorded], concurrency: int) -> tuple[Suspicions, list[str]]:
        """What the answers say of the rules, and one line for each answer that could not be judged."""
        suspicions, faults = Suspicions(), []
        for held in await each(found, self._one, concurrency):
            if isinstance(held, str):
                faults.append(held)
            elif held is not None:
                suspicions.add(held)
        return suspicions, faults

    async def _one(self, record: Recorded) -> Held | str | None:
        instance = self.instances.get(record.instance_id)
        rubrics = [one for one in (instance.rubric if instance else None, self.shared) if one is not None]
        if instance is None or not rubrics:
            return None
        candidate = self.strategy.candidate(instance, record.completion)
        if candidate.failure is not None:
            return None
        answer = Answer(record.instance_id, record.epoch, record.number)
        try:
            held = of_verdict(answer, rubrics, await self.rubric.verify(instance, candidate), None)
            if instance.tests is None or len(held.objections) != 1:
                return held
            return replace(held, passes=(await self.tests.verify(instance, candidate)).accepted)
        except InfrastructureError as error:
            return f"{answer.instance_id}, epoch {answer.epoch}, attempt {answer.attempt}: {error}"
