"""A small chat server that misbehaves as asked: real sockets, OpenAI's, Ollama's and Anthropic's paths.

The model's name is the script: words joined by `,`, one a request, the last repeats: `500,ok` fails once. A word
may carry a value: `429:0.05` asks for a wait of 0.05 seconds.
"""

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, Self

Reply = tuple[int, dict[str, str], bytes]


@dataclass
class MisbehavingServer:
    """`requests` counts what arrived by model; `headers` and `bodies` keep what came with it, in order."""

    requests: Counter[str] = field(default_factory=Counter)
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    port: int = 0
    _serving: set[asyncio.Task[Any]] = field(default_factory=set)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client left, or the test is over
        finally:
            self._serving.discard(task)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; whether the connection stays open."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:] if line)}
        raw = await reader.readexactly(int(headers.get("content-length", 0)))
        path = head[0].split(" ")[1]
        if path == "/api/tags":
            return await _send(writer, 200, {}, _json({"models": [{"name": "here:latest"}]}))
        body = json.loads(raw)
        script = body["model"]
        words = script.split(",")
        word = words[min(self.requests[script], len(words) - 1)]
        self.requests[script] += 1
        self.headers.append(headers)
        self.bodies.append(body)
        return await self._behave(word, path, headers, writer)

    async def _behave(self, word: str, path: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> bool:
        kind, _, value = word.partition(":")
        good = _json(_answer(path, kind))
        if kind == "hang":
            await asyncio.sleep(float(value or 30))
            return False
        if kind == "drip":
            return await _drip(writer, good, float(value or 30))
        if kind == "cut":
            await _send(writer, 200, {}, good[:40], length=len(good))
            return False
        if kind == "reset":
            writer.transport.abort()
            return False
        if kind == "echo-key":
            return await _send(writer, 401, {}, _error(f"bad key: {headers.get('authorization')}"))
        status, extra, content = ERRORS[kind](value) if kind in ERRORS else (200, {}, good)
        return await _send(writer, status, extra, content)


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _error(message: str, kind: str = "", code: str | None = None) -> bytes:
    return _json({"error": {"message": message, "type": kind or "invalid_request_error", "code": code}})


def _answer(path: str, kind: str) -> dict[str, Any]:
    """The body of a good answer, or of one that is good HTTP with something missing."""
    texts = {
        "empty": "",
        "blank": " \n ",
        "null": None,
        "thinking": "",
        "filtered": "",
        "thoughts": "<think>hm</think>hello",
    }
    text = texts.get(kind, "hello")
    finish = {"filtered": "content_filter", "length": "length"}.get(kind, "stop")
    if path == "/api/chat":
        message = {"role": "assistant", "content": text or ""}
        counts = {"prompt_eval_count": 7, "eval_count": 3}
        return {"model": "m", "message": message, "done": True, "done_reason": finish, **counts}
    if path.endswith("/messages"):
        usage = {"input_tokens": 7, "output_tokens": 3}
        if kind == "cached":
            usage = {"input_tokens": 2, "cache_read_input_tokens": 5, "output_tokens": 3}
        content = [{"type": "text", "text": text or ""}]
        base = {"id": "x", "type": "message", "role": "assistant", "model": "m-2026"}
        return {**base, "content": content, "stop_reason": "end_turn", "stop_sequence": None, "usage": usage}
    message = {"role": "assistant", "content": text}
    if kind == "thinking":
        message["reasoning_content"] = "hm"
    if kind == "refusal":
        message |= {"content": None, "refusal": "I cannot help with that."}
    choices = [] if kind == "nochoices" else [{"index": 0, "message": message, "finish_reason": finish}]
    usage: dict[str, Any] = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    if kind == "cached":
        usage["prompt_tokens_details"] = {"cached_tokens": 5}
    base = {"id": "x", "object": "chat.completion", "created": 1, "model": "m-2026", "choices": choices}
    return base if kind == "nousage" else {**base, "usage": usage}


def _date(seconds: str) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=float(seconds)), usegmt=True)


ERRORS: dict[str, Any] = {
    "429": lambda s: (429, {"Retry-After": s} if s else {}, _error("Rate limit reached", "requests")),
    "429ms": lambda s: (429, {"retry-after-ms": s}, _error("Rate limit reached", "requests")),
    "429date": lambda s: (429, {"Retry-After": _date(s)}, _error("Rate limit reached", "requests")),
    "quota": lambda _: (
        429,
        {},
        _error("You exceeded your current quota, please check your plan.", "insufficient_quota", "insufficient_quota"),
    ),
    "500": lambda _: (500, {}, _error("The server had an error", "server_error")),
    "503": lambda _: (503, {}, b"<html>upstream unavailable</html>"),
    "401": lambda _: (401, {}, _error("Incorrect API key provided", code="invalid_api_key")),
    "403": lambda _: (403, {}, _error("forbidden")),
    "403sub": lambda _: (403, {}, _error("this model requires a subscription, upgrade for access")),
    "402": lambda _: (402, {}, _error("this model requires a subscription")),
    "402credit": lambda _: (402, {}, _error("Insufficient credits. Add more to continue.")),
    "404": lambda _: (404, {}, _error("The model `x` does not exist", code="model_not_found")),
    "404ollama": lambda _: (404, {}, _json({"error": "model 'x' not found, try pulling it first"})),
    "404path": lambda _: (404, {}, b"404 page not found"),
    "context": lambda _: (
        400,
        {},
        _error("This model's maximum context length is 8192 tokens. Reduce it.", code="context_length_exceeded"),
    ),
    "contextllama": lambda _: (
        400,
        {},
        _error("the request exceeds the available context size, try increasing it", "exceed_context_size_error"),
    ),
    "policy": lambda _: (
        400,
        {},
        _error("The response was filtered due to the content management policy", code="content_filter"),
    ),
    "400": lambda _: (400, {}, _error("'temperature' must be below 2")),
    "422": lambda _: (422, {}, _error("field required")),
    "nobody": lambda _: (200, {}, b""),
    "garbage": lambda _: (200, {"Content-Type": "text/html"}, b"<html>upstream said hello</html>"),
    "notchat": lambda _: (200, {}, b'{"status": "ok"}'),
    "error200": lambda _: (200, {}, _error("upstream overloaded", "server_error")),
}


async def _send(
    writer: asyncio.StreamWriter, status: int, extra: dict[str, str], content: bytes, length: int | None = None
) -> bool:
    headers = {"Content-Type": "application/json", "Content-Length": str(length or len(content)), **extra}
    lines = "".join(f"{key}: {value}\r\n" for key, value in headers.items())
    writer.write(f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode() + content)
    await writer.drain()
    return True


async def _drip(writer: asyncio.StreamWriter, content: bytes, seconds: float) -> bool:
    """A byte at a time, so that no read ever times out."""
    writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(content)}\r\n\r\n".encode())
    for number in range(len(content)):
        writer.write(content[number : number + 1])
        await writer.drain()
        await asyncio.sleep(seconds / len(content))
    return False
