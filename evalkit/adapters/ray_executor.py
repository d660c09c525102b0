"""Workers on a Ray cluster: Ray places and starts them, and each then calls back over a socket of its own."""

import asyncio
import hmac
import importlib
import logging
import os
import secrets
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from evalkit.core.errors import ConfigError

NONCE, IDENT, DIGEST = 16, 8, 32  # bytes
GREETING_S = 10.0
MISSING = "limits.over=ray needs Ray, which is not installed: pip install 'evalkit[ray]'"
NO_CLUSTER = (
    "limits.over=ray finds no Ray cluster. Start one (`ray start --head`, on further machines "
    "`ray start --address=HOST:6379`), or name it in RAY_ADDRESS"
)


@dataclass(frozen=True)
class Errand:
    """What a worker is sent with: whom to call back, as whom, and where to work."""

    module: str
    address: tuple[str, int]
    secret: bytes
    ident: bytes
    environment: Mapping[str, str]
    folder: str


@dataclass(frozen=True)
class RayTask:
    """A worker as Ray knows it."""

    ray: Any
    reference: Any
    done: "asyncio.Future[Any]"

    async def ended(self) -> str:
        """Wait until it is gone; how it ended, in a few words."""
        try:
            code = await asyncio.shield(self.done)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001  whatever Ray says of it
            return _short(error)
        return f"it exited with code {code}"

    def kill(self) -> None:
        """End it at once."""
        self.ray.cancel(self.reference, force=True)


class RayWorkers:
    """Starts `serve` of `module` on the cluster's nodes, one CPU each, spread over them.

    `environment` and `folder` are what workers there are to work in: the nodes must see the same files. What goes over
    the sockets is as open as Ray's own traffic; who does not know the run's secret is not let in.
    """

    def __init__(self, module: str, environment: Mapping[str, str], folder: str) -> None:
        self._module, self._environment, self._folder = module, dict(environment), folder
        self._secret = secrets.token_bytes(DIGEST)
        self._ray: Any = None
        self._remote: Any = None
        self._is_ours = False
        self._listening: socket.socket | None = None
        self._host = ""
        self._greeting: asyncio.Task[None] | None = None
        self._expected: dict[bytes, asyncio.Future[socket.socket]] = {}
        self._joining = asyncio.Lock()

    async def join(self) -> None:
        """Connect with the cluster, once. Raises ConfigError where there is none."""
        async with self._joining:
            if self._ray is None:
                self._ray = await asyncio.to_thread(self._connected)
                self._host = self._ray.util.get_node_ip_address()
                self._listening = socket.create_server((self._host, 0))
                self._listening.setblocking(False)  # noqa: FBT003  the standard library's own signature
                self._greeting = asyncio.get_running_loop().create_task(self._greet(self._listening))

    async def start(self, number: int, link: asyncio.Protocol) -> RayTask:  # noqa: ARG002  Ray places them
        """Start a worker wherever there is a CPU free, and connect `link` with it. Raises ConfigError."""
        await self.join()
        loop = asyncio.get_running_loop()
        while True:
            ident = secrets.token_bytes(IDENT)
            caller = self._expected[ident] = loop.create_future()
            task = self._submitted(ident)
            try:
                await asyncio.wait({caller, task.done}, return_when=asyncio.FIRST_COMPLETED)
                if caller.done():
                    await loop.connect_accepted_socket(lambda: link, caller.result())
                    return task
            except asyncio.CancelledError:
                task.kill()
                raise
            finally:
                del self._expected[ident]
            error = task.done.exception()
            if error is None or isinstance(error, self._ray.exceptions.RayTaskError):
                raise ConfigError(f"a worker on Ray did not begin: {_short(error) if error else 'it ended at once'}")

    async def close(self) -> None:
        """Leave the cluster."""
        if self._greeting is not None:
            self._greeting.cancel()
        if self._listening is not None:
            self._listening.close()
        if self._is_ours:
            await asyncio.to_thread(self._ray.shutdown)
            self._is_ours = False

    async def check(self) -> str:
        """Which nodes there are, with how many CPUs. Raises ConfigError where there is no cluster."""
        await self.join()
        nodes = [node for node in self._ray.nodes() if node["Alive"]]
        free = self._ray.cluster_resources().get("CPU", 0.0)
        return f"Ray {self._ray.__version__}, {len(nodes)} nodes, {free:.0f} CPUs"

    def _connected(self) -> Any:
        try:
            import ray  # noqa: PLC0415  an extra, and slow to load
        except ImportError:
            raise ConfigError(MISSING) from None
        if not ray.is_initialized():
            try:
                ray.init(address="auto", log_to_driver=False, logging_level=logging.ERROR)
            except (ConnectionError, RuntimeError, ValueError) as error:
                raise ConfigError(f"{NO_CLUSTER} ({_short(error)})") from error
            self._is_ours = True
        return ray

    def _submitted(self, ident: bytes) -> RayTask:
        assert self._listening is not None
        address = self._host, self._listening.getsockname()[1]
        errand = Errand(self._module, address, self._secret, ident, self._environment, self._folder)
        if self._remote is None:  # one for all: Ray spreads the calls of one function
            self._remote = self._ray.remote(num_cpus=1, max_retries=0, scheduling_strategy="SPREAD")(climb)
        reference = self._remote.remote(errand)
        return RayTask(self._ray, reference, asyncio.wrap_future(reference.future()))

    async def _greet(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as greetings:
            while True:
                end, _ = await loop.sock_accept(listening)
                greetings.create_task(self._let_in(end))

    async def _let_in(self, end: socket.socket) -> None:
        """Hand the socket to who waits for this worker; hang up on anybody else."""
        loop, nonce = asyncio.get_running_loop(), secrets.token_bytes(NONCE)
        said = b""
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(GREETING_S):
                await loop.sock_sendall(end, nonce)
                while len(said) < IDENT + DIGEST and (piece := await loop.sock_recv(end, IDENT + DIGEST - len(said))):
                    said += piece
        ident, proof = said[:IDENT], said[IDENT:]
        waiting = self._expected.get(ident)
        if waiting is None or waiting.done() or not hmac.compare_digest(proof, _proof(self._secret, nonce, ident)):
            end.close()
            return
        waiting.set_result(end)


def climb(errand: Errand) -> int:
    """What Ray runs on a node: call the run back, and climb for it until it hangs up."""
    os.environ.update(errand.environment)
    with suppress(OSError):  # only relative paths need it
        os.chdir(errand.folder)
    end = socket.create_connection(errand.address, timeout=GREETING_S)
    nonce = b""
    while len(nonce) < NONCE and (piece := end.recv(NONCE - len(nonce))):
        nonce += piece
    end.sendall(errand.ident + _proof(errand.secret, nonce, errand.ident))
    end.settimeout(0)
    return int(asyncio.run(importlib.import_module(errand.module).serve(end)))


def _proof(secret: bytes, nonce: bytes, ident: bytes) -> bytes:
    return hmac.digest(secret, nonce + ident, "sha256")


def _short(error: BaseException) -> str:
    """The last line that says something: Ray's errors hold whole tracebacks."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[-1] if lines else ''}"[:300]
