"""Models over litellm against a real server that misbehaves: what is raised, what is a completion, what was sent."""

import asyncio
import importlib.util
import json
import subprocess
import sys
import threading
import traceback
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evalkit.adapters.litellm_model import LitellmModel, RetrySettings, close, count_tokens, mapped_price, scrub
from evalkit.adapters.litellm_model.client import load
from evalkit.core.errors import (
    AuthenticationError,
    BadRequestError,
    ConfigError,
    EvalkitError,
    ModelUnavailableError,
    ProviderConnectionError,
    ProviderServerError,
    ProviderTimeoutError,
    QuotaError,
    RateLimitError,
)
from evalkit.core.failure import Failure
from evalkit.core.ladder import Price, Rung
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
    own = {name: rung.pop(name) for name in ("straight", "marks") if name in rung}
    made = Rung(**{"model": f"{provider}/{script}", "api_base": base, "timeout_s": 5.0} | rung)
    return LitellmModel("small", made, generators={}, seed=7, retry=retry, **own)


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
    ("quota", QuotaError, 1),  # no wait mends a spent quota
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
    ("402credit", QuotaError, 1),
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


@pytest.mark.parametrize(
    ("provider", "name", "known"),
    [
        ("openai", "gpt-4-0613", 7 * 30e-6 + 3 * 60e-6),  # 30 and 60 dollars a million tokens since 2023
        ("openai", "gpt-4o-mini", None),
        ("anthropic", "claude-sonnet-4-5", None),
    ],
)
async def test_without_a_price_of_the_rungs_own_a_known_model_costs_what_litellms_map_says(
    server: Any, provider: str, name: str, known: float | None
) -> None:
    found = await model(server, name, provider=provider).complete(PROMPT)
    import litellm  # noqa: PLC0415  loaded by now; importing it first would ask the network for prices

    entry = litellm.model_cost[name]
    mapped = 7 * entry["input_cost_per_token"] + 3 * entry["output_cost_per_token"]
    assert (found.tokens_prompt, found.tokens_completion) == (7, 3)
    assert found.cost_usd == pytest.approx(mapped)
    assert known is None or found.cost_usd == pytest.approx(known)


@pytest.mark.parametrize(
    ("model", "same"),
    [
        ("openai/gpt-4o", "gpt-4o"),
        ("anthropic/claude-sonnet-4-5", "claude-sonnet-4-5"),
        ("azure/gpt-4o", "azure/gpt-4o"),
        ("azure/gpt-4-0613", "azure/gpt-4-0613"),
        ("azure/my-deployment", None),
        ("azure/claude-sonnet-4-5", None),  # the map has it, of Anthropic
        ("openrouter/gpt-4o", None),
        ("together_ai/gpt-4o", None),
        ("vertex_ai/gemini-2.5-pro", "gemini-2.5-pro"),  # of "vertex_ai-language-models"
        ("groq/gpt-4", None),
    ],
)
def test_a_price_is_of_the_provider_that_is_asked_or_unknown(model: str, same: str | None) -> None:
    litellm = load()
    entry = litellm.model_cost.get(same) if same else None
    found = mapped_price(model)
    assert (found is None) == (entry is None)
    if found and entry:
        assert found.prompt == pytest.approx(entry["input_cost_per_token"] * 1e6)


async def test_an_unavailable_model_is_asked_once(server: Any) -> None:
    asked = model(server, "404")
    first, second = await asked.complete(PROMPT), await asked.complete(PROMPT)
    assert first.failure is second.failure is Failure.MODEL_UNAVAILABLE
    assert (first.requests, second.requests) == (1, 0)
    assert (first.seconds > 0, second.seconds) == (True, 0.0)
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
    "params",
    [
        {"api_key": "x"},
        {"extra_headers": {"Authorization": "x"}},
        {"extra_headers": None, "api_key": None},
        {"extra_body": {"api_key": "x"}},
        {"extra_body": {"deep": [{"password": 1}]}},
        {"extra_body": {"model": "other"}},
        {"extra_body": {"models": ["other"]}},
        {"extra_headers": {"X-Other": "Bearer abcdefgh"}},
        {"stop": [KEY]},
        {"vertex_credentials": "{}"},
        {"temperature": 1},
        {"n": 2},
        {"drop_params": False},
        {"fallbacks": ["other"]},
        {"context_window_fallback_dict": {}},
        {"model_list": []},
        {"custom_llm_provider": "openai"},
        {"auto_router_config": "x"},
        {"mock_response": "x"},
        {"caching": True},
        {"input_cost_per_token": 0},
    ],
)
def test_params_that_have_another_place_are_refused(params: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="rung 'small': params"):
        LitellmModel("small", Rung("openai/x", params=params), generators={}, seed=1, retry=QUICK)


