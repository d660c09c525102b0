"""The chat server in a thread, with faults: first it answers a task as `state.faults[task]` says, word by word."""

import json
import threading
from collections import Counter
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from io import BytesIO

from tests.servers.threaded import Handler, State

HUGE = 50 * 2**20  # bytes
BODY = {"id": "x", "object": "chat.completion", "created": 1, "model": "m"}
USAGE = {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6}


def good(text="right"):
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return json.dumps(BODY | {"choices": [choice], "usage": USAGE}).encode()


def error(message):
    return json.dumps({"error": {"message": message, "type": "server_error"}}).encode()


# status, headers, body, and how much of the body is sent
FAULTS = {
    "429": (429, {"retry-after": "0.05"}, error("slow down"), 1.0),
    "500": (500, {}, error("down"), 1.0),
    "html": (502, {"content-type": "text/html"}, b"<html>bad gateway</html>", 1.0),
    "nothing": (200, {}, b"", 1.0),
    "garbage": (200, {}, b"\x00\x01{{{", 1.0),
    "cut": (200, {}, good(), 0.5),
    "other_json": (200, {}, b"[1, 2, 3]", 1.0),
    "bad_utf8": (200, {}, good("ri\u00e9ght").replace(b"\\u00e9", b"\xff\xfe"), 1.0),
    "latin1": (200, {"content-type": "application/json; charset=latin-1"}, good().replace(b"right", b"\xe9"), 1.0),
}
# Answers whose form is odd and whose content is good.
ODD = {
    "plain": (200, {"content-type": "text/plain"}, good(), 1.0),
    "octets": (200, {"content-type": "application/octet-stream"}, good(), 1.0),
    "huge": (200, {}, good("right " + "x" * HUGE), 1.0),
}


class FaultyHandler(Handler):
    def do_POST(self):  # noqa: N802  http.server's name
        state, connection = self.server.state, self.rfile
        body = connection.read(int(self.headers["content-length"]))
        task = next(
            (name for name, words in state.faults.items() if words and f"Task {name[1:]}.".encode() in body), ""
        )
        if not task:
            self.rfile = BytesIO(body)
            super().do_POST()
            self.rfile = connection
            return
        state.faced[task] += 1
        word = state.faults[task].pop(0)
        state.answered[task] += word in ODD
        if word in ("hang", "drip"):
            self.hang(word)
        else:
            self.send(*(FAULTS | ODD)[word])

    def send(self, status, headers, body, part):
        try:
            self.send_response(status)
            for name, value in {
                "content-type": "application/json",
                "content-length": str(len(body)),
                **headers,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body[: int(part * len(body))])
        except ConnectionError:
            self.close_connection = True
        if part < 1:
            self.close_connection = True

    def hang(self, word):
        """`drip` sends a byte now and then, so that no read times out."""
        self.send_response(200)
        self.send_header("content-length", "1000")
        self.end_headers()
        try:
            while not self.server.state.over.wait(0.2):
                if word == "drip":
                    self.wfile.write(b" ")
                    self.wfile.flush()
        except ConnectionError:
            pass
        self.close_connection = True


@contextmanager
def faulty():
    server = ThreadingHTTPServer(("127.0.0.1", 0), FaultyHandler)
    server.daemon_threads = True
    server.state = State(server.server_port, 0.0)
    server.state.faults, server.state.faced, server.state.over = {}, Counter(), threading.Event()
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield server.state
    finally:
        server.state.over.set()
        server.shutdown()
        server.server_close()
