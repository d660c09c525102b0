"""A completion out of litellm's response: what was said, by whom, why it ended, what it used and cost."""

from typing import Any

from evalkit.adapters.litellm_model.errors import clean
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
    prompt, completion = (reply.tokens_prompt, reply.tokens_completion) if reply else _usage(response)
    failure, detail = _failure(text, finish, choice.message, completion)
    return Completion(
        text=text,
        model=clean(response.model or ""),
        finish_reason=clean(finish),
        tokens_prompt=prompt,
        tokens_completion=completion,
        cost_usd=_cost(response, price, prompt, completion, mapped=mapped, free=free),
        failure=failure,
        detail=clean(detail),
    )


def _usage(response: Any) -> tuple[int | None, int | None]:
    """Tokens of prompt and answer; litellm writes zeros where the provider said nothing."""
    usage = getattr(response, "usage", None)
    prompt, completion = getattr(usage, "prompt_tokens", None), getattr(usage, "completion_tokens", None)
    if not prompt and not completion:
        return None, None
    return prompt, completion


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


def _cost(
    response: Any, price: Price | None, prompt: int | None, completion: int | None, *, mapped: bool, free: bool
) -> float | None:
    if price is not None:
        if prompt is None or completion is None:
            return None
        return (prompt * price.prompt + completion * price.completion) / MILLION
    if free:
        return 0.0
    cost = response._hidden_params.get("response_cost") if mapped else None  # noqa: SLF001  litellm's documented place
    return None if cost is None or prompt is None else float(cost)
