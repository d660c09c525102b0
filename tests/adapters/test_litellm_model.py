"""Models over litellm against a real server that misbehaves: what is raised, what is a completion, what was sent."""

import asyncio
import importlib.util
import sys
import threading
import traceback
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evalkit.adapters.litellm_model import LitellmModel, RetrySettings, close, count_tokens, scrub
from evalkit.core.errors import (
    AuthenticationError,
    BadRequestError,
    ConfigError,
    EvalkitError,
    ModelUnavailableError,
    ProviderConnectionError,
    ProviderServerError,
    ProviderTimeoutError,
    RateLimitError,
)
from evalkit.core.failure import Failure
from evalkit.core.ladder import Price, Rung
from evalkit.core.ports import Reply
from evalkit.core.types import Completion, Message, Prompt

KEY = "sk-marked-0123456789"
PROMPT = Prompt((Message("system", "Be brief."), Message("user", "hello")), "one", 1, 1)
QUICK = RetrySettings(attempts=3, wait_initial_s=0.01, wait_max_s=0.05, timeout_s=20)


def _load(name: str) -> Any:
    """tests/ is no package (importmode=importlib), hence by path."""
    path = Path(__file__).parents[1] / "servers" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    """In a thread with a loop of its own, since litellm's Ollama client also asks synchronously."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    served = _load("misbehaving").MisbehavingServer()
    asyncio.run_coroutine_threadsafe(served.__aenter__(), loop).result(10)
    yield served
    asyncio.run_coroutine_threadsafe(served.__aexit__(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)


@pytest.fixture(autouse=True)
async def _keys(server: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "HOSTED_VLLM_API_KEY"):
        monkeypatch.setenv(name, KEY)
    server.requests.clear()
    server.headers.clear()
    server.bodies.clear()
    yield
    await close()


def model(
    server: Any, script: str, *, provider: str = "openai", retry: RetrySettings = QUICK, **rung: Any
) -> LitellmModel:
    base = server.url + ("/v1" if provider in {"openai", "hosted_vllm"} else "")
    made = Rung(**{"model": f"{provider}/{script}", "api_base": base, "timeout_s": 5.0} | rung)
    return LitellmModel("small", made, generators={}, seed=7, retry=retry)


async def outcome(asked: LitellmModel) -> Completion | EvalkitError:
    try:
        return await asked.complete(PROMPT)
    except EvalkitError as error:
        return error


# What the server does, what comes of it (an error's class, or a completion's failure), requests that it received.
CASES = [
    ("ok", None, 1),
    ("429:0.02,ok", None, 2),
    ("429ms:20,ok", None, 2),
    ("429date:-5,ok", None, 2),
    ("429,429,429,ok", RateLimitError, 3),
    ("429:3600", RateLimitError, 1),  # longer than we wait
    ("quota", RateLimitError, 1),  # no wait mends a spent quota
    ("500,503,ok", None, 3),
    ("500", ProviderServerError, 3),
    ("503", ProviderServerError, 3),
    ("reset,ok", None, 2),
    ("reset", ProviderConnectionError, 3),
    ("cut,ok", None, 2),
    ("nobody", ProviderServerError, 3),
    ("garbage", ProviderServerError, 3),
    ("notchat", ProviderServerError, 3),
    ("nochoices", ProviderServerError, 3),
    ("nochoices,ok", None, 2),
    ("401", AuthenticationError, 1),
    ("403", AuthenticationError, 1),
    ("402credit", RateLimitError, 1),
    ("400", BadRequestError, 1),
    ("422", BadRequestError, 1),
    ("404path", BadRequestError, 1),
    ("403sub", Failure.MODEL_UNAVAILABLE, 1),
    ("402", Failure.MODEL_UNAVAILABLE, 1),
    ("404", Failure.MODEL_UNAVAILABLE, 1),
    ("404ollama", Failure.MODEL_UNAVAILABLE, 1),
    ("context", Failure.CONTEXT_WINDOW, 1),
    ("contextllama", Failure.CONTEXT_WINDOW, 1),
    ("policy", Failure.REFUSED, 1),
    ("empty", Failure.EMPTY_RESPONSE, 1),
    ("blank", Failure.EMPTY_RESPONSE, 1),
]
OPENAI_ONLY = [
    ("null", Failure.EMPTY_RESPONSE, 1),
    ("thinking", Failure.EMPTY_RESPONSE, 1),
    ("filtered", Failure.REFUSED, 1),
    ("refusal", Failure.REFUSED, 1),
    ("error200", ProviderServerError, 3),
]
EVERYWHERE = [(provider, *case) for provider in ("openai", "hosted_vllm", "ollama_chat", "anthropic") for case in CASES]
ALL = EVERYWHERE + [(provider, *case) for provider in ("openai", "hosted_vllm") for case in OPENAI_ONLY]


@pytest.mark.parametrize(("provider", "script", "expected", "requests"), ALL)
async def test_a_misbehaving_provider_has_one_meaning(
    server: Any, provider: str, script: str, expected: Any, requests: int
) -> None:
    if provider not in {"openai", "hosted_vllm"} and script.startswith("nochoices"):
        pytest.skip("only OpenAI's format has choices")
    found = await outcome(model(server, script, provider=provider))
    if isinstance(expected, type):
        assert type(found) is expected, found
        assert "rung 'small'" in str(found)
        assert "litellm." not in str(found)
    else:
        assert isinstance(found, Completion), repr(found)
        assert found.failure is expected, found
    assert server.requests[script] == requests
    assert found.requests == requests  # type: ignore[union-attr]


@pytest.mark.parametrize("provider", ["openai", "hosted_vllm", "ollama_chat", "anthropic"])
@pytest.mark.parametrize("script", ["hang", "drip"])
async def test_a_hang_and_a_drip_end_at_the_rungs_timeout(server: Any, provider: str, script: str) -> None:
    once = RetrySettings(attempts=1)
    found = await outcome(model(server, script, provider=provider, retry=once, timeout_s=0.3))
    assert type(found) is ProviderTimeoutError, found
    assert server.requests[script] == 1


async def test_a_time_out_is_tried_again(server: Any) -> None:
    found = await outcome(model(server, "hang,ok", timeout_s=0.5))
    assert isinstance(found, Completion), found
    assert (found.text, found.requests) == ("hello", 2)


@pytest.mark.parametrize("provider", ["openai", "hosted_vllm", "ollama_chat", "anthropic"])
async def test_a_refused_connection_is_a_connection_error(server: Any, provider: str) -> None:
    found = await outcome(model(server, "ok", provider=provider, api_base="http://127.0.0.1:9"))
    assert type(found) is ProviderConnectionError, found
    assert found.requests == 3


async def test_the_wait_that_the_provider_asks_for_reaches_the_error(server: Any) -> None:
    for script, seconds in (("429:3600", 3600), ("429ms:900000", 900), ("429date:3600", 3600)):
        found = await outcome(model(server, script))
        assert isinstance(found, RateLimitError), found
        assert found.retry_after_s == pytest.approx(seconds, abs=5)


async def test_what_is_known_of_an_answer_is_kept(server: Any) -> None:
    found = await model(server, "length", price=Price(prompt=1.0, completion=2.0)).complete(PROMPT)
    assert (found.text, found.model, found.finish_reason) == ("hello", "m-2026", "length")
    assert (found.tokens_prompt, found.tokens_completion) == (7, 3)
    assert found.cost_usd == pytest.approx((7 * 1.0 + 3 * 2.0) / 1e6)
    assert found.seconds > 0


async def test_the_unknown_is_never_a_zero(server: Any) -> None:
    found = await model(server, "ok").complete(PROMPT)
    assert found.cost_usd is None
    found = await model(server, "nousage", price=Price(prompt=1.0)).complete(PROMPT)
    assert (found.tokens_prompt, found.tokens_completion, found.cost_usd) == (None, None, None)


async def test_an_unavailable_model_is_asked_once(server: Any) -> None:
    asked = model(server, "404")
    first, second = await asked.complete(PROMPT), await asked.complete(PROMPT)
    assert first.failure is second.failure is Failure.MODEL_UNAVAILABLE
    assert (first.requests, second.requests) == (1, 0)
    assert "does not exist" in second.detail
    assert server.requests["404"] == 1


async def test_only_reasoning_says_so(server: Any) -> None:
    found = await model(server, "thinking").complete(PROMPT)
    assert "reasoned" in found.detail
    assert "max_tokens" in found.detail


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
async def test_a_key_reaches_no_error_and_no_traceback(server: Any, provider: str) -> None:
    found = await outcome(model(server, "echo-key", provider=provider))
    assert type(found) is AuthenticationError, found
    assert KEY not in "".join(traceback.format_exception(found))
    assert "bad key" in str(found)


def test_scrubbing_knows_variables_and_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_API_KEY", "plainvalue")
    monkeypatch.setenv("SHORT_KEY", "a")
    text = "plainvalue sk-abcdefgh Bearer abc.def-123 http://user:word@host a"
    assert scrub(text) == "[MY_API_KEY] [secret] Bearer [secret] http://[secret]@host a"


async def test_the_request_carries_the_rungs_settings(server: Any) -> None:
    rung: dict[str, Any] = {"temperature": 0.5, "max_tokens": 9, "params": {"top_p": 0.9}, "context_tokens": 2048}
    await model(server, "ok", **rung).complete(PROMPT)
    body = server.bodies[0]
    assert (body["temperature"], body["max_tokens"], body["top_p"], body["seed"]) == (0.5, 9, 0.9, 7)
    assert body["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hello"}]
    assert "num_ctx" not in body
    await model(server, "ok", provider="ollama_chat", **rung).complete(PROMPT)
    assert server.bodies[1]["options"]["num_ctx"] == 2048


async def test_a_repeat_draws_another_seed_only_above_temperature_zero(server: Any) -> None:
    again = replace(PROMPT, epoch=2, number=3)
    for temperature, same in ((0.0, True), (0.7, False)):
        server.bodies.clear()
        asked = model(server, "ok", temperature=temperature)
        await asked.complete(PROMPT)
        await asked.complete(again)
        first, second = (body["seed"] for body in server.bodies)
        assert (first == second) is same


async def test_a_server_of_ones_own_needs_no_key(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    asked = model(server, "ok")
    await asked.check()
    assert (await asked.complete(PROMPT)).text == "hello"


@pytest.mark.parametrize(
    ("rung", "says"),
    [
        (Rung("olama_chat/qwen3"), "did you mean 'ollama_chat'"),
        (Rung("nobody-knows-it"), "PROVIDER/MODEL"),
        (Rung("openai/gpt-4o"), "OPENAI_API_KEY"),
        (Rung("anthropic/claude-sonnet-4"), "ANTHROPIC_API_KEY"),
        (Rung("openai/x", api_base="http://127.0.0.1:9/v1"), "nothing answers"),
        (Rung("openai/x", api_base="localhost:9"), "is no URL"),
        (Rung("ollama_chat/x", api_base="http://127.0.0.1:9"), "ollama serve"),
    ],
)
async def test_a_check_says_what_to_do(rung: Rung, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    with pytest.raises(ConfigError, match=says):
        await LitellmModel("small", rung, generators={}, seed=1, retry=QUICK).check()


async def test_a_check_spends_nothing(server: Any) -> None:
    await model(server, "ok").check()
    await model(server, "here", provider="ollama_chat").check()
    with pytest.raises(ModelUnavailableError, match="ollama pull gone"):
        await model(server, "gone", provider="ollama_chat").check()
    assert not server.requests


@pytest.mark.parametrize(
    "params", [{"api_key": "x"}, {"extra_headers": {"Authorization": "x"}}, {"temperature": 1}, {"n": 2}]
)
def test_params_that_have_another_place_are_refused(params: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="rung 'small': params"):
        LitellmModel("small", Rung("openai/x", params=params), generators={}, seed=1, retry=QUICK)


class Generating:
    """An in-process provider that shows what reached it."""

    simulated: bool = False

    def __init__(self, raises: Exception | None = None) -> None:
        self.raises = raises
        self.seen: list[Any] = []

    async def generate(
        self, name: str, messages: Sequence[Message], params: Mapping[str, object], asked: Prompt
    ) -> Reply:
        self.seen.append((name, tuple(messages), dict(params), asked))
        if self.raises:
            raise self.raises
        await asyncio.sleep(0)
        return Reply(asked.instance_id, "length", 5, None)

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
    assert (found[0].finish_reason, found[0].tokens_prompt, found[0].cost_usd) == ("length", 5, 0.0)
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


@pytest.mark.parametrize("settings", [{"attempts": 0}, {"wait_initial_s": -1}, {"timeout_s": -1}])
def test_retry_settings_that_cannot_work_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be at least"):
        RetrySettings(**settings)


def test_tokens_are_counted_offline() -> None:
    assert count_tokens("") == 0
    assert count_tokens("hello world") == 2
    assert count_tokens("<|endoftext|>") > 1
