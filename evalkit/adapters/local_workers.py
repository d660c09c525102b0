"""Workers on this machine: processes of this Python, each at the other end of a pair of sockets."""

import asyncio
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass


@dataclass(frozen=True)
class LocalProcess:
    """A worker's process."""

    process: asyncio.subprocess.Process

    async def ended(self) -> str:
        """Wait until it is gone; how it ended, in a few words."""
        code = await self.process.wait()
        if code >= 0:
            return f"it exited with code {code}"
        name = signal.Signals(-code).name
        return f"killed by {name}" + (" (perhaps for want of memory)" if name == "SIGKILL" else "")

    def kill(self) -> None:
        """End it at once."""
        with suppress(ProcessLookupError):
            self.process.kill()


@dataclass(frozen=True)
class LocalWorkers:
    """Starts `python -m MODULE DESCRIPTOR`. What a worker prints goes to stderr: stdout is the run's."""

    module: str

    async def join(self) -> None:
        """Processes can always be."""

    async def start(self, number: int, link: asyncio.Protocol) -> LocalProcess:  # noqa: ARG002  they are all alike
        """Start a worker, and connect `link` with it."""
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                self.module,
                str(theirs.fileno()),
                pass_fds=[theirs.fileno()],
                stdin=asyncio.subprocess.DEVNULL,
                stdout=2,
                process_group=0,  # a terminal's Ctrl-C is for the run, which tells its workers
            )
        await asyncio.get_running_loop().create_connection(lambda: link, sock=ours)
        return LocalProcess(process)

    async def close(self) -> None:
        """Nothing is held but the workers themselves."""
