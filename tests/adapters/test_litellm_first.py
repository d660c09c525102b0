"""The first request goes alone, but holds nobody up for long."""

import asyncio

import pytest

from evalkit.adapters.litellm_model.first import FirstAlone


async def test_a_cancelled_first_request_lets_the_next_one_go_ahead() -> None:
    first, running, most = FirstAlone(), 0, 0

    async def send() -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1
        return 1

    hanging = asyncio.ensure_future(first.run(asyncio.Event().wait))
    await asyncio.sleep(0)
    waiting = [asyncio.ensure_future(first.run(send)) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    hanging.cancel()
    assert await asyncio.gather(*waiting[1:]) == [1, 1]
    assert most == 1


async def test_a_first_request_that_takes_long_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evalkit.adapters.litellm_model.first.PATIENCE_S", 0.01)
    first, answered = FirstAlone(), asyncio.Event()
    slow = asyncio.ensure_future(first.run(answered.wait))
    await asyncio.sleep(0)

    async def send() -> str:
        return "in"

    assert await first.run(send) == "in"
    answered.set()
    assert await slow


async def test_a_first_request_that_fails_lets_all_others_in() -> None:
    first = FirstAlone()

    async def fail() -> None:
        await asyncio.sleep(0)
        raise TypeError("mine")

    found = await asyncio.gather(*(first.run(fail) for _ in range(3)), return_exceptions=True)
    assert [type(each) for each in found] == [TypeError] * 3
