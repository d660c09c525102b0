"""Models and graders that are asked where the call comes from: in the worker that makes it, or here."""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar

from evalkit.core.ports import Model
from evalkit.core.types import Completion, Prompt

# How the call that is being looked after is made in its worker; None: it is this process's own.
PERFORM: ContextVar[Callable[[], Awaitable[Completion]] | None] = ContextVar("perform", default=None)


async def elsewhere(_: str, model: Model, prompt: Prompt) -> Completion:
    """Ask a rung's model, or a grader's, where the call comes from: in its worker, or here."""
    perform = PERFORM.get()
    return await (model.complete(prompt) if perform is None else perform())
