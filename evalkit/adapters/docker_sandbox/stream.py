"""What goes to and fro between us and a command in a container, over the connection that the engine hands over."""

import select
import socket
from contextlib import suppress

CHUNK = 65536
HEAD = 8  # bytes before each piece: which stream, three of nothing, and the length in four
STDOUT = 1


class Stream:
    """Sends `outgoing`, then its end; keeps `cap` bytes of stdout and of stderr, after stdout's first line."""

    def __init__(self, connection: socket.socket, outgoing: bytes, cap: int) -> None:
        self._socket, self._outgoing, self._cap = connection, memoryview(outgoing), cap
        self._socket.settimeout(0)
        self._poll = select.poll()
        self._poll.register(connection, select.POLLIN | select.POLLOUT)
        self._head, self._left, self._which = b"", 0, STDOUT
        self._kept = {True: bytearray(), False: bytearray()}  # stdout, stderr
        self._first = bytearray()
        self.first_line: str | None = None
        self.full = False

    @property
    def stdout(self) -> str:
        """What the job wrote, up to the cap."""
        return self._kept[True][: self._cap].decode("utf-8", "replace")

    @property
    def stderr(self) -> str:
        """As above."""
        return self._kept[False][: self._cap].decode("utf-8", "replace")

    def step(self, seconds: float) -> bool:
        """Wait so long for anything to be sent or received, and do it; False once the other side has closed."""
        for _, what in self._poll.poll(seconds * 1000):
            if what & select.POLLOUT:
                self._send()
            if what & ~select.POLLOUT:
                return self._receive()
        return True

    def _send(self) -> None:
        try:
            self._outgoing = self._outgoing[self._socket.send(self._outgoing[:CHUNK]) :]
        except (BrokenPipeError, ConnectionResetError):  # it need not read what it is given
            self._outgoing = self._outgoing[:0]
        if not self._outgoing:
            self._poll.modify(self._socket, select.POLLIN)
            with suppress(OSError):  # closed by the other side already
                self._socket.shutdown(socket.SHUT_WR)

    def _receive(self) -> bool:
        try:
            data = memoryview(self._socket.recv(CHUNK))
        except ConnectionResetError:  # whether the command has ended well is asked elsewhere
            return False
        whole = bool(data)
        while data:
            data = self._piece(data) if self._left else self._next(data)
        return whole

    def _next(self, data: memoryview) -> memoryview:
        more = HEAD - len(self._head)
        self._head += bytes(data[:more])
        if len(self._head) == HEAD:
            self._which, self._left, self._head = self._head[0], int.from_bytes(self._head[4:], "big"), b""
        return data[more:]

    def _piece(self, data: memoryview) -> memoryview:
        piece, rest = data[: self._left], data[self._left :]
        self._left -= len(piece)
        self._keep(bytes(piece))
        return rest

    def _keep(self, piece: bytes) -> None:
        if self._which == STDOUT and self.first_line is None:
            self._first += piece
            line, end, piece = bytes(self._first).partition(b"\n")
            if not end:
                return
            self.first_line = line.decode("utf-8", "replace")
        kept = self._kept[self._which == STDOUT]
        kept += piece[: self._cap - len(kept) + 1]
        self.full = self.full or len(kept) > self._cap
