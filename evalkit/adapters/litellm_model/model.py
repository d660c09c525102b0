"""One rung's model over litellm: asks, tries again what failed in passing, and says what came of it."""

import asyncio
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from evalkit.adapters.litellm_model import allowances, answers, first
from evalkit.adapters.litellm_model.bridge import ASKING, Asking, register, warm_bridge
from evalkit.adapters.litellm_model.checks import OLLAMA, check_remote, missing_keys, provider_of
from evalkit.adapters.litellm_model.client import ANSWER, NO_KEY, load, warm
from evalkit.adapters.litellm_model.errors import clean, holds_secret, spent, translate
from evalkit.adapters.litellm_model.first import FirstAlone
from evalkit.adapters.litellm_model.forms import Forms
from evalkit.adapters.litellm_model.marks import written
from evalkit.adapters.litellm_model.params import refuse
from evalkit.adapters.litellm_model.prices import entry_of
from evalkit.adapters.litellm_model.retry import RetrySettings, with_retries
from evalkit.adapters.litellm_model.straight import Straight, by_litellm, learned
from evalkit.core.errors import (
    ContentRefusedError,
    ContextWindowError,
    ModelError,
    ModelUnavailableError,
    ProviderTimeoutError,
    QuotaError,
    RateLimitError,
)
from evalkit.core.failure import Failure
from evalkit.core.ladder import Rung
from evalkit.core.ports import Generator, Reply
from evalkit.core.types import Completion, Message, Prompt
from evalkit.run.throttle import Throttle, Throttles

SEEDS_PER_EPOCH = 100_000
OPENAI_LIKE = {"openai", "hosted_vllm"}  # their servers take a request as litellm wrote it once


