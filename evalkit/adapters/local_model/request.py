"""What the embedded runtime is asked: a chat request out of messages and litellm-style parameters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from evalkit.core.errors import BadRequestError
from evalkit.core.types import Message

MAX_TOKENS = 1024  # where none is given: small models run to any limit
SAMPLING = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "presence_penalty",
    "frequency_penalty",
    "repeat_penalty",
    "stop",
    "response_format",
    "chat_template_kwargs",
)
OURS = ("max_tokens", "max_completion_tokens", "seed", "num_ctx", "timeout")


@dataclass(frozen=True, slots=True)
class Request:
    """One chat request. `context` is the most tokens that prompt and answer may have together.

    `timeout_s` counts from when the model begins, not from when the caller began to wait for it.
    """

    name: str
    body: Mapping[str, Any]
    context: int
    timeout_s: float | None


def request(
    name: str, messages: Sequence[Message], params: Mapping[str, object], context: int, trained: int | None
) -> Request:
    """Word a request. `context` counts where `params` has no `num_ctx`; `trained` bounds both, where known.

    Raises BadRequestError for a parameter that is not known, or of the wrong type: none is dropped silently.
    """
    given = {key: value for key, value in params.items() if value is not None}
    _refuse_unknown(name, given)
    wanted = _number(name, given, "num_ctx", context)
    if trained and "num_ctx" in given and wanted > trained:
        raise BadRequestError(
            f"local/{name}: context_tokens is {wanted}; the model was trained for {trained} and knows nothing beyond"
        )
    limit = _number(name, given, "max_tokens", _number(name, given, "max_completion_tokens", MAX_TOKENS))
    body = {
        "temperature": 0,
        **{key: given[key] for key in SAMPLING if key in given},
        "messages": [{"role": message.role, "content": message.content} for message in messages],
        "max_tokens": limit,
        "seed": _number(name, given, "seed", 0),
        "cache_prompt": False,  # what an earlier prompt left behind changes even greedy answers
        "stream": True,  # an answer that comes piece by piece can be stopped
        "stream_options": {"include_usage": True},
        "return_progress": True,  # so that the reading of a long prompt can be stopped as well
        "timings_per_token": True,  # they count the tokens of an answer that is stopped
    }
    timeout = given.get("timeout")
    return Request(name, body, wanted, float(timeout) if isinstance(timeout, int | float) else None)


def _refuse_unknown(name: str, given: Mapping[str, object]) -> None:
    takes = (*SAMPLING, *OURS)
    for key in given:
        if key not in takes:
            near = get_close_matches(key, takes, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"it takes {', '.join(takes)}"
            raise BadRequestError(f"local/{name}: no parameter {key!r} ({given[key]!r}); {hint}")


def _number(name: str, given: Mapping[str, object], key: str, otherwise: int) -> int:
    value = given.get(key, otherwise)
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadRequestError(f"local/{name}: {key} is {value!r}; it must be a whole number")
    return value
