"""What tells that a provider is there again, and what tells nothing of it."""

import asyncio
from contextlib import suppress

import pytest

from evalkit.core.errors import BadRequestError, ModelError, ProviderServerError
from evalkit.core.ladder import Ladder, Rung
from evalkit.core.types import Completion
from evalkit.run.gates import Gates, GateSettings, PutOff
from evalkit.run.shards_mate import WorkerLostError


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def giving(what):
    async def ask():
        if isinstance(what, Exception):
            raise what
        return what

    return ask


async def is_open(gates):
    """Whether one call at a time goes through."""
    done = asyncio.Event()

    async def until_done():
        await done.wait()
        return Completion("")

    probe = asyncio.create_task(gates.through("rung one", until_done))
    await asyncio.sleep(0)
    try:
        await gates.through("rung one", giving(Completion("")))
    except PutOff:
        return True
    else:
        return False
    finally:
        done.set()
        await probe


@pytest.mark.parametrize(
    ("probe", "still"),
    [
        (Completion("answer"), False),
        (BadRequestError("it is there, and says no"), False),
        (Completion("answer", cached=True), True),
        (WorkerLostError("who asked is gone"), True),
    ],
)
async def test_a_breaker_closes_by_what_the_provider_itself_says(probe, still):
    clock = Clock()
    gates = Gates(Ladder({"one": Rung("a/m")}), GateSettings(outages=1), lambda _: None, lambda: 1e9, clock)
    with pytest.raises(ProviderServerError):
        await gates.through("rung one", giving(ProviderServerError("500")))
    clock.now = 1000.0
    with suppress(ModelError):
        await gates.through("rung one", giving(probe))
    assert await is_open(gates) is still
