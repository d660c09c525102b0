"""A completion out of litellm's response: what was said, by whom, why it ended, what it used and cost."""

from typing import Any, NamedTuple

from evalkit.adapters.litellm_model.errors import clean
from evalkit.adapters.litellm_model.straight import Answer
from evalkit.core.errors import ProviderServerError
from evalkit.core.failure import Failure
from evalkit.core.ladder import Price
from evalkit.core.ports import Reply
from evalkit.core.types import Completion

MILLION = 1_000_000


def read(response: Any, reply: Reply | None, *, who: str, price: Price | None, mapped: bool, free: bool) -> Completion:
    """The completion. Raises ProviderServerError where there is no choice to read.

    The price is the rung's, else litellm's if its map knows the model (`mapped`), else unknown: None.
    `reply` is what a model in this process said, before litellm made zeros of what it does not know.
    """
    if not response.choices:
        raise ProviderServerError(f"{who}: an answer without choices; the provider failed, try again later")
    choice = response.choices[0]
    text = clean(choice.message.content or "")
    finish = choice.finish_reason or ""
    usage = Used(reply.tokens_prompt, reply.tokens_completion) if reply else _usage(getattr(response, "usage", None))
    failure, detail = _failure(text, finish, choice.message, usage.completion)
    return Completion(
        text=text,
        model=clean(response.model or ""),
        finish_reason=clean(finish),
        tokens_prompt=usage.prompt,
        tokens_completion=usage.completion,
        tokens_cached=usage.cached,
        cost_usd=_cost(response, price, usage, mapped=mapped, free=free),
        failure=failure,
        detail=clean(detail),
    )


def plain(answer: Answer, price: Price | None) -> Completion:
    """The completion in a plain answer, whose model litellm has no price for."""
    choice, usage = answer.choices[0], _usage(answer.usage)
    return Completion(
        text=choice.message.content,
        model=answer.model,
        finish_reason=choice.finish_reason,
        tokens_prompt=usage.prompt,
        tokens_completion=usage.completion,
        tokens_cached=usage.cached,
        cost_usd=None if price is None else _priced(price, usage),
    )


class Used(NamedTuple):
    """Tokens of prompt and answer, and those of the prompt that came from the provider's cache; None: not told."""

    prompt: int | None
    completion: int | None
    cached: int | None = None


def _usage(usage: Any) -> Used:
    """What a usage says; litellm writes zeros where the provider said nothing."""
    prompt, completion = getattr(usage, "prompt_tokens", None), getattr(usage, "completion_tokens", None)
    if not prompt and not completion:
        return Used(None, None)
    cached = getattr(getattr(usage, "prompt_tokens_details", None), "cached_tokens", None)
    return Used(prompt, completion, min(cached, prompt) if cached is not None and prompt is not None else None)


def _failure(text: str, finish: str, message: Any, tokens: int | None) -> tuple[Failure | None, str]:
    if finish == "content_filter":
        return Failure.REFUSED, "the provider's content filter ended the answer"
    if text.strip():
        return None, ""
    if refusal := (getattr(message, "provider_specific_fields", None) or {}).get("refusal"):
        return Failure.REFUSED, str(refusal)
    if getattr(message, "reasoning_content", None):
        used = f" ({tokens} tokens)" if tokens else ""
        return Failure.EMPTY_RESPONSE, f"the model only reasoned{used} and did not answer; raise max_tokens"
    return Failure.EMPTY_RESPONSE, f"no text; finish reason {finish!r}"


def _cost(response: Any, price: Price | None, usage: Used, *, mapped: bool, free: bool) -> float | None:
    if price is not None:
        return _priced(price, usage)
    if free:
        return 0.0
    cost = response._hidden_params.get("response_cost") if mapped else None  # noqa: SLF001  litellm's documented place
    return None if cost is None or usage.prompt is None else float(cost)


def _priced(price: Price, usage: Used) -> float | None:
    """US dollars; cached tokens at their own price where the rung has one."""
    if usage.prompt is None or usage.completion is None:
        return None
    cached = usage.cached or 0
    of_cached = price.prompt if price.prompt_cached is None else price.prompt_cached
    prompt = (usage.prompt - cached) * price.prompt + cached * of_cached
    return (prompt + usage.completion * price.completion) / MILLION
