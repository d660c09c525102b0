"""Trying again: only what may pass by itself, with jittered exponential waits that honour Retry-After."""

import logging
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from evalkit.core.errors import (
    ProviderConnectionError,
    ProviderServerError,
    ProviderTimeoutError,
    RateLimitError,
)

logger = logging.getLogger(__name__)

T = TypeVar("T")

PASSING = (RateLimitError, ProviderTimeoutError, ProviderConnectionError, ProviderServerError)


@dataclass
class RetrySettings:
    """How a request that failed in passing is sent again.

    `attempts` counts requests of one completion, the first included. The k-th wait is `wait_initial_s` x 2^(k-1)
    plus up to `wait_initial_s` of jitter, at most `wait_max_s`; where the provider says how long (Retry-After),
    that counts instead, also above `wait_max_s`. No wait begins later than `timeout_s` after the first request,
    and a provider that asks for more than what is left of it is not waited for.
    """

    attempts: int = 4
    wait_initial_s: float = 1.0
    wait_max_s: float = 60.0
    timeout_s: float = 300.0

    def __post_init__(self) -> None:
        """Refuse what can never work. Raises ValueError."""
        if self.attempts < 1:
            raise ValueError(f"attempts is {self.attempts!r}; it must be at least 1 (the request itself)")
        for key in ("wait_initial_s", "wait_max_s", "timeout_s"):
            if getattr(self, key) < 0:
                raise ValueError(f"{key} is {getattr(self, key)!r}; it must be at least 0")


async def with_retries(
    settings: RetrySettings,
    send: Callable[[], Awaitable[T]],
    hopeless: Callable[[Exception], bool],
    began: Callable[[], float],
) -> T:
    """What `send` returns, after as many tries as it needs. Raises the last ModelError.

    `hopeless` says which errors of a passing kind will not pass; `began` when the first request was sent (seconds of
    time.monotonic), since waiting for a turn is no trying.
    """
    try:
        return await send()
    except PASSING as error:
        if hopeless(error):
            raise
        failed = error
    return await _again(settings, send, hopeless, failed, began() + settings.timeout_s)


async def _again(
    settings: RetrySettings,
    send: Callable[[], Awaitable[T]],
    hopeless: Callable[[Exception], bool],
    failed: Exception,
    deadline: float,
) -> T:
    """`with_retries` after the first request failed.

    Apart, since the library costs 5 % of a request, which most requests need not pay.
    """
    first: Exception | None = failed
    async for attempt in _stamina().retry_context(
        on=lambda error: not hopeless(error) and _wait(error, settings, deadline - time.monotonic()),
        attempts=settings.attempts,
        timeout=max(deadline - time.monotonic(), 0.001) if settings.timeout_s else None,
        wait_initial=settings.wait_initial_s,
        wait_max=settings.wait_max_s,
        wait_jitter=settings.wait_initial_s,
    ):
        with attempt:
            if first is not None:
                error, first = first, None
                raise error
            return await send()
    raise AssertionError("stamina ended without a result or an error")


@cache
def _stamina() -> Any:
    """The library, without its own line a retry on stderr ("stamina.retry_scheduled")."""
    import stamina  # noqa: PLC0415  loads with the first request

    stamina.instrumentation.set_on_retry_hooks(())
    return stamina


def _wait(error: Exception, settings: RetrySettings, remaining_s: float) -> bool | float:
    """Whether to try again (True: after the exponential wait), or the seconds that the provider asked for."""
    if not isinstance(error, PASSING):
        return False
    asked = getattr(error, "retry_after_s", None)
    if not asked:
        return remaining_s > 0
    if asked > remaining_s:
        return False
    logger.debug("waiting %.1f s as the provider asks: %s", asked, error)
    return float(asked + random.uniform(0, min(1.0, settings.wait_initial_s)))  # noqa: S311  jitter is no secret
