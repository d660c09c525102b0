"""The container engine: one client, calls behind a circuit breaker, and its word on who ran out of memory."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from evalkit.adapters.docker_sandbox.breaker import Breaker
from evalkit.adapters.docker_sandbox.client import HELP, EngineAwayError, connect, translated
from evalkit.core.errors import SandboxError

PROBE_S = 5.0
HEARD_AGAIN_S = 5


class Engine:
    """Used from many threads. `mark` is the label that the containers to listen for carry."""

    def __init__(self, timeout_s: float, threads: int, mark: str) -> None:
        self._timeout_s, self._threads, self._mark = timeout_s, threads, mark
        self._breaker = Breaker()
        self._lock = threading.Lock()  # guards the client's making and the listening's start
        self._api: Any = None
        self._events: Any = None
        self._listening = False
        self._starved: dict[str, threading.Event] = {}

    @contextmanager
    def asked(self, what: str) -> Iterator[Any]:
        """The client, for one piece of work. Raises EngineAwayError where it does not answer, soon if for long."""
        self._admit(what)
        try:
            with translated(what):
                yield self._client()
        except EngineAwayError as error:
            self._breaker.failed(time.monotonic(), str(error))
            raise
        except SandboxError:
            self._breaker.worked()  # it answered, if not as we liked
            raise
        self._breaker.worked()

    def listen(self, container: str) -> threading.Event:
        """Set once the engine says that a process of the container was ended for want of memory."""
        heard = self._starved[container] = threading.Event()
        with self._lock:
            if not self._listening:
                self._listening = True
                threading.Thread(target=self._hear, name="evalkit-docker-events", daemon=True).start()
        return heard

    def forget(self, container: str) -> None:
        """No longer listen for it."""
        self._starved.pop(container, None)

    def close(self) -> None:
        """Stop listening and let go of connections; again changes nothing."""
        with self._lock:
            self._listening, events, api, self._api = False, self._events, self._api, None
        with suppress(Exception):  # what is being closed may say anything
            if events is not None:
                events.close()
            if api is not None:
                api.close()

    def _admit(self, what: str) -> None:
        answer = self._breaker.admits(time.monotonic())
        if answer == "probe":
            try:
                with translated("asking whether it is there again"):
                    connect(PROBE_S).ping()
            except EngineAwayError as error:
                self._breaker.failed(time.monotonic(), str(error))
                raise
        elif answer == "no":
            raise EngineAwayError(f"{what}: the container engine has stopped answering ({self._breaker.why})")

    def _client(self) -> Any:
        with self._lock:
            if self._api is None:
                self._api = connect(self._timeout_s, self._threads)
            return self._api

    def _hear(self) -> None:
        """In a thread of its own: a connection that breaks is opened again, for as long as we are wanted."""
        while self._listening:
            with suppress(SandboxError), translated("listening"):
                api = connect(self._timeout_s)
                # From a little earlier, so that nothing is missed where the connection broke.
                since = int(time.time()) - HEARD_AGAIN_S
                self._events = api.events(since, filters={"label": self._mark, "event": ["oom"]}, decode=True)
                for event in self._events:
                    if (heard := self._starved.get(event.get("id", ""))) is not None:
                        heard.set()
            if self._listening:
                time.sleep(1)


__all__ = ["HELP", "Engine"]