class LitellmModel:
    """A rung's model: any litellm name, or a prefix of `generators` (`local/…`, `scripted/…`, plug-ins).

    Parameters that a provider does not take (`seed`, most often) are dropped by litellm. At temperature 0 each
    request carries `seed` as it is; above, the seed differs by epoch and attempt, since a repeat that draws
    the same answer is no repeat. Keys come from the environment; a server of one's own (`api_base`) that asks
    for none gets a placeholder. Costs: the rung's `price`, else litellm's price map, else None; where an
    earlier request of the same completion timed out, None, since it may have been billed. An in-process model
    that says it is `free` costs 0.0 without a price, because nothing is paid. `throttles` say how many requests
    a provider gets at once (None: all that come); models in this process look to that themselves. `marks` says
    whether Claude's prompts get marks for its provider's cache, `straight` whether a server of one's own may be
    asked without litellm's machinery, `forms` where it is kept how (None: nowhere).
    """

    def __init__(
        self,
        rung_name: str,
        rung: Rung,
        *,
        generators: Mapping[str, Generator],
        seed: int,
        retry: RetrySettings,
        throttles: Throttles | None = None,
        marks: bool = False,
        straight: bool = True,
        forms: Forms | None = None,
    ) -> None:
        refuse(rung_name, rung)
        self.rung = rung
        self.who = f"rung {rung_name!r} ({rung.model})"
        self.seed = seed
        self.retry = retry
        self._prefixes = generators
        prefix, _, self._name = rung.model.partition("/")
        self._generator = generators.get(prefix)
        self._free = bool(getattr(self._generator, "free", False))
        self._first = FirstAlone()
        self._throttles = throttles if self._generator is None else None
        self._throttle: Throttle | None = None
        self._unavailable = ""  # once the provider said so, it is not asked again
        self._ready: asyncio.Future[None] | None = None
        self._provider = ""
        self._mapped = False
        self._server: dict[str, str] = {}
        self._marks = marks
        self._may_go_straight = straight
        self._forms = forms
        self._straight: Straight | None = None

    @property
    def simulated(self) -> bool:
        """Whether answers are scripted or replayed (invariant 8)."""
        return self._generator is not None and self._generator.simulated

    async def prepare(self) -> None:
        """Load litellm and make its first call's work, once. Raises ConfigError for an unknown provider.

        `check` and `complete` call it; callers that come meanwhile wait for the one.
        """
        loop = asyncio.get_running_loop()
        if self._ready is None or self._ready.get_loop() is not loop:
            self._ready = loop.create_task(self._prepare())
        await asyncio.shield(self._ready)

    async def _prepare(self) -> None:
        if self._generator is None and self._is_known():
            return
        litellm: Any = load()
        if self._generator is not None:
            register(self._prefixes)
        self._provider = provider_of(self.rung.model, self._prefixes)
        self._server = self._place()
        self._mapped = entry_of(litellm, self.rung.model, self._provider) is not None
        if self._throttles is not None:
            self._throttle = self._throttles.of(place_of(self._provider, self.rung.api_base))
        if self._generator is not None:
            await warm_bridge()
            return
        self._take(await self._learn(litellm))
        if self._straight is None:
            await warm(self._provider)

    def _take(self, road: Straight | None) -> None:
        self._straight = road
        if road is not None:
            self._first.patience_s = first.NEAR_S

    def _is_known(self) -> bool:
        """Whether an earlier run has learnt how to ask, so that litellm need not be loaded."""
        provider = self.rung.model.partition("/")[0]
        if self._forms is None or not self._may_go_straight or provider not in OPENAI_LIKE:
            return False
        self._take(self._forms.kept(self.rung))
        if self._straight is None:
            return False
        self._provider = provider
        if self._throttles is not None:
            self._throttle = self._throttles.of(place_of(provider, self.rung.api_base))
        return True

    async def _learn(self, litellm: Any) -> Straight | None:
        """How to ask a server of one's own without litellm's machinery; None where that is needed.

        It is where litellm counts the cost, and where somebody listens in (litellm's callbacks).
        """
        priced = self._mapped and self.rung.price is None
        heard = any((litellm.callbacks, litellm.success_callback, litellm.failure_callback, litellm.input_callback))
        able = self._may_go_straight and self._provider in OPENAI_LIKE
        if not self.rung.api_base or not able or priced or heard:
            return None
        try:
            form = await learned(self.rung.api_base, self._elsewhere, ANSWER)
        except Exception as error:
            if translate(error, self.who) is None:
                raise
            return None  # a real request will say what is wrong
        if form is not None and self._forms is not None:
            self._forms.keep(self.rung, form)
        return form

    async def check(self) -> None:
        """Find out, without spending, that asking can work. Raises ConfigError or ModelUnavailableError."""
        await self.prepare()
        if self._generator is not None:
            await self._generator.check(self._name)
        else:
            await check_remote(self.rung.model, self.rung, self._provider)

    async def complete(self, prompt: Prompt) -> Completion:
        """Ask, and try again what failed in passing. Raises ModelError on an outage.

        A refusal, a prompt longer than the context, and a model that is not there are completions with a
        `failure`, since the climb goes on.
        """
        if not self._unavailable:
            await self.prepare()
        sent = _Sent()
        try:
            completion = await with_retries(
                self.retry,
                lambda: self._first.run(lambda: self._in_turn(prompt, sent)),
                hopeless=lambda error: sent.spent or self._repeats(error),
                began=lambda: sent.began,
            )
        except (ModelUnavailableError, ContextWindowError, ContentRefusedError) as error:
            completion = _nothing(error.failure, str(error))
        except ModelError as error:
            error.requests = sent.requests
            if sent.spent and not isinstance(error, QuotaError):
                raise QuotaError(str(error), retry_after_s=error.retry_after_s, requests=sent.requests) from error
            raise
        if sent.timed_out and not (self._free and self.rung.price is None):
            completion = replace(completion, cost_usd=None)
        return replace(completion, requests=sent.requests, seconds=sent.took())

    async def _in_turn(self, prompt: Prompt, sent: "_Sent") -> Completion:
        """One request, when its provider takes it; waits between tries hold nobody up."""
        if self._throttle is None:
            return await self._request(prompt, sent)
        return await self._throttle.run(lambda: self._request(prompt, sent), self.rung.model)

    async def _request(self, prompt: Prompt, sent: "_Sent") -> Completion:
        """One request, with the errors of core/errors; none where the model is known not to be there."""
        if self._unavailable:
            raise ModelUnavailableError(self._unavailable, requests=0)
        if not sent.requests:
            sent.began = time.monotonic()
        sent.requests += 1
        sent.at = time.perf_counter()
        params = {} if self._straight is not None else self._params(prompt)
        asking = Asking(self._generator, prompt, params) if self._generator is not None else None
        try:
            if self._straight is not None:
                return await self._ask_straight(self._straight, prompt)
            async with asyncio.timeout(None if asking else self.rung.timeout_s):
                response = await self._send(prompt, params, asking)
        except ModelError as error:  # the straight road's, in our own words
            self._note(error, error, sent)
            raise
        except Exception as error:
            if (raised := asking.error if asking and asking.error else None) is None:
                raised = translate(error, self.who, self._key_hint)
            self._note(raised, error, sent)
            if raised is None:
                raise
            if asking and asking.error:
                raise raised from None  # as the generator raised it, without litellm's wrapping
            raise raised from None if holds_secret(error) else error
        reply = asking.reply if asking else None
        sent.seconds = reply.seconds if reply else None
        return self._read(response, reply)

    def _read(self, response: Any, reply: Reply | None = None) -> Completion:
        if self._throttle is not None and (told := allowances.told(response)) is not None:
            self._throttle.told(told)
        return answers.read(response, reply, who=self.who, price=self.rung.price, mapped=self._mapped, free=self._free)

    async def _ask_straight(self, road: Straight, prompt: Prompt) -> Completion:
        """One request past litellm, which is asked what an answer means that is not plain."""
        seed = self._seed(prompt)
        async with asyncio.timeout(self.rung.timeout_s):
            came = await road.ask(prompt.messages, seed, self.who)
        if came.answer is None:
            base = self.rung.api_base or ""
            return self._read(await by_litellm(came, base, self._elsewhere, prompt.messages, seed))
        if self._throttle is not None and (told := allowances.of_headers(came.headers)) is not None:
            self._throttle.told(told)
        return answers.plain(came.answer, self.rung.price)

    async def _elsewhere(self, api_base: str, messages: Sequence[Message], seed: int | None) -> Any:
        """The same request by litellm to another address; a seed among the rung's `params` stays."""
        if "litellm" not in sys.modules:  # how to ask was known; what this answer means is not
            await asyncio.to_thread(load)
        self._server = self._server or self._place()
        params = {**self._params(Prompt(())), "seed": seed, **_with_organization(self.rung.params)}
        return await self._by_litellm(written(Prompt(tuple(messages))), params, {**self._server, "api_base": api_base})

    def _note(self, raised: Exception | None, error: Exception, sent: "_Sent") -> None:
        """Remember of a failed request what counts for those that follow."""
        if isinstance(raised, ModelUnavailableError):
            self._unavailable = str(raised)
        sent.timed_out = sent.timed_out or isinstance(raised, ProviderTimeoutError)
        own = isinstance(raised, ModelError) and self._generator is not None
        sent.spent = isinstance(raised, QuotaError) or (
            isinstance(raised, RateLimitError) and spent(raised if own else error, self._name)
        )

    def _repeats(self, error: Exception) -> bool:
        """Whether asking again would only take as long again: a model in this process draws the same answer.

        A script or a recording plays a provider, which may be quicker the next time.
        """
        return isinstance(error, ProviderTimeoutError) and self._generator is not None and not self.simulated

    async def _send(self, prompt: Prompt, params: Mapping[str, object], asking: Asking | None) -> Any:
        if asking is not None:
            ASKING.set(asking)
        marked = self._marks and "claude" in self.rung.model.lower()
        return await self._by_litellm(written(prompt, marked=marked), params, self._server)

    async def _by_litellm(
        self, messages: Sequence[Mapping[str, object]], params: Mapping[str, object], server: Mapping[str, str]
    ) -> Any:
        litellm: Any = load()
        # One request a call: litellm's and the client's own retries are off, ours is with_retries.
        return await litellm.acompletion(
            model=self.rung.model,
            messages=messages,
            drop_params=True,
            num_retries=0,
            max_retries=0,
            **params,
            **server,
        )

    def _params(self, prompt: Prompt) -> dict[str, object]:
        rung = self.rung
        params: dict[str, object] = {"temperature": rung.temperature, "max_tokens": rung.max_tokens}
        params["seed"] = self._seed(prompt)
        # An in-process model counts it from its turn: waiting behind another climb is no time-out.
        params["timeout"] = rung.timeout_s
        if rung.context_tokens and (self._generator is not None or self._provider in OLLAMA):
            params["num_ctx"] = rung.context_tokens
        return params | _with_organization(rung.params)

    def _seed(self, prompt: Prompt) -> int:
        """Of its own for each epoch and attempt above temperature 0."""
        if self.rung.temperature <= 0:
            return self.seed
        return self.seed + (prompt.epoch - 1) * SEEDS_PER_EPOCH + prompt.number - 1

    def _place(self) -> dict[str, str]:
        """Where to ask, if not at the provider's own place; found out once, since it costs 0.1 ms."""
        if not self.rung.api_base:
            return {}
        keyless = missing_keys(self.rung.model, self._provider, None)
        return {"api_base": self.rung.api_base} | ({"api_key": NO_KEY} if keyless else {})

    def _key_hint(self) -> str:
        names = missing_keys(self.rung.model, self._provider, None)
        return f"set {' and '.join(names)} in the environment" if names else ""