SCHEMA = {"type": "json_schema", "json_schema": {"schema": {"properties": {"token": {"type": "string"}}}}}


@pytest.mark.parametrize(
    "params",
    [
        {"extra_headers": None},
        {"extra_headers": {"X-Team": "evaluation"}},
        {"extra_body": {"top_k": 3}},
        {"response_format": SCHEMA},
        {"logit_bias": {50256: -100}},
        {"top_p": 0.9, "stop": ["\n"], "max_completion_tokens": 9},
    ],
)
def test_ordinary_params_are_taken(params: dict[str, Any]) -> None:
    LitellmModel("small", Rung("openai/x", params=params), generators={}, seed=1, retry=QUICK)


async def test_no_headers_are_sent_as_none(server: Any) -> None:
    assert (await model(server, "ok", params={"extra_headers": None}).complete(PROMPT)).text == "hello"


@pytest.mark.parametrize(
    "base", ["http://me:hidden@host:1/v1", "http://hidden@host/v1", "//me:hidden@host", "http://host/v1?api_key=hidden"]
)
def test_an_address_with_a_secret_is_refused_without_showing_it(base: str) -> None:
    with pytest.raises(ConfigError, match=r"rung 'small': api_base.*environment") as caught:
        LitellmModel("small", Rung("openai/x", api_base=base), generators={}, seed=1, retry=QUICK)
    assert "hidden" not in str(caught.value)


BODIES = {
    "half": '{"id":"x","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"finish_reason":"stop",'
    '"message":{"role":"assistant","content":"yes \\ud83d"}}],"usage":{"prompt_tokens":7,"completion_tokens":3}}',
    "half-ollama": '{"model":"m","message":{"role":"assistant","content":"yes \\ud83d"},"done":true,'
    '"done_reason":"stop","prompt_eval_count":7,"eval_count":3}',
}


