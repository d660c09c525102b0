"""litellm loaded quietly and offline, and warmed: its first calls cost half a second that none should pay."""

import gc
import json
import logging
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from types import ModuleType
from typing import Any

from evalkit.adapters.litellm_model import straight
from evalkit.adapters.litellm_model.loopback import answering

WARMED: set[str] = set()  # providers whose first call was made; event loop's thread only, hence no lock
WARMABLE = {"openai", "hosted_vllm", "ollama_chat", "ollama", "anthropic"}  # take any api_base, need no account
NO_KEY = "no-key"  # for servers of one's own, which ask for none
# litellm's own switch: `openai/` by its plain HTTP handler, as `hosted_vllm/` goes, instead of the openai package,
# which walks every request through its types. Half the calls in Python a request, a third less CPU.
PLAIN_HTTP = "EXPERIMENTAL_OPENAI_BASE_LLM_HTTP_HANDLER"
# One answer that OpenAI's, Ollama's and Anthropic's readers take.
_SAID = {"role": "assistant", "content": "ok"}
ANSWER = json.dumps(
    {
        "id": "warm",
        "object": "chat.completion",
        "created": 1,
        "model": "warm",
        "choices": [{"index": 0, "message": _SAID, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2, "input_tokens": 1, "output_tokens": 1},
        "message": _SAID,
        "done": True,
        "type": "message",
        "role": "assistant",
        "content": [{"type": "text", "text": "ok"}],
        "stop_reason": "end_turn",
    }
).encode()
ONLY_BY_PACKAGE = ("OPENAI_ORGANIZATION", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID")  # headers that only the package sends


@cache
def load() -> ModuleType:
    """litellm, imported once with the garbage collector off (it halves the import's time).

    Loading it asks nobody for prices, sends no telemetry, prints nothing and logs nothing: what went wrong
    stands in our own errors, without the keys that litellm's debug lines hold.
    """
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    if not any(map(os.environ.get, ONLY_BY_PACKAGE)):
        os.environ.setdefault(PLAIN_HTTP, "True")
    enabled = gc.isenabled()
    gc.disable()
    try:
        import litellm  # noqa: PLC0415  litellm takes 1.5 s
    finally:
        if enabled:
            gc.enable()
    gc.freeze()
    return _quiet(litellm)


def _quiet(litellm: Any) -> ModuleType:
    litellm.suppress_debug_info = True
    litellm.telemetry = False
    litellm.redact_messages_in_exceptions = True
    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    for name in ("httpx", "httpcore", "openai"):
        logging.getLogger(name).setLevel(logging.WARNING)
    module: ModuleType = litellm
    return module


async def warm(provider: str) -> None:
    """Make a provider's first call, against a socket of our own on the loopback: nobody else is asked.

    Imports, templates and clients of the first call are paid here, once, instead of by the first real ones,
    all at once.
    """
    provider = provider if provider in WARMABLE else "openai"
    if provider in WARMED:
        return
    WARMED.add(provider)
    litellm: Any = load()
    async with answering(200, {"content-type": "application/json"}, ANSWER) as loopback:
        base = f"http://127.0.0.1:{loopback.port}" + ("/v1" if provider in {"openai", "hosted_vllm"} else "")
        messages = [{"role": "user", "content": "warm"}]
        call: Mapping[str, Any] = {
            "api_base": base,
            "api_key": NO_KEY,
            "num_retries": 0,
            "max_retries": 0,
            "timeout": 5,
        }
        with suppress(litellm.exceptions.APIError):  # for speed alone: a real call will say what is wrong
            await litellm.acompletion(model=f"{provider}/warm", messages=messages, drop_params=True, **call)


async def close() -> None:
    """Close all connections; at a run's end, so that Python does not complain of open sessions."""
    await straight.close()
    if "litellm" in sys.modules:
        await sys.modules["litellm"].close_litellm_async_clients()
