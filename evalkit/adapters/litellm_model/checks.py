"""Finding out, without spending, that a rung can be asked: provider, key, server, model."""

import asyncio
import os
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any
from urllib.parse import urlsplit

from evalkit.adapters.litellm_model.client import load
from evalkit.adapters.litellm_model.errors import SECRET_NAME, scrub
from evalkit.core.errors import ConfigError, ModelUnavailableError
from evalkit.core.ladder import Rung

CONNECT_S = 3.0
OWN_CREDENTIALS = {"bedrock", "sagemaker", "vertex_ai", "vertex_ai_beta"}  # roles and profiles, not only variables
OLLAMA = {"ollama", "ollama_chat"}
OLLAMA_BASE = "http://localhost:11434"


def provider_of(model: str, known: Iterable[str] = ()) -> str:
    """The provider of a model name. Raises ConfigError with the nearest providers; asks nobody."""
    litellm: Any = load()
    try:
        provider: str = litellm.get_llm_provider(model=model)[1]
    except litellm.exceptions.BadRequestError as error:
        prefix = model.partition("/")[0]
        names = sorted({*known, *(str(getattr(name, "value", name)) for name in litellm.provider_list)})
        near = get_close_matches(prefix, names, 3)
        hint = (
            f"did you mean {', '.join(map(repr, near))}?" if near else "write PROVIDER/MODEL, e.g. ollama_chat/qwen3:8b"
        )
        raise ConfigError(f"model {model!r}: no provider is called {prefix!r}; {hint}") from error
    return provider


def missing_keys(model: str, provider: str, api_base: str | None) -> list[str]:
    """The environment variables with keys that litellm misses; none where a server of one's own is asked."""
    if api_base or provider in OWN_CREDENTIALS | OLLAMA:
        return []
    for blank in [name for name, value in os.environ.items() if SECRET_NAME.search(name) and not value]:
        del os.environ[blank]  # litellm takes a key that is set to nothing for a key
    litellm: Any = load()
    names: list[str] = litellm.validate_environment(model=model)["missing_keys"]
    return [name for name in names if SECRET_NAME.search(name) and not os.environ.get(name)]


async def check_remote(who: str, rung: Rung, provider: str) -> None:
    """Raises ConfigError or ModelUnavailableError that says what to do."""
    if missing := missing_keys(rung.model, provider, rung.api_base):
        raise ConfigError(f"{who}: no key; set {' and '.join(missing)} in the environment")
    if provider in OLLAMA:
        base = rung.api_base or os.environ.get("OLLAMA_API_BASE") or OLLAMA_BASE
        await _reach(who, base, "start it (ollama serve) or set the rung's api_base")
        await _has_model(who, base, rung.model.partition("/")[2])
    elif rung.api_base:
        await _reach(who, rung.api_base, "start the server or mend the rung's api_base")


async def _reach(who: str, base: str, advice: str) -> None:
    url = urlsplit(base)
    shown = scrub(base)
    if url.scheme not in {"http", "https"} or not url.hostname:
        raise ConfigError(f"{who}: api_base {shown!r} is no URL; write http://HOST:PORT/v1")
    port = url.port or (443 if url.scheme == "https" else 80)
    try:
        async with asyncio.timeout(CONNECT_S):
            _, writer = await asyncio.open_connection(url.hostname, port)
    except OSError as error:  # TimeoutError is one
        raise ConfigError(f"{who}: nothing answers at {shown!r} ({error or 'timeout'}); {advice}") from error
    writer.close()


async def _has_model(who: str, base: str, name: str) -> None:
    """Ollama lists what it has; a name without a tag means `:latest`."""
    import httpx  # noqa: PLC0415  only where an Ollama server is asked

    try:
        async with httpx.AsyncClient(timeout=CONNECT_S) as client:
            listed = (await client.get(base.rstrip("/") + "/api/tags")).json()["models"]
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{who}: {scrub(base)!r} does not answer like Ollama; mend the rung's api_base") from error
    names = [entry["name"] for entry in listed]
    if name not in names and f"{name}:latest" not in names:
        raise ModelUnavailableError(f"{who}: Ollama has no model {name!r}; run: ollama pull {name}", requests=0)
