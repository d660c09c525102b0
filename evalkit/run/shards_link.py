"""Messages over a socket: what is sent in one turn of the event loop goes out as one write."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec

HEAD = 4  # bytes: a frame's length, big-endian
PIECE = 1 << 18
SILENCE_S = 10  # of another machine, after which it is taken for dead


class Link(asyncio.Protocol):
    """One end. `heard` is called with each message, `lost` once, when the other end is gone and all of it was heard.

    Used from the event loop's thread only. A message of another shape than `kind` ends the connection.
    """

    def __init__(self, kind: Any, heard: Callable[[Any], None], lost: Callable[[], None]) -> None:
        self._decoder = msgspec.msgpack.Decoder(kind)
        self._encoder = msgspec.msgpack.Encoder()
        self._heard, self._lost = heard, lost
        self._transport: asyncio.Transport | None = None
        self._behind: socket.socket | None = None
        self._read = bytearray()
        self._waiting: list[bytes] = []
        self.is_lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        # A write to an end that has died ends the transport, with what that end had sent before still unread.
        if (end := transport.get_extra_info("socket")) is not None:
            self._behind = socket.socket(fileno=socket.dup(end.fileno()))
            if end.family != socket.AF_UNIX:
                _watch(self._behind)
        self._flush()

    def send(self, message: msgspec.Struct) -> None:
        """Have it sent; to an end that is gone, nothing is."""
        if self.is_lost:
            return
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._flush)
        data = self._encoder.encode(message)
        self._waiting += (len(data).to_bytes(HEAD, "big"), data)

    def close(self) -> None:
        """Hang up, after what was sent."""
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Hang up at once."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        self._read += data
        start = 0
        try:
            while len(self._read) - start >= HEAD:
                end = start + HEAD + int.from_bytes(self._read[start : start + HEAD], "big")
                if len(self._read) < end:
                    break
                frame = bytes(self._read[start + HEAD : end])
                start = end
                self._heard(self._decoder.decode(frame))
        finally:  # no message is heard twice, whatever hearing it did
            del self._read[:start]

    def connection_lost(self, _: Exception | None) -> None:
        """Called by asyncio."""
        if self.is_lost:
            return
        self.is_lost = True
        self._waiting.clear()
        if self._behind is not None:
            self._drain(self._behind)
        self._lost()

    def _drain(self, behind: socket.socket) -> None:
        """Hear what was sent before the end came."""
        with behind, suppress(OSError):
            behind.settimeout(0)
            while piece := behind.recv(PIECE):
                self.data_received(piece)

    def _flush(self) -> None:
        if self._transport is not None and self._waiting and not self._transport.is_closing():
            data, self._waiting = b"".join(self._waiting), []
            self._transport.write(data)


def _watch(end: socket.socket) -> None:
    """Have the system notice a machine that is gone without a word."""
    end.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 4), ("TCP_KEEPINTVL", 2), ("TCP_KEEPCNT", 3)):
        if (number := getattr(socket, option, None)) is not None:
            end.setsockopt(socket.IPPROTO_TCP, number, value)
    if (number := getattr(socket, "TCP_USER_TIMEOUT", None)) is not None:
        end.setsockopt(socket.IPPROTO_TCP, number, SILENCE_S * 1000)
    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
