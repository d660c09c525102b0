"""The climb of one instance."""

from collections.abc import Mapping
from functools import partial

from evalkit.core.ladder import Ladder, Try, next_step
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
    ask = partial(strategy.prompt, instance, history, epoch)
    while isinstance(step := next_step(ladder, max_attempts, history, ask), Try):
        key = f"{instance.id}/{epoch}/{step.number}"
        completion = await journal.once(f"{key}/completion", Completion, models[step.rung].complete, step.prompt)
        candidate = strategy.candidate(instance, completion)
        verdict = await journal.once(f"{key}/verdict", Verdict, verifier.verify, instance, candidate)
        history.append(Attempt(step.number, step.rung, step.on_rung, step.prompt, completion, candidate, verdict))
    return Solution(instance.id, epoch, _status(history, step.reason), step.reason, tuple(history))


def _status(history: list[Attempt], reason: str) -> Status:
    if reason == "no_model":  # every rung was unavailable: nothing is known of the models
        return Status.UNFINISHED
    return Status.SOLVED if history and history[-1].verdict.accepted else Status.UNSOLVED