def place_of(provider: str, api_base: str | None) -> str:
    """Whose limits count: the provider's, or those of a server of one's own, by its host."""
    return f"{provider} at {urlsplit(api_base).netloc}" if api_base else provider


def _with_organization(params: Mapping[str, Any]) -> dict[str, Any]:
    """OpenAI's `organization` as the header that it is: litellm's plain handler would drop it unsaid."""
    if "organization" not in params:
        return dict(params)
    others = {name: value for name, value in params.items() if name != "organization"}
    headers = {"OpenAI-Organization": params["organization"], **(params.get("extra_headers") or {})}
    return {**others, "extra_headers": headers}


def _nothing(failure: Failure, detail: str) -> Completion:
    """What came of a request that the provider turned away: no text, and nothing to pay."""
    return Completion(
        "", tokens_prompt=0, tokens_completion=0, cost_usd=0.0, requests=0, failure=failure, detail=clean(detail)
    )


class _Sent:
    """What one completion sent: `requests` in all, the first at `began`, the last at `at` (seconds of two clocks).

    `seconds` is how long an in-process model says it worked, `timed_out` whether any request did, `spent`
    whether the last one failed for want of money.
    """

    __slots__ = ("at", "began", "requests", "seconds", "spent", "timed_out")

    def __init__(self) -> None:
        self.requests = 0
        self.spent = self.timed_out = False
        self.seconds: float | None = None
        self.at = time.perf_counter()
        self.began = time.monotonic()

    def took(self) -> float:
        """Seconds of the last request; none were spent where none was sent."""
        if not self.requests:
            return 0.0
        return time.perf_counter() - self.at if self.seconds is None else self.seconds
