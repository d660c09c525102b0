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
        if state.quota_s:
            state.quota_until, state.quota_s = time.time() + state.quota_s, 0.0
        if (left := state.quota_until - time.time()) > 0:
            error = {"message": "You exceeded your current quota", "code": "insufficient_quota"}
            return self.reply(429, {"error": error}, {"retry-after": f"{left:.2f}"} if state.states_reset else {})
        if task in state.broken:
            return self.reply(500, {"error": {"message": state.says, "type": "server_error"}})
        state.answered[task] += 1
        content = state.texts.get(task, "right")
        message = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
        prompt, answer = state.usage
        usage = {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer}
        return self.reply(
            200,
            {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [message], "usage": usage},
        )

    def reply(self, status, body, headers=()):
        data = json.dumps(body).encode()
        try:
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            for name, value in dict(headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)
        except ConnectionError:
            self.close_connection = True  # the client was killed: what these tests are about

    def log_message(self, *_):
        return None


class State:
    """What the server does and what it saw: `answered` by task, the authorization headers as `keys`.

    `texts` are answers by task, where they are not "right"; `usage` are the tokens of each prompt and answer.

    Until `quota_until` (time.time), or for `quota_s` from the next request on, the quota is used up; `states_reset`:
    and it says until when.

    Tasks in `hold` wait until they are taken out of it; `held` says which did.
    """

    def __init__(self, port, latency_s):
        self.port, self.url, self.latency_s = port, f"http://127.0.0.1:{port}", latency_s
        self.answered, self.broken, self.keys, self.says = Counter(), set(), set(), "down"
        self.hold, self.held = set(), set()
        self.texts, self.usage = {}, (5, 1)
        self.quota_s, self.quota_until, self.states_reset = 0.0, 0.0, True


@contextmanager
def serving(latency_s=0.0):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.state = State(server.server_port, latency_s)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.state
    finally:
        server.shutdown()
        server.server_close()
