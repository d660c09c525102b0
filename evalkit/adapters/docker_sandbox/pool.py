"""Containers started ahead of need; each is handed out once and never again."""

import atexit
import threading
import time
from asyncio import CancelledError, shield, wrap_future
from collections import defaultdict, deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

from evalkit.adapters.docker_sandbox.container import Container, Shape, create
from evalkit.adapters.docker_sandbox.engine import Engine
from evalkit.adapters.docker_sandbox.lease import LABEL, remove
from evalkit.core.errors import SandboxError

SHAPES = 6  # kinds of containers that are kept ready at once


class Pool:
    """`ahead` containers of each shape ready, `at_once` starting at a time; they end after `lease_s` by themselves."""

    def __init__(self, engine: Engine, mark: str, *, ahead: int, at_once: int, lease_s: float) -> None:
        self._engine, self._mark, self._ahead, self._lease_s = engine, mark, ahead, lease_s
        self._starters = ThreadPoolExecutor(at_once, "evalkit-docker-start")
        self._removers = ThreadPoolExecutor(2, "evalkit-docker-remove")
        self._lock = threading.Lock()  # guards the two below
        self._ready: dict[Shape, deque[Future[Container]]] = defaultdict(deque)
        self._closed = False

    async def take(self, wanted: Shape, seconds: float) -> Container:
        """A container nobody had before, good for so many seconds. Raises SandboxError if none can be started."""
        while True:
            future, fresh = self._next(wanted, seconds)
            try:
                container = await shield(wrap_future(future))
            except CancelledError:
                future.add_done_callback(self._discard_started)
                raise
            except SandboxError:
                if fresh:
                    raise
                continue  # what failed ahead of need is tried again now that there is need
            if fresh or container.lasts(seconds):
                return container
            self.discard(container)

    def refill(self, wanted: Shape, seconds: float) -> None:
        """Start what is missing. Called when a job has ended, so that it did not share its processors with this."""
        with self._lock, suppress(RuntimeError):  # closed meanwhile
            ready = self._ready.get(wanted)
            while not self._closed and ready is not None and len(ready) < self._ahead:
                ready.append(self._starters.submit(self._start, wanted, seconds))

    def discard(self, container: Container) -> None:
        """End and remove it, without waiting."""
        self._engine.forget(container.id)
        with suppress(RuntimeError):  # closed meanwhile: `close` removes what is left
            self._removers.submit(self._remove, container.id)

    def close(self) -> None:
        """Remove every container; blocks until they are gone. Again changes nothing."""
        atexit.unregister(self.close)
        with self._lock:
            was, self._closed = self._closed, True
            self._ready.clear()
        if was:
            return
        self._starters.shutdown(cancel_futures=True)
        self._removers.shutdown()
        with suppress(SandboxError), self._engine.asked("removing containers") as api:
            for one in api.containers(all=True, filters={"label": f"{LABEL}={self._mark}"}):
                remove(api, one["Id"])

    def _next(self, wanted: Shape, seconds: float) -> tuple[Future[Container], bool]:
        """The next one ready, or one that is started now: always for a tree, whose folder may be another's soon."""
        with self._lock:
            if self._closed:
                raise SandboxError("the docker sandbox is closed")
            if wanted.tree:
                return self._starters.submit(self._start, wanted, seconds), True
            ready = self._ready[wanted] = self._ready.pop(wanted, deque())  # the last used is last
            future = ready.popleft() if ready else None
            fresh = future is None
            if future is None:
                future = self._starters.submit(self._start, wanted, seconds)
            while len(self._ready) > SHAPES:
                for old in self._ready.pop(next(iter(self._ready))):
                    old.add_done_callback(self._discard_started)
        return future, fresh

    def _start(self, wanted: Shape, seconds: float) -> Container:
        atexit.register(self.close)  # again changes nothing but the order
        life = self._lease_s + seconds
        with self._engine.asked("starting a container") as api:
            name = create(api, wanted, self._mark, life)
            container = Container(name, time.monotonic() + life, self._engine.listen(name))
            try:
                api.start(name)
            except BaseException:
                self._engine.forget(name)
                with suppress(Exception):
                    remove(api, name)
                raise
        return container

    def _discard_started(self, future: "Future[Container]") -> None:
        if not future.cancelled() and future.exception() is None:
            self.discard(future.result())

    def _remove(self, name: str) -> None:
        with suppress(SandboxError), self._engine.asked("removing a container") as api:
            remove(api, name)
