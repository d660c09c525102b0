"""A server of our own on the loopback: answers all that comes as it was told to, and keeps what it was sent."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

OURS = {"content-length", "content-encoding", "transfer-encoding", "connection", "keep-alive", "date"}


@dataclass(frozen=True, slots=True)
class Request:
    """What was sent; header names in small letters."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Loopback:
    """Where it listens, and what came there."""

    port: int = 0
    came: list[Request] = field(default_factory=list)


@asynccontextmanager
async def answering(status: int, headers: Mapping[str, str], content: bytes) -> AsyncIterator[Loopback]:
    """The server, until the block ends. Each answer ends its connection."""
    loopback = Loopback()
    answer = _answer(status, headers, content)

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            loopback.came.append(await _request(reader))
            writer.write(answer)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass  # whoever asked has left
        finally:
            writer.close()

    server = await asyncio.start_server(one, "127.0.0.1", 0)
    loopback.port = server.sockets[0].getsockname()[1]
    try:
        yield loopback
    finally:
        server.close()


async def _request(reader: asyncio.StreamReader) -> Request:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines if line)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(first.split(" ")[1], headers, body)


def _answer(status: int, headers: Mapping[str, str], content: bytes) -> bytes:
    kept = {name: value for name, value in headers.items() if name.lower() not in OURS}
    lines = [f"{name}: {value}" for name, value in kept.items()]
    lines += [f"Content-Length: {len(content)}", "Connection: close", "", ""]
    return f"HTTP/1.1 {status} X\r\n".encode() + "\r\n".join(lines).encode("latin-1", "replace") + content
