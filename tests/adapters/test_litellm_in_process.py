"""Models in this process behind litellm: told who asks, retried, priced and counted as any."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from evalkit.adapters.litellm_model import LitellmModel, RetrySettings, close
from evalkit.core.errors import (
    ConfigError,
    ProviderTimeoutError,
    RateLimitError,
)
from evalkit.core.ladder import Price, Rung
from evalkit.core.ports import Reply
from evalkit.core.types import Message, Prompt

PROMPT = Prompt((Message("system", "Be brief."), Message("user", "hello")), "one", 1, 1)
QUICK = RetrySettings(attempts=3, wait_initial_s=0.01, wait_max_s=0.05, timeout_s=20)


@pytest.fixture(autouse=True)
async def _closed() -> AsyncIterator[None]:
    yield
    await close()


class Generating:
    """An in-process provider that shows what reached it."""

    simulated: bool = False

    free: bool = False

    def __init__(self, raises: Exception | None = None, reply: Reply | None = None) -> None:
        self.raises = raises
        self.reply = reply
        self.seen: list[Any] = []

    async def generate(
        self, name: str, messages: Sequence[Message], params: Mapping[str, object], asked: Prompt
    ) -> Reply:
        self.seen.append((name, tuple(messages), dict(params), asked))
        if self.raises:
            raise self.raises
        await asyncio.sleep(0)
        return self.reply or Reply(asked.instance_id, "length", 5, None)

    async def check(self, name: str) -> None:
        if name != "a/b":
            raise ConfigError(f"no {name}")


def in_process(generator: Generating, **rung: Any) -> LitellmModel:
    made = Rung(**{"model": "plug/a/b", "context_tokens": 99} | rung)
    return LitellmModel("small", made, generators={"plug": generator}, seed=7, retry=QUICK)


async def test_an_in_process_provider_is_told_who_asks() -> None:
    generator = Generating()
    asked = in_process(generator)
    await asked.check()
    prompts = [replace(PROMPT, instance_id=str(number)) for number in range(20)]
    found = await asyncio.gather(*(asked.complete(prompt) for prompt in prompts))
    assert [completion.text for completion in found] == [str(number) for number in range(20)]
    name, messages, params, prompt = generator.seen[0]
    assert (name, messages, prompt) == ("a/b", PROMPT.messages, prompts[0])
    assert params == {"temperature": 0.0, "max_tokens": 1024, "seed": 7, "num_ctx": 99, "timeout": 120.0}
    assert (found[0].finish_reason, found[0].tokens_prompt, found[0].cost_usd) == ("length", 5, None)
    assert not asked.simulated


async def test_two_providers_of_one_name_do_not_mix() -> None:
    first, second = Generating(), Generating()
    await in_process(first).complete(PROMPT)
    await in_process(second).complete(PROMPT)
    assert len(first.seen) == len(second.seen) == 1


async def test_a_bug_of_ours_comes_through() -> None:
    with pytest.raises(TypeError, match="mine"):
        await in_process(Generating(TypeError("mine"))).complete(PROMPT)


async def test_an_in_process_error_is_retried_like_any() -> None:
    generator = Generating(RateLimitError("slow down", retry_after_s=0.01))
    with pytest.raises(RateLimitError) as caught:
        await in_process(generator).complete(PROMPT)
    assert caught.value.requests == len(generator.seen) == 3


@pytest.mark.parametrize(("free", "price", "cost"), [(False, None, None), (True, None, 0.0), (True, Price(1.0), 5e-6)])
async def test_an_in_process_answer_costs_nothing_only_where_it_says_so(
    free: bool, price: Price | None, cost: float | None
) -> None:
    generator = Generating(reply=Reply("x", tokens_prompt=5, tokens_completion=2))
    generator.free = free
    found = await in_process(generator, price=price).complete(PROMPT)
    assert found.cost_usd == (cost if cost is None else pytest.approx(cost))


@pytest.mark.parametrize("tokens", [(None, 3), (4, None), (None, None), (0, 3)])
async def test_in_process_token_counts_stay_as_they_were_told(tokens: tuple[int | None, int | None]) -> None:
    generator = Generating(reply=Reply("x", "stop", *tokens))
    found = await in_process(generator, price=Price(1.0, 1.0)).complete(PROMPT)
    assert (found.tokens_prompt, found.tokens_completion) == tokens
    assert (found.cost_usd is None) is (None in tokens)


async def test_half_a_surrogate_pair_from_this_process_is_replaced() -> None:
    found = await in_process(Generating(reply=Reply("yes \ud83d"))).complete(PROMPT)
    assert found.text == "yes ?"


async def test_an_in_process_time_out_is_not_tried_again() -> None:
    generator = Generating(ProviderTimeoutError("slow"))
    with pytest.raises(ProviderTimeoutError):
        await in_process(generator).complete(PROMPT)
    assert len(generator.seen) == 1


@pytest.mark.parametrize(("text", "requests"), [("no credit left", 1), ("load balancer", 3)])
async def test_an_in_process_rate_limit_may_be_for_want_of_money(text: str, requests: int) -> None:
    generator = Generating(RateLimitError(text))
    with pytest.raises(RateLimitError):
        await in_process(generator).complete(PROMPT)
    assert len(generator.seen) == requests
