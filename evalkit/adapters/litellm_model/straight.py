"""The straight road to a server of one's own: the request that litellm wrote once, sent again with other messages.

litellm takes 2 to 3 ms of CPU for a call, and more than half of it is not about the request: its own logging,
costs and callbacks (docs/decisions/0010-the-straight-road.md). So a rung's first request is written by litellm, to the
loopback, and what it wrote is the form of all that follow. An answer that is plain is read here; whatever
is not (a status, an error, an odd body) is given to litellm as it came, which says what it means as ever.
"""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

import msgspec

from evalkit.adapters.litellm_model.loopback import Request, answering
from evalkit.core.errors import ProviderConnectionError, ProviderServerError
from evalkit.core.types import Message

if TYPE_CHECKING:
    from aiohttp import ClientSession

JSON = {"content-type": "application/json"}
PER_REQUEST = {"host", "content-length", "connection", "accept-encoding"}  # headers that are the connection's
PLAIN_ENDS = ("stop", "length")
THOUGHTS = re.compile(r"<\s*(think|budget)", re.IGNORECASE)  # litellm takes them out of an answer
HTTP_OK = 200
SESSIONS: "dict[asyncio.AbstractEventLoop, ClientSession]" = {}  # one a loop, closed by `close`

Ask = Callable[[str, Sequence[Message], int | None], Awaitable[Any]]  # api_base, messages, seed: litellm's response


class _Said(msgspec.Struct):
    content: str


class _Choice(msgspec.Struct):
    message: _Said
    finish_reason: str


class _Details(msgspec.Struct):
    cached_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _Details | None = None


class Answer(msgspec.Struct):
    """A plain answer: text that stopped by itself or at `max_tokens`."""

    choices: list[_Choice]
    model: str
    usage: _Usage | None = None
    error: object = None


_ANSWER = msgspec.json.Decoder(Answer)


@dataclass(frozen=True, slots=True)
class Came:
    """What a server answered; `answer` where that is plain."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    answer: Answer | None


@dataclass(frozen=True, slots=True)
class Straight:
    """How litellm asks one rung's server: where, and with which headers and fields.

    `headers` may hold a key, so this is neither shown nor written down.
    """

    url: str
    headers: Mapping[str, str]
    fields: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"Straight({self.url!r})"

    async def ask(self, messages: Sequence[Message], seed: int | None, who: str) -> Came:
        """One request. Raises ProviderConnectionError, or ProviderServerError where the answer broke off."""
        import aiohttp  # noqa: PLC0415  loads with litellm, whose transport it is

        try:
            async with _session().post(self.url, data=self._body(messages, seed), headers=self.headers) as response:
                content = await response.read()
        except aiohttp.ClientPayloadError as error:
            raise ProviderServerError(f"{who}: {_said(error)}; the answer could not be read") from None
        except aiohttp.ClientConnectionError as error:
            advice = "look at the network and the rung's api_base"
            raise ProviderConnectionError(f"{who}: {_said(error)}; {advice}") from None
        except aiohttp.ClientError as error:
            raise ProviderServerError(f"{who}: {_said(error)}; the provider failed, try again later") from None
        answer = _plain(content) if response.status == HTTP_OK else None
        return Came(response.status, response.headers, content, answer)

    def _body(self, messages: Sequence[Message], seed: int | None) -> bytes:
        fields = {**self.fields, "messages": messages}
        if "seed" in fields:
            fields["seed"] = seed
        try:
            return msgspec.json.encode(fields)
        except UnicodeEncodeError:  # half a surrogate pair, which JSON can say and UTF-8 cannot
            plain = [{"role": message.role, "content": message.content} for message in messages]
            return json.dumps({**fields, "messages": plain}).encode()


async def learned(api_base: str, ask: Ask, answer: bytes) -> Straight | None:
    """How litellm asks there, or None where that cannot be said again with other messages.

    `ask` asks by litellm; `answer` is what the loopback tells it. Raises what `ask` raises.
    """
    if not is_straight(api_base):
        return None
    messages, seed = [Message("system", "Be brief."), Message("user", "Say ok.")], 1
    async with answering(HTTP_OK, JSON, answer) as loopback:
        await ask(_elsewhere(api_base, loopback.port), messages, seed)
    if len(loopback.came) != 1:
        return None
    request = loopback.came[0]
    fields = _fields(request, messages, seed)
    if fields is None:
        return None
    headers = {name: value for name, value in request.headers.items() if name not in PER_REQUEST}
    return Straight(f"http://{urlsplit(api_base).netloc}{request.path}", headers, fields)


def is_straight(api_base: str) -> bool:
    """Whether a server can be asked without what is litellm's business: certificates and proxies."""
    url = urlsplit(api_base)
    return url.scheme == "http" and bool(url.hostname) and "@" not in url.netloc and not _by_proxy(url.hostname or "")


async def by_litellm(came: Came, api_base: str, ask: Ask, messages: Sequence[Message], seed: int | None) -> Any:
    """What litellm makes of an answer that is not plain: its response. Raises what litellm raises."""
    async with answering(came.status, came.headers, came.content) as loopback:
        return await ask(_elsewhere(api_base, loopback.port), messages, seed)


async def close() -> None:
    """Close this loop's connections, and forget those of loops that have ended."""
    session = SESSIONS.pop(asyncio.get_running_loop(), None)
    if session is not None:
        await session.close()
    for loop in [loop for loop in SESSIONS if loop.is_closed()]:
        del SESSIONS[loop]


def _fields(request: Request, messages: Sequence[Message], seed: int) -> dict[str, Any] | None:
    """The body's fields; None where the messages do not stand in it as they are."""
    try:
        fields = json.loads(request.body)
    except ValueError:
        return None
    said = [{"role": message.role, "content": message.content} for message in messages]
    if not isinstance(fields, dict) or fields.get("messages") != said or fields.get("stream"):
        return None
    return fields if fields.get("seed", seed) == seed else None


def _plain(content: bytes) -> Answer | None:
    try:
        answer = _ANSWER.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError):  # of what is no JSON, or has other types
        return None
    if not answer.choices or answer.error is not None:
        return None
    first = answer.choices[0]
    text = first.message.content
    usual = first.finish_reason in PLAIN_ENDS and bool(text.strip()) and not ("<" in text and THOUGHTS.search(text))
    return answer if usual else None


def _elsewhere(api_base: str, port: int) -> str:
    """The same address on our own port: litellm makes the same path of it."""
    return urlunsplit(urlsplit(api_base)._replace(netloc=f"127.0.0.1:{port}"))


def _by_proxy(host: str) -> bool:
    return "http" in getproxies() and not proxy_bypass(host)


def _said(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _session() -> "ClientSession":
    """Connections as many as requests: how many these may be is said elsewhere."""
    loop = asyncio.get_running_loop()
    if loop not in SESSIONS:
        import aiohttp  # noqa: PLC0415  as above

        SESSIONS[loop] = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=300),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent", "Accept"),
        )
    return SESSIONS[loop]
