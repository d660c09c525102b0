"""What a rung may not set: secrets, what has a place of its own, and what lets another model answer."""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from evalkit.adapters.litellm_model.errors import scrub
from evalkit.core.errors import ConfigError
from evalkit.core.ladder import Rung

# Ours already, or a way round the retry, the bill or the mark of simulated answers.
OURS = {
    "model": "model", "temperature": "temperature", "max_tokens": "max_tokens", "timeout": "timeout_s",
    "request_timeout": "timeout_s", "force_timeout": "timeout_s", "stream_timeout": "timeout_s",
    "api_base": "api_base", "base_url": "api_base",
}  # fmt: skip
REFUSED_PARAMS = {
    "messages", "stream", "n", "num_retries", "max_retries", "retry_policy", "retry_strategy", "client",
    "shared_session", "drop_params", "logger_fn", "verbose", "acompletion", "async_call", "text_completion",
    # Another model or provider than the rung names, or no model at all:
    "models", "model_list", "model_alias_map", "model_config", "model_info", "base_model", "silent_model",
    "deployment_id", "hf_model_name", "custom_llm_provider", "route", "routing_strategy", "azure",
    "use_litellm_proxy", "proxy_server_request", "complete_response", "cache", "caching", "caching_groups",
    "cache_key", "preset_cache_key", "prompt_id", "prompt_label", "prompt_version", "prompt_variables",
}  # fmt: skip
REFUSED_FAMILY = re.compile(r"fallback|router|callback|^mock_|_cost_per_|^tiered_pricing|^litellm_", re.IGNORECASE)
SECRET_PARAM = re.compile(
    r"key$|access_key|token$|token_provider|secret|passw|authorization|credential|cookie|(^|[_-])auth$", re.IGNORECASE
)
BODY = "extra_body"  # laid over the request's own fields


def refuse(rung_name: str, rung: Rung) -> None:
    """Raises ConfigError for an address or parameters that hold a secret, or have a place of their own, or none.

    No value is shown, since it may be a secret.
    """
    _refuse_address(f"rung {rung_name!r}: api_base", rung.api_base or "")
    where = f"rung {rung_name!r}: params"
    for name in map(str, rung.params):
        if SECRET_PARAM.search(name):
            raise _secret(where, name)
    _refuse_secrets(where, rung.params)
    body = rung.params.get(BODY)
    for name in map(str, [*rung.params, *(body if isinstance(body, Mapping) else ())]):
        if name in OURS:
            raise ConfigError(f"{where}: {name!r} is the rung's own key {OURS[name]!r}; set it there")
        if name in REFUSED_PARAMS or REFUSED_FAMILY.search(name):
            raise ConfigError(f"{where}: {name!r} is not for a rung to set; remove it")


def _refuse_address(where: str, base: str) -> None:
    try:
        url = urlsplit(base)
    except ValueError:
        return  # `check` says that it is no URL
    if "@" in url.netloc:
        raise ConfigError(
            f"{where} holds a user or password before the '@', which would be written into the run: "
            f"write it without; a key goes into the environment variable of the model's provider"
        )
    for name, _ in parse_qsl(url.query, keep_blank_values=True):
        if SECRET_PARAM.search(name):
            raise _secret(where, name)


def _refuse_secrets(where: str, params: Mapping[str, Any]) -> None:
    for name, value in _leaves("", params):
        if SECRET_PARAM.search(name.rpartition(".")[2]) and not isinstance(value, bool):
            raise _secret(where, name)
        if isinstance(value, str) and scrub(value) != value:
            raise ConfigError(f"{where}: the value of {name!r} is a secret; set the key in the environment instead")


def _leaves(prefix: str, value: object) -> Iterator[tuple[str, object]]:
    """All that is no mapping, by its dotted name: a JSON schema may have a property called `token`."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(f"{prefix}.{name}" if prefix else str(name), inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _leaves(prefix, inner)
    else:
        yield prefix, value


def _secret(where: str, name: str) -> ConfigError:
    return ConfigError(f"{where}: {name!r} would put a secret into the config; set the key in the environment")
