"""One job in one container, from its files to its exit code; whatever ends it early ends the container."""

import time
from contextlib import suppress
from dataclasses import dataclass, field
from socket import SHUT_RDWR
from threading import Event
from typing import Any

from evalkit.adapters.docker_sandbox.client import not_found
from evalkit.adapters.docker_sandbox.container import CANDIDATE, Container
from evalkit.adapters.docker_sandbox.launch import BROKEN, MISSING, READY, archives, command, environment
from evalkit.adapters.docker_sandbox.lease import remove
from evalkit.adapters.docker_sandbox.stream import Stream
from evalkit.core.errors import SandboxError
from evalkit.core.ports import Execution, Job
from evalkit.run.watch import OUT_OF_MEMORY

TICK_S = 0.1  # how soon a cancelled job, or one out of memory, is noticed
LOOK_S = 0.4  # when first to ask whether a silent command has ended
SETTLE_S = 5.0  # for the engine to know the exit code of what has closed its output
HEARD_S = 1.0  # for the word on memory to arrive after the signal
KILLED = 137


@dataclass
class Attempt:
    """Runs in a thread of its own; `cancelled` may be set from any other."""

    job: Job
    container: Container
    image: str  # as it was asked for
    start_s: float  # for the engine to bring the command to its start
    cancelled: Event = field(default_factory=Event)

    def __post_init__(self) -> None:
        """Pack the files. Raises ValueError for a path that leaves the working folder."""
        self._lists, self._files = archives(self.job)
        self._stopped = ""

    def run(self, api: Any) -> Execution:
        """To the end or the limits. Raises SandboxError, and lets the SDK's own errors through."""
        argv = command(self.job, self._lists, self._files)
        given = environment(self.job)
        made = api.exec_create(self.container.id, argv, user=CANDIDATE, stdin=True, environment=given)["Id"]
        connection = api.exec_start(made, socket=True)
        socket = getattr(connection, "_sock", connection)  # the SDK wraps it, without a deadline for reading
        try:
            outgoing = self._lists + self._files + self.job.stdin.encode("utf-8", "surrogatepass")
            stream = Stream(socket, outgoing, self.job.limits.output_kb * 1024)
            self._until_started(api, made, stream)
            seconds = self._until_ended(api, made, stream)
        finally:
            with suppress(OSError):  # closed by the engine already
                socket.shutdown(SHUT_RDWR)  # the wrapper's close leaves the engine waiting for us to read on
            connection.close()
        if self._stopped:
            remove(api, self.container.id)
            return Execution(KILLED, stream.stdout, stream.stderr, seconds, self._stopped)
        code = self._exit_code(api, made)
        return Execution(code, stream.stdout, stream.stderr, seconds, self._memory(api, code, stream.stderr))

    def _until_started(self, api: Any, made: str, stream: Stream) -> None:
        """The clock does not run before the candidate does: a busy engine is not the candidate's fault."""
        late, going = time.monotonic() + self.start_s, True
        while going and stream.first_line is None and not self.cancelled.is_set():
            if time.monotonic() > late:
                raise SandboxError(f"the command did not start within {self.start_s:g} s; the engine is overloaded")
            going = stream.step(TICK_S)
        word, _, why = (stream.first_line or "").partition(" ")
        if word == MISSING:
            name = self.job.argv[0]
            raise SandboxError(f"the command {name!r} is not installed in the image {self.image!r}")
        if word == BROKEN:
            raise SandboxError(f"the image {self.image!r}: {why}")
        if word != READY and not self.cancelled.is_set():
            code = api.exec_inspect(made)["ExitCode"]
            said = (stream.stderr.strip() or stream.first_line or "nothing was said")[-300:]
            raise SandboxError(f"nothing started in the image {self.image!r} (exit code {code}; it needs sh): {said}")

    def _until_ended(self, api: Any, made: str, stream: Stream) -> float:
        began = time.monotonic()
        deadline, look = began + self.job.limits.seconds, LOOK_S
        while stream.step(min(TICK_S, max(0.0, deadline - time.monotonic()))):
            now = time.monotonic()
            if stream.full or self.cancelled.is_set() or self.container.starved.is_set():
                self._stopped = "output" if stream.full else "timeout" if self.cancelled.is_set() else "memory"
                break
            # Also what has ended may hold its output open, by a child that it left behind.
            if now > deadline or now > began + look:
                look *= 2
                if not api.exec_inspect(made)["Running"]:
                    while stream.step(0) and time.monotonic() < now + TICK_S:
                        pass
                    break
                if now > deadline:
                    self._stopped = "timeout"
                    break
        return time.monotonic() - began

    def _exit_code(self, api: Any, made: str) -> int:
        late = time.monotonic() + SETTLE_S
        while time.monotonic() < late:
            with suppress(not_found()):
                found = api.exec_inspect(made)
                if not found["Running"] and found["ExitCode"] is not None:
                    return int(found["ExitCode"])
            time.sleep(0.01)
        raise SandboxError("the engine lost the command: how it ended is not known")

    def _memory(self, api: Any, code: int, stderr: str) -> str:
        if code == 0:
            return "memory" if self.container.starved.is_set() else ""
        if OUT_OF_MEMORY.search(stderr[-2000:]):
            return "memory"
        if code != KILLED:
            return "memory" if self.container.starved.is_set() else ""
        if self.container.starved.wait(HEARD_S):
            return "memory"
        with suppress(not_found()):
            if api.inspect_container(self.container.id)["State"]["Running"]:
                return ""  # it has killed itself
        raise SandboxError("the container was ended from outside while the candidate ran")
