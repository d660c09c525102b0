"""What the embedded runtime answers: chunks, gathered into a reply, and stopped where they must not go on."""

import time
from collections.abc import Mapping
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from threading import Event
from typing import Any

from evalkit.adapters.local_model.request import Request
from evalkit.core.errors import (
    BadRequestError,
    ContextWindowError,
    ModelError,
    ProviderServerError,
    ProviderTimeoutError,
)
from evalkit.core.ports import Reply


@dataclass
class Stream:
    """Called with each chunk on the runtime's thread; True stops the generation (also while it reads the prompt).

    The runtime swallows what a callback raises, hence errors are kept and raised by `reply`.
    """

    request: Request
    stop: Event
    started: float = field(default_factory=time.monotonic)
    texts: list[str] = field(default_factory=list)
    finish_reason: str = ""
    tokens_prompt: int | None = None
    tokens_completion: int = 0
    error: Exception | None = None

    def __call__(self, chunk: Mapping[str, Any]) -> bool:
        """Note a chunk; whether to stop."""
        try:
            return self.stop.is_set() or self._late() or self._note(chunk)
        except Exception as error:  # noqa: BLE001  a bug of ours: raised again on our side by `reply`
            self.error = error
            return True

    def reply(self) -> Reply:
        """The whole answer. Raises the ModelError that ended it, CancelledError if it was stopped from outside."""
        if self.error:
            raise self.error
        if not self.finish_reason:
            if self.stop.is_set():
                raise CancelledError
            raise ProviderServerError(f"local/{self.request.name}: the runtime ended an answer without saying why")
        seconds = time.monotonic() - self.started
        return Reply("".join(self.texts), self.finish_reason, self.tokens_prompt, self.tokens_completion, seconds)

    def _late(self) -> bool:
        limit = self.request.timeout_s
        if limit is None or self.finish_reason or time.monotonic() - self.started < limit:
            return False
        self.error = ProviderTimeoutError(
            f"local/{self.request.name}: no whole answer within {limit:g} s ({self.tokens_completion} tokens so far); "
            "raise the rung's timeout_s or lower its max_tokens"
        )
        return True

    def _note(self, chunk: Mapping[str, Any]) -> bool:
        if "error" in chunk or "choices" not in chunk:
            self.error = _error(self.request, chunk.get("error", chunk))
            return True
        for choice in chunk["choices"]:
            self.texts.append(choice.get("delta", {}).get("content") or "")
            self.finish_reason = choice.get("finish_reason") or self.finish_reason
        self._count(chunk)
        return self._beyond_context()

    def _count(self, chunk: Mapping[str, Any]) -> None:
        if "prompt_progress" in chunk:
            self.tokens_prompt = chunk["prompt_progress"]["total"]
        if "timings" in chunk:
            self.tokens_completion = chunk["timings"]["predicted_n"]
        if usage := chunk.get("usage"):
            self.tokens_prompt, self.tokens_completion = usage["prompt_tokens"], usage["completion_tokens"]

    def _beyond_context(self) -> bool:
        """The model may be loaded with a larger context than this request may use."""
        prompt, context = self.tokens_prompt or 0, self.request.context
        if prompt >= context:
            self.error = too_long(self.request, prompt, context)
            return True
        if self.finish_reason or prompt + self.tokens_completion < context:
            return False
        self.finish_reason = "length"
        return True


def too_long(request: Request, prompt: int, context: int) -> ContextWindowError:
    """The error for a prompt that leaves no room for an answer."""
    return ContextWindowError(
        f"local/{request.name}: the prompt has {prompt} tokens, the context {context}; "
        "lower context.tokens or raise the rung's context_tokens"
    )


def _error(request: Request, error: Mapping[str, Any]) -> ModelError:
    if error.get("type") == "exceed_context_size_error":
        return too_long(request, error["n_prompt_tokens"], error["n_ctx"])
    kind = BadRequestError if error.get("code") == 400 else ProviderServerError  # noqa: PLR2004  HTTP's number
    return kind(f"local/{request.name}: {error.get('message', error)}")
