"""What litellm raises, translated once into core/errors, in one line that holds no secret."""

import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from email.utils import parsedate_to_datetime

from evalkit.core.errors import (
    AuthenticationError,
    BadRequestError,
    ContentRefusedError,
    ContextWindowError,
    ModelError,
    ModelUnavailableError,
    ProviderConnectionError,
    ProviderServerError,
    ProviderTimeoutError,
    RateLimitError,
)

HTTP_CLIENT, HTTP_PAYMENT, HTTP_NOT_FOUND, HTTP_TOO_MANY, HTTP_SERVER = 400, 402, 404, 429, 500
LONGEST = 400  # characters of a provider's text that are shown
SHORTEST_SECRET = 6  # a shorter value, like "1", would blank out ordinary text
SECRET_NAME = re.compile(r"(_KEY|_TOKEN|_SECRET|_PASSWORD|_ACCESS_KEY_ID)$")
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f]")  # a terminal would obey some of them
SECRET_SHAPE = re.compile(r"\bsk-[\w-]{6,}|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)|(?i:(?<=bearer )[\w.~+/=-]{6,})")

# Providers word the same failure under different statuses, hence status and words together.
CONTEXT = re.compile(
    r"context[ _-]?(length|window|size)|maximum context|prompt is too long|input is too long|too many (input )?tokens"
    r"|input token count|reduce the length of|`inputs` tokens"
    r"|exceeds? the (model'?s? )?(maximum|available) (context|input)",
    re.IGNORECASE,
)
REFUSED = re.compile(r"content[ _-]?(policy|filter|management)|safety system|responsible ?ai|flagged", re.IGNORECASE)
SUBSCRIPTION = re.compile(
    r"subscription|your plan|upgrade|not have access|no access to (the )?model|not available (for|in|on)", re.IGNORECASE
)
MONEY = re.compile(r"credit|balance|quota|billing|funds", re.IGNORECASE)
# A rate limit in words, but no wait of minutes mends it. Addresses (…/account/billing) are advice, no reason.
QUOTA = re.compile(r"insufficient[ _]quota|exceeded your current quota", re.IGNORECASE)
SPENT = re.compile(r"(?<!/)\bbilling\b|\bcredits?\b|\bbalance\b", re.IGNORECASE)
# "model", at most its name, and that it is not there: "Model gpt-x: unknown parameter" is about something else.
NO_MODEL = re.compile(
    r"""\bmodels?\b[ :/]*(?:(?:id|name|you[ ]requested)\b[ :]*)?(?:`[^`]+`|'[^']+'|"[^"]+"|\S+)?,?[ ]*
        (?:(?:is|was|are|has\ been|could|does|do|did)[ ])?(?:currently[ ]|no[ ]longer[ ])*
        (?:not[ _](?:be[ ])?(?:found|exist|available|supported|loaded|known|recogni[sz]ed|installed|valid)\b
         |(?:does|do|did)n't[ ]exist|isn't[ ]available|(?<=is[ ])unknown\b|decommissioned|supported[ ]anymore)
       |\b(?:unknown|no[ ]such|invalid|unsupported)[ ]model\b(?![ ](?:param|argument|option|setting))
       |not[ ]a[ ]valid[ ]model
       |model_(?:not_found|not_exist|decommissioned)|deploymentnotfound|deployment\b.*not[ ]exist|not_found_error""",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
NO_KEY = re.compile(
    r"api[_ ]?key.{0,40}(must be set|missing|required|not set|not found|not provided)"
    r"|missing.{0,20}(credential|api[_ ]?key)|could not resolve authentication",
    re.IGNORECASE | re.DOTALL,
)
UNREACHABLE = re.compile(
    r"connection error|connection refused|cannot connect|connect call failed|connection attempts failed"
    r"|name or service not known|name resolution|nodename nor servname|no route to host|network is unreachable"
    r"|connection reset|server disconnected|connection closed",
    re.IGNORECASE,
)
UNREADABLE = re.compile(
    r"expecting value|unable to get json|jsondecode|invalid response object|unterminated string"
    r"|payload is not completed|peer closed connection|incomplete|content.?length|empty or invalid",
    re.IGNORECASE,
)


def translate(error: Exception, who: str, key_hint: Callable[[], str] = str) -> ModelError | None:
    """The error of core/errors that says what a provider's exception means; None: it is none, but a bug.

    `who` opens the text (rung and model); `key_hint` names the environment variables to set, asked only where
    the key is what is wrong.
    """
    if isinstance(error, TimeoutError):
        return ProviderTimeoutError(f"{who}: no answer in time; raise the rung's timeout_s or look at the provider")
    if not _from_provider(error):
        return None
    kind, advice = _meaning(error)
    if kind is AuthenticationError:
        advice = key_hint() or advice
    text = UNPRINTABLE.sub("?", clean(scrub(provider_text(error))))
    return kind(f"{who}: {text}; {advice}", retry_after_s=retry_after(_headers(error)))


def scrub(text: str) -> str:
    """`text` without secrets: values of variables named like keys, and what looks like a key."""
    for name, value in os.environ.items():
        if SECRET_NAME.search(name) and len(value) >= SHORTEST_SECRET:
            text = text.replace(value, f"[{name}]")
    return SECRET_SHAPE.sub("[secret]", text)


def clean(text: str) -> str:
    """`text` as it can be written down: half a surrogate pair, which providers do send, becomes a `?`."""
    return text.encode("utf-8", "replace").decode()


def spent(error: Exception, model: str) -> bool:
    """Whether a rate limit is for want of money; the model's own name says nothing about it."""
    text = provider_text(error)
    if getattr(error, "status_code", None) == HTTP_PAYMENT or QUOTA.search(f"{_code(error)} {text}"):
        return True
    return bool(SPENT.search(text.replace(model, "") if model else text))


def holds_secret(error: BaseException | None) -> bool:
    """Whether a traceback of `error` would show a secret; then it is not kept as a cause."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if scrub(text := f"{error} {error.args!r}") != text:
            return True
        error = error.__cause__ or error.__context__
    return False


def provider_text(error: Exception) -> str:
    """What the provider said, in one line, without litellm's wrapping."""
    text = re.split(r"\s*Traceback \(most recent|\n\s*This looks like a bug in LiteLLM", str(error), maxsplit=1)[0]
    text = re.sub(r"^((litellm\.)?\w*(Error|Timeout): )+", "", text)
    text = re.sub(r"^\w+Exception( -|:) |\.? Handle with `litellm\.\w+`\.?|\blitellm\.(\w+\.)*", "", text).strip()
    text = " ".join((_message_in(text) or text).split()) or type(error).__name__
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the provider asks to wait: `retry-after-ms`, or `retry-after` as seconds or HTTP date."""
    if milliseconds := _number(headers.get("retry-after-ms")):
        return milliseconds / 1000
    value = headers.get("retry-after")
    if (seconds := _number(value)) is not None:
        return max(0.0, seconds)
    try:
        when = parsedate_to_datetime(value or "")
    except ValueError:
        return None
    return max(0.0, when.timestamp() - time.time())


def _from_provider(error: Exception) -> bool:
    import openai  # noqa: PLC0415  comes with litellm

    return isinstance(error, openai.OpenAIError)  # litellm's exceptions are subclasses


def _meaning(error: Exception) -> tuple[type[ModelError], str]:
    """Class and advice by kind, status and words; the first rule that fits counts."""
    rules = _rules(type(error).__name__, getattr(error, "status_code", None) or 500, f"{error} {_code(error)}")
    return next((kind, advice) for fits, kind, advice in rules if fits)


def _rules(name: str, status: int, text: str) -> Iterator[tuple[object, type[ModelError], str]]:
    refused = status in {400, 403, 422}
    long = status in {400, 413, 422, 500}
    yield "ContextWindow" in name or (long and CONTEXT.search(text)), ContextWindowError, "shorten the context"
    yield "ContentPolicy" in name or (refused and REFUSED.search(text)), ContentRefusedError, "the provider refused"
    yield status == HTTP_TOO_MANY, RateLimitError, "lower limits.concurrency or wait"
    plan = "choose another model or subscription"
    yield status in {402, 403} and SUBSCRIPTION.search(text), ModelUnavailableError, plan
    yield status == HTTP_PAYMENT and MONEY.search(text), RateLimitError, "the account has no credit left: top it up"
    yield status == HTTP_PAYMENT, ModelUnavailableError, plan
    yield status in {401, 403}, AuthenticationError, "look at the key and what it may do"
    missing = "look at the model's name; for ollama: ollama pull NAME"
    yield status in {400, 404} and NO_MODEL.search(text), ModelUnavailableError, missing
    yield status == HTTP_NOT_FOUND, BadRequestError, "look at the rung's api_base (OpenAI's style ends in /v1)"
    yield name == "Timeout" or status in {408, 504}, ProviderTimeoutError, "raise the rung's timeout_s"
    yield UNREADABLE.search(text), ProviderServerError, "the answer could not be read"
    yield UNREACHABLE.search(text), ProviderConnectionError, "look at the network and the rung's api_base"
    yield NO_KEY.search(text), AuthenticationError, "set the provider's key in the environment"
    yield status >= HTTP_SERVER or status < HTTP_CLIENT, ProviderServerError, "the provider failed; try again later"
    yield True, BadRequestError, "look at the rung's params"


def _code(error: Exception) -> str:
    """The provider's own word for what is wrong, which litellm leaves out of its text."""
    body = getattr(error.__context__, "body", None)
    if not isinstance(body, dict):  # not by the openai package: then its JSON stands in the text
        body = _error_in(str(error)[str(error).find("{") :])
    return str(body.get("code") or "") if isinstance(body, dict) else ""


def _headers(error: Exception) -> Mapping[str, str]:
    response = getattr(error, "response", None)
    headers = getattr(response, "headers", None) or getattr(error, "litellm_response_headers", None)
    return headers or {}


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None


def _message_in(text: str) -> str:
    """The message in a JSON error body, "" if it is none."""
    error = _error_in(text)
    found = error.get("message", "") if isinstance(error, dict) else error
    return found if isinstance(found, str) else ""


def _error_in(text: str) -> object:
    """What a JSON error body says is wrong, None if it is none."""
    try:
        body = json.loads(text)
    except ValueError:
        return None
    return body.get("error", body) if isinstance(body, dict) else body
