"""Requests wait for their provider, climbs for a place; neither waits for a judge."""

import asyncio
import time
from contextlib import suppress

import pytest

from evalkit.core.concurrency import Bounds, Told
from evalkit.core.errors import ProviderTimeoutError, RateLimitError
from evalkit.core.types import Completion
from evalkit.run.evaluate import Climb, Evaluation, Plan
from evalkit.run.road import Road
from evalkit.run.stopping import Stopped
from evalkit.run.throttle import Throttle, Throttles
from tests.run.builders import FunctionModel, Memory, PlainStrategy, WordVerifier, instances, rungs


class Provider:
    """Answers when it is let; counts what is under way."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.under_way = self.most = self.asked = 0
        self.let = asyncio.Event()

    async def answer(self) -> Completion:
        self.asked += 1
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await self.let.wait()
            await asyncio.sleep(0.001)
            if self.errors:
                raise self.errors.pop(0)
            return Completion("ok", tokens_prompt=5, tokens_completion=5)
        finally:
            self.under_way -= 1


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def asking(throttle: Throttle, provider: Provider, times: int) -> list[asyncio.Task[Completion]]:
    return [asyncio.create_task(throttle.run(provider.answer, "m")) for _ in range(times)]


async def test_no_more_requests_are_under_way_than_the_level_and_it_grows_where_it_is_used():
    throttle, provider = Throttle(Bounds(4, 1, 16), 300), Provider()
    tasks = asking(throttle, provider, 200)
    await settle()
    assert provider.under_way == 4
    provider.let.set()
    await asyncio.gather(*tasks)
    assert provider.most == throttle.highest == 16
    assert throttle.under_way == 0


@pytest.mark.parametrize("error", [RateLimitError("too many"), ProviderTimeoutError("none in time")])
async def test_a_refusal_halves_the_level_and_gives_its_slot_back(error: Exception):
    throttle, provider = Throttle(Bounds(8, 1, 8), 300), Provider(error)
    provider.let.set()
    with pytest.raises(type(error)):
        await throttle.run(provider.answer, "m")
    assert (throttle.limit, throttle.under_way, throttle.cuts) == (4, 0, 1)


async def test_a_wait_that_one_request_is_told_holds_all_others():
    throttle, provider = Throttle(Bounds(1, 1, 1), 300), Provider(RateLimitError("wait", retry_after_s=0.05))
    provider.let.set()
    began = asyncio.get_running_loop().time()
    first, second = asking(throttle, provider, 2)
    with pytest.raises(RateLimitError):
        await first
    await settle()
    assert provider.asked == 1
    await second
    assert asyncio.get_running_loop().time() - began >= 0.05


async def test_headers_that_leave_two_requests_let_two_begin_until_the_reset():
    throttle, provider = Throttle(Bounds(8, 1, 8), 300), Provider()
    throttle.told(Told(requests=2, requests_reset_s=0.05))
    tasks = asking(throttle, provider, 5)
    await settle()
    assert provider.under_way == 2
    provider.let.set()
    await asyncio.gather(*tasks)


async def test_whoever_is_cancelled_gives_his_turn_to_the_next():
    throttle, provider = Throttle(Bounds(1, 1, 1), 300), Provider()
    first, second, third = asking(throttle, provider, 3)
    await settle()
    for task in (second, first):
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    provider.let.set()
    assert (await third).text == "ok"
    assert throttle.under_way == 0


async def test_closing_sends_away_who_waits_and_lets_end_what_is_under_way():
    throttles, provider = Throttles(Bounds(1, 1, 1), 300), Provider()
    first, second = asking(throttles.of("p"), provider, 2)
    await settle()
    throttles.close()
    with pytest.raises(Stopped):
        await second
    provider.let.set()
    assert (await first).text == "ok"
    assert (provider.asked, throttles.of("p").under_way) == (1, 0)


async def test_the_next_run_begins_where_the_last_one_ended_within_its_own_bounds():
    earlier: dict[str, Throttle] = {}
    provider = Provider()
    provider.let.set()
    first = Throttles(Bounds(2, 1, 64), 300, earlier)
    await asyncio.gather(*asking(first.of("p"), provider, 40))
    learnt = first.of("p").limit
    assert learnt > 2
    assert Throttles(Bounds(2, 1, 64), 300, earlier).of("p").limit == learnt
    assert Throttles(Bounds(2, 1, 3), 300, earlier).of("p").limit == 3
    assert Throttles(Bounds(2, 1, 64), 300).of("p").limit == 2


async def test_a_busy_process_does_not_take_its_own_time_for_the_providers():
    throttle, provider = Throttle(Bounds(8, 1, 64), 300), Provider()
    provider.let.set()

    async def busy() -> Completion:
        found = await provider.answer()
        time.sleep(0.02)  # noqa: ASYNC251  this process is what is slow
        return found

    await asyncio.gather(*(throttle.run(provider.answer, "m") for _ in range(20)))
    await asyncio.gather(*(throttle.run(busy, "m") for _ in range(100)))
    assert throttle.cuts == 0


async def test_a_climb_that_is_being_judged_makes_room_and_goes_on_before_a_new_one_begins():
    judged = asyncio.Event()

    class Judge:
        async def verify(self, *_: object) -> object:
            await judged.wait()
            return "verdict"

        def covers(self, _: object) -> str:
            return ""

    road, begun = Road(lambda: 1, most=9), []
    verifier = road.aside(Judge())  # type: ignore[arg-type]  # by shape, with less

    async def climb(number: int) -> None:
        async with road.place():
            begun.append(number)
            await verifier.verify(None, None)  # type: ignore[arg-type]
            begun.append(number + 10)
            await asyncio.sleep(0.01)

    climbs = [asyncio.create_task(climb(number)) for number in (1, 2, 3)]
    await settle()
    assert begun == [1, 2, 3]  # one place, three climbs: each makes room while it is judged
    judged.set()
    await settle()
    late = asyncio.create_task(climb(4))
    await asyncio.gather(*climbs, late)
    assert begun.index(4) > begun.index(13)


@pytest.mark.parametrize("slow", ["test", "model"])
async def test_a_slow_test_holds_no_model_slot_and_a_slow_model_no_sandbox(slow: str):
    released, enough = asyncio.Event(), asyncio.Event()
    seen = {"test": 0, "model": 0}  # begun

    async def work(kind: str) -> None:
        seen[kind] += 1
        if seen["test" if slow == "model" else "model"] >= (1 if slow == "model" else 6):
            enough.set()
        if kind == slow and not (kind == "model" and seen[kind] == 1):
            await released.wait()

    class Model(FunctionModel):
        async def complete(self, prompt: object) -> Completion:
            return await throttle.run(self._complete, "m")

        async def _complete(self) -> Completion:
            await work("model")
            return Completion("right")

    class Judge(WordVerifier):
        async def verify(self, instance: object, candidate: object) -> object:
            async with sandbox:
                await work("test")
            return await super().verify(instance, candidate)  # type: ignore[arg-type]

    throttle, sandbox = Throttle(Bounds(2, 1, 2), 300), asyncio.Semaphore(2)
    road = Road(lambda: throttle.limit + 1, most=8)
    plan = Plan(instances(6), 1, 2, 0, {}, road)
    climb = Climb(rungs(only=1), 10, {"only": Model(lambda _: "right")}, PlainStrategy(), Judge(), Memory())
    running = asyncio.create_task(Evaluation(plan, climb, []).run())
    await asyncio.wait_for(enough.wait(), 20)  # all six were asked while two tests held both sandboxes, or the reverse
    if slow == "model":
        await settle()
        assert not sandbox.locked()
    released.set()
    await asyncio.wait_for(running, 20)
    assert seen == {"test": 6, "model": 6}
