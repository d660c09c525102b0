"""What a provider takes, shared by workers: a refusal of one is heeded by all."""

import asyncio

import pytest

from evalkit.core.concurrency import Bounds, Told
from evalkit.core.errors import ProviderServerError, RateLimitError
from evalkit.core.types import Completion
from evalkit.run.shards_messages import Heard, Setup
from evalkit.run.shards_throttle import SharedThrottles


def two(said):
    """Two workers' throttles; what either says is kept."""
    setups = [Setup("key", {}, {}, None, number, 2, capped=False, counting=False, together=True) for number in (0, 1)]
    return [SharedThrottles(Bounds(8, 1, 50), 60.0, setup, said.append) for setup in setups]


@pytest.mark.parametrize(
    ("error", "told", "limit"),
    [
        (RateLimitError("429"), (True, None), 4),
        (RateLimitError("429", retry_after_s=0.05), (True, 0.05), 4),
        (ProviderServerError("500"), None, 8),
    ],
)
async def test_what_one_worker_is_refused_all_heed(error, told, limit):
    said = []
    mine, other = two(said)
    other.of("openai")

    async def fail():
        raise error

    with pytest.raises(type(error)):
        await mine.of("openai").run(fail, "m")
    assert [(one.provider, one.too_many, one.wait_s) for one in said] == ([("openai", *told)] if told else [])
    for one in said:
        other.overheard(one)
    other.overheard(Heard("nobody asks this one here", too_many=True, age_s=0.0, wait_s=None))
    assert (mine.of("openai").limit, other.of("openai").limit) == (limit, limit)

    async def answer():
        return Completion("right")

    began = asyncio.get_running_loop().time()
    await other.of("openai").run(answer, "m")
    assert asyncio.get_running_loop().time() >= began + (error.retry_after_s or 0.0)


async def test_of_what_headers_say_is_left_each_worker_takes_its_part():
    throttles = two([])
    begun = [0, 0]

    async def ask(number):
        begun[number] += 1
        return Completion("right")

    for one in throttles:
        one.of("openai").told(Told(requests=5, requests_reset_s=30.0))
    tasks = [
        asyncio.create_task(one.of("openai").run(lambda number=number: ask(number), "m"))
        for number, one in enumerate(throttles)
        for _ in range(5)
    ]
    await asyncio.sleep(0.05)
    assert begun == [3, 2]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