def behaves(word: str, status: int, body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Teach the server another word."""
    monkeypatch.setitem(sys.modules["misbehaving"].ERRORS, word, lambda _: (status, {}, body.encode()))


def says(message: str, code: str | None = None) -> str:
    return json.dumps({"error": {"message": message, "type": "invalid_request_error", "code": code}})


@pytest.mark.parametrize(
    ("provider", "word"), [("openai", "half"), ("hosted_vllm", "half"), ("ollama_chat", "half-ollama")]
)
async def test_half_a_surrogate_pair_is_replaced(
    server: Any, provider: str, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    behaves(word, 200, BODIES[word], monkeypatch)
    found = await model(server, word, provider=provider).complete(PROMPT)
    assert found.text == "yes ?"


async def test_half_a_surrogate_pair_in_an_error_is_replaced(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    behaves("halferror", 400, says("no \ud83d"), monkeypatch)
    found = await outcome(model(server, "halferror"))
    assert "no ?" in str(found).encode().decode()


@pytest.mark.parametrize(
    ("text", "requests"),
    [
        ("upstream load balancer: too many", 3),
        ("slow down; see https://example.org/account/billing", 3),
        ("creditworthy-7b is busy", 3),
        ("your balance is used up", 1),
        ("no credits left", 1),
    ],
)
async def test_a_rate_limit_is_final_only_for_want_of_money(
    server: Any, text: str, requests: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    behaves("limit", 429, says(text), monkeypatch)
    found = await outcome(model(server, "limit"))
    assert type(found) is (QuotaError if requests == 1 else RateLimitError), found
    assert found.requests == requests


@pytest.mark.parametrize("provider", ["openai", "hosted_vllm"])
async def test_a_spent_quota_is_known_by_its_code_alone(
    server: Any, provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    behaves("limit", 429, says("Sorry.", "insufficient_quota"), monkeypatch)
    found = await outcome(model(server, "limit", provider=provider))
    assert (type(found), server.requests["limit"]) == (QuotaError, 1)


async def test_an_organization_is_sent_as_openais_header(server: Any) -> None:
    params = {"organization": "org-1", "extra_headers": {"X-Team": "evaluation"}}
    await model(server, "ok", params=params).complete(PROMPT)
    sent = server.headers[-1]
    assert (sent["openai-organization"], sent["x-team"]) == ("org-1", "evaluation")


async def test_names_are_no_reason_not_to_try_again(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    behaves("balance", 429, says("Rate limit reached for balance"), monkeypatch)
    rung = Rung("openai/balance", api_base=server.url + "/v1")
    found = await outcome(LitellmModel("credit", rung, generators={}, seed=7, retry=QUICK))
    assert (type(found), server.requests["balance"]) == (RateLimitError, 3)
    behaves("down", 503, says("upstream load balancer: no credit"), monkeypatch)
    found = await outcome(model(server, "down"))
    assert (type(found), server.requests["down"]) == (ProviderServerError, 3)


@pytest.mark.parametrize(
    ("text", "code", "unavailable"),
    [
        ("Model gpt-x: Unknown parameter 'top_z'", None, False),
        ("Unsupported parameter: 'max_tokens' is not supported with this model.", None, False),
        ("invalid model parameter 'top_z'", None, False),
        ("The model x takes no tools; tool 'foo' not found", None, False),
        ("The model `gpt-4.1` does not exist or you do not have access to it.", None, True),
        ("The model you requested is not available", None, True),
        ("model 'qwen3:8b' not found, try pulling it first", None, True),
        ("Invalid model: x", None, True),
        ("Model Not Exist", None, True),
        ("nope", "model_not_found", True),
    ],
)
async def test_a_missing_model_is_told_from_a_wrong_parameter(
    server: Any, text: str, code: str | None, unavailable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    behaves("wrong", 400, says(text, code), monkeypatch)
    for provider in ("openai", "hosted_vllm"):
        found = await outcome(model(server, "wrong", provider=provider))
        if unavailable:
            assert isinstance(found, Completion), repr(found)
            assert found.failure is Failure.MODEL_UNAVAILABLE
        else:
            assert type(found) is BadRequestError, repr(found)


async def test_the_cost_is_unknown_where_an_earlier_request_timed_out(server: Any) -> None:
    price = Price(prompt=1.0, completion=2.0)
    found = await model(server, "hang,ok", timeout_s=0.5, price=price).complete(PROMPT)
    assert (found.requests, found.tokens_prompt, found.cost_usd) == (2, 7, None)
    found = await model(server, "hang,policy", timeout_s=0.5, price=price).complete(PROMPT)
    assert (found.failure, found.cost_usd) == (Failure.REFUSED, None)
    found = await model(server, "500,ok", price=price).complete(PROMPT)
    assert (found.requests, found.cost_usd) == (2, pytest.approx(13e-6))


@pytest.mark.parametrize(("script", "requests"), [("404", 1), ("403sub", 1), ("ok", 16), ("400,ok", 16)])
async def test_a_model_that_cannot_be_had_is_asked_once_by_all_climbs(
    server: Any, script: str, requests: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evalkit.adapters.litellm_model.first.NEAR_S", 10.0)  # however busy the machine is
    asked = model(server, script)
    found = await asyncio.gather(*(asked.complete(PROMPT) for _ in range(16)), return_exceptions=True)
    assert server.requests[script] == requests
    if requests == 1:
        assert {each.failure for each in found} == {Failure.MODEL_UNAVAILABLE}  # type: ignore[union-attr]
        assert sorted(each.requests for each in found) == [0] * 15 + [1]  # type: ignore[union-attr]


@pytest.mark.parametrize("settings", [{"attempts": 0}, {"wait_initial_s": -1}, {"timeout_s": -1}])
def test_retry_settings_that_cannot_work_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be at least"):
        RetrySettings(**settings)


def test_tokens_are_counted_offline() -> None:
    assert count_tokens("") == 0
    assert count_tokens("hello world") == 2
    assert count_tokens("<|endoftext|>") > 1


@pytest.mark.parametrize("provider", ["openai", "hosted_vllm"])
async def test_the_straight_road_sends_and_reads_what_litellm_does(server: Any, provider: str) -> None:
    rung: dict[str, Any] = {
        "temperature": 0.5,
        "max_tokens": 9,
        "params": {"top_p": 0.9, "extra_headers": {"X-Is": "1"}},
    }
    for script in ("ok", "length", "nousage", "thinking", "cached", "thoughts"):
        server.bodies.clear()
        server.headers.clear()
        found = [
            await model(
                server, script, provider=provider, price=Price(1.0, 2.0, 0.1), straight=straight, **rung
            ).complete(replace(PROMPT, number=3))
            for straight in (True, False)
        ]
        short, long = (replace(one, seconds=0.0) for one in found)
        assert short == long
        assert server.bodies[0] == server.bodies[1]
        assert [one["authorization"] for one in server.headers] == [f"Bearer {KEY}"] * 2
        assert [one["x-is"] for one in server.headers] == ["1"] * 2


async def test_what_litellm_would_change_goes_by_litellm(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = {
        "a plain server": ({}, True),
        "a seed of the rung's own": ({"params": {"seed": 3}}, False),
        "a known model without a price": ({"model": "openai/gpt-4o-mini"}, False),
        "the same with a price": ({"model": "openai/gpt-4o-mini", "price": Price(1.0, 2.0)}, True),
        "https": ({"api_base": "https://127.0.0.1:9/v1"}, False),
        "told not to": ({"straight": False}, False),
    }
    for what, (rung, is_taken) in taken.items():
        asked = model(server, "ok", **rung)
        await asked.prepare()
        assert (asked._straight is not None) is is_taken, what
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    asked = model(server, "ok")
    await asked.prepare()
    assert asked._straight is None


@pytest.mark.parametrize("provider", ["openai", "hosted_vllm", "anthropic"])
async def test_cached_prompt_tokens_are_counted_and_priced(server: Any, provider: str) -> None:
    found = await model(server, "cached", provider=provider, price=Price(1.0, 2.0, 0.1)).complete(PROMPT)
    assert (found.tokens_prompt, found.tokens_completion, found.tokens_cached) == (7, 3, 5)
    assert found.cost_usd == pytest.approx((2 * 1.0 + 5 * 0.1 + 3 * 2.0) / 1e6)
    untold = await model(server, "ok", provider=provider).complete(PROMPT)
    assert not untold.tokens_cached


async def test_marks_stand_where_a_prompt_stops_being_the_same(server: Any) -> None:
    mark = {"type": "ephemeral"}
    task, feedback = "The task.", "\nMend this."
    asked = model(server, "claude-ok", provider="anthropic", marks=True)
    await asked.complete(Prompt((Message("system", "Be brief."), Message("user", task)), stable=len(task)))
    await asked.complete(Prompt((Message("system", "Be brief."), Message("user", task + feedback)), stable=len(task)))
    first, second = server.bodies
    assert first["system"][0]["cache_control"] == second["system"][0]["cache_control"] == mark
    [only], blocks = first["messages"][0]["content"], second["messages"][0]["content"]
    assert (only["text"], only["cache_control"]) == (task, mark)
    assert [(one["text"], one.get("cache_control")) for one in blocks] == [(task, mark), (feedback, None)]
    server.bodies.clear()
    await model(server, "claude-ok", provider="anthropic").complete(PROMPT)
    assert "cache_control" not in json.dumps(server.bodies)


ASKING = """
import asyncio, sys
from pathlib import Path
from evalkit.adapters.litellm_model import Forms, LitellmModel, RetrySettings, close
from evalkit.core.ladder import Rung
from evalkit.core.types import Message, Prompt
base, script, folder = sys.argv[1:]
rung = Rung("openai/" + script, api_base=base, timeout_s=60.0)
model = LitellmModel("small", rung, generators={}, seed=7, retry=RetrySettings(), forms=Forms(Path(folder)))

async def ask():
    await model.check()
    loaded = "litellm" in sys.modules
    found = await model.complete(Prompt((Message("user", "hello"),)))
    await close()
    print(loaded, "litellm" in sys.modules, found.text or found.failure)

asyncio.run(ask())
"""


@pytest.mark.slow
def test_litellm_is_not_loaded_for_what_an_earlier_run_has_learnt(server: Any, tmp_path: Path) -> None:
    def said(script: str) -> str:
        command = [sys.executable, "-c", ASKING, f"{server.url}/v1", script, str(tmp_path)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    assert said("ok") == "True True hello"
    assert said("ok") == "False False hello"
    assert server.headers[-1]["authorization"] == f"Bearer {KEY}"
    assert server.bodies[0] == server.bodies[1]
    assert said("context") == "True True context_window"
    assert said("context") == "False True context_window"  # what an odd answer means, litellm says
    assert not [file for file in tmp_path.iterdir() if KEY in file.read_text()]
