"""The way to a local server: it can be cut and mended, or pass nothing on for a while, as networks do."""

import contextlib
import socket
import threading
import time


class Wire:
    """Passes on what comes to its own port to the server's `port`, and what the server says.

    While `frozen` is set it takes connections and passes nothing on. `slow_s` is how long each piece takes.
    """

    def __init__(self, port, slow_s=0.0):
        self._to, self.slow_s, self.frozen = port, slow_s, threading.Event()
        self._open, self._listener = set(), None
        self.port = 0
        self.mend()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def mend(self):
        """Take connections, at the same port as before."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self):
        """Break every connection and take no new one."""
        for one in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._open.clear()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.frozen.clear()
        self.cut()

    def _accept(self, listener):
        with contextlib.suppress(OSError):
            while True:
                ours, _ = listener.accept()
                theirs = socket.create_connection(("127.0.0.1", self._to))
                self._open |= {ours, theirs}
                for source, sink in ((ours, theirs), (theirs, ours)):
                    threading.Thread(target=self._pass, args=(source, sink), daemon=True).start()

    def _pass(self, source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                while self.frozen.is_set():
                    time.sleep(0.01)
                time.sleep(self.slow_s)
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
