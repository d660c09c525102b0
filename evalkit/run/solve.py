"""The climb of one instance."""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial

from evalkit.core.failure import Failure
from evalkit.core.ladder import Ladder, Stop, Try, next_step
from evalkit.core.ports import Journal, Model, Strategy, Verifier
from evalkit.core.types import Attempt, Completion, Instance, Solution, Status, Verdict


async def solve(
    instance: Instance,
    epoch: int,
    history: list[Attempt],
    ladder: Ladder,
    max_attempts: int,
    *,
    models: Mapping[str, Model],
    strategy: Strategy,
    verifier: Verifier,
    journal: Journal,
) -> Solution:
    """Climb the ladder until an attempt is accepted or the ladder says stop.

    Resuming is calling this again: effects already in the journal are recalled, not repeated. An outage is an
    InfrastructureError, which the caller books as unfinished; `history`, empty at first, then still holds the
    attempts that were made.
    """
    decide = partial(next_step, ladder, max_attempts, history, partial(strategy.prompt, instance, history, epoch))
    while isinstance(step := await _decided(instance, decide), Try):
        # Rung and prompt are part of the key: what was asked otherwise is never recalled as the answer to this.
        key = f"{instance.id}/{epoch}/{step.number}/{step.rung}/{step.prompt.digest}"
        completion = await journal.once(f"{key}/completion", Completion, models[step.rung].complete, step.prompt)
        candidate = strategy.candidate(instance, completion)
        verdict = await journal.once(f"{key}/verdict", Verdict, verifier.verify, instance, candidate)
        history.append(Attempt(step.number, step.rung, step.on_rung, step.prompt, completion, candidate, verdict))
    return _solution(instance.id, epoch, step.reason, history)


async def _decided(instance: Instance, decide: Callable[[], Try | Stop]) -> Try | Stop:
    """In a thread where a prompt looks through a repository, so that other climbs go on meanwhile."""
    return decide() if instance.repo is None else await asyncio.to_thread(decide)


def _solution(name: str, epoch: int, reason: str, history: list[Attempt]) -> Solution:
    if all(attempt.skipped for attempt in history):  # no rung could be asked: nothing is known of the models
        last = history[-1].completion if history else Completion("", detail=reason)
        failure = last.failure or Failure.MODEL_UNAVAILABLE
        return Solution(name, epoch, Status.UNFINISHED, reason, tuple(history), failure, last.detail)
    status = Status.SOLVED if history[-1].verdict.accepted else Status.UNSOLVED
    return Solution(name, epoch, status, reason, tuple(history))
