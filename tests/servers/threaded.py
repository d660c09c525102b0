"""A chat server in a thread, for tests whose client is another process: answers "right", or 500 for some tasks."""

import json
import re
import threading
import time
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        state = self.server.state
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        said = "\n".join(message["content"] for message in reversed(body["messages"]))
        task = "i" + re.search(r"Task (\d+)\.", said)[1]
        state.keys.add(self.headers["authorization"])
        time.sleep(state.latency_s)
        while task in state.hold:
            state.held.add(task)
            time.sleep(0.02)
        if task in state.broken:
            return self.reply(500, {"error": {"message": state.says, "type": "server_error"}})
        state.answered[task] += 1
        content = state.texts.get(task, "right")
        message = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6}
        return self.reply(
            200,
            {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [message], "usage": usage},
        )

    def reply(self, status, body):
        data = json.dumps(body).encode()
        try:
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        except ConnectionError:
            self.close_connection = True  # the client was killed: what these tests are about

    def log_message(self, *_):
        return None


class State:
    """What the server does and what it saw: `answered` by task, the authorization headers as `keys`.

    `texts` are answers by task, where they are not "right".

    Tasks in `hold` wait until they are taken out of it; `held` says which did.
    """

    def __init__(self, url, latency_s):
        self.url, self.latency_s = url, latency_s
        self.answered, self.broken, self.keys, self.says = Counter(), set(), set(), "down"
        self.hold, self.held = set(), set()
        self.texts = {}


@contextmanager
def serving(latency_s=0.0):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.state = State(f"http://127.0.0.1:{server.server_port}", latency_s)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.state
    finally:
        server.shutdown()
        server.server_close()
