"""A worker's process: `python -m evalkit.cli.execute_sharded_worker DESCRIPTOR`; runs start it, nobody else."""

import asyncio
import os
import signal
import socket
import sys
import traceback
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from evalkit.core.concurrency import Bounds
from evalkit.core.errors import ConfigError, EvalkitError
from evalkit.core.shards import share
from evalkit.run import shards_messages as say
from evalkit.run.climbed import Climb
from evalkit.run.evaluate import first_error
from evalkit.run.preflight import preflight
from evalkit.run.shards_link import Link
from evalkit.run.shards_throttle import SharedThrottles
from evalkit.run.shards_worker import ShardJournal, Shared, Worker
from evalkit.settings import read
from evalkit.wiring import Wired

CLOSING_S = 5.0


def main(descriptor: str) -> int:
    """Climb for the run at the other end of the socket, until it hangs up."""
    for one in (signal.SIGINT, signal.SIGTERM):  # the run's to heed; not SIG_IGN, which sandboxes would inherit
        signal.signal(one, lambda *_: None)
    return asyncio.run(serve(socket.socket(fileno=int(descriptor))))


async def serve(end: socket.socket) -> int:
    """The same for a socket that is connected; 0, or 1 where this worker could not go on."""
    service = _Service()
    await asyncio.get_running_loop().create_connection(lambda: service.link, sock=end)
    working = asyncio.create_task(service.work())
    going = asyncio.create_task(service.gone.wait())
    await asyncio.wait({working, going}, return_when=asyncio.FIRST_COMPLETED)
    code = 0
    if working.done() and not working.cancelled() and (error := working.exception()) is not None:
        service.link.send(say.Broken(_told(error)))
        code = 1
    working.cancel()
    going.cancel()
    service.link.close()
    with suppress(asyncio.CancelledError, Exception):
        await working
    with suppress(TimeoutError):
        async with asyncio.timeout(CLOSING_S):
            await service.close()
    return code


class _Service:
    """What the run says first, and the worker that hears the rest."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.link = Link(say.Down, self._heard, self._lost)
        self.gone = asyncio.Event()
        self._setup: asyncio.Future[say.Setup] = loop.create_future()
        self._begin: asyncio.Future[say.Begin] = loop.create_future()
        self._worker: Worker | None = None
        self._wired: Wired | None = None

    async def work(self) -> None:
        setup = await self._setup
        wired = self._wired = _wired(setup, self.link.send)
        self.link.send(say.Ready(wired.key, f"process {os.getpid()} on {socket.gethostname()}"))
        instances = {one.id: one for one in wired.instances}
        worker = self._worker = Worker(self.link.send, setup, instances)
        wired.within(worker.graders)
        for model in wired.models.values():
            if (prepare := getattr(model, "prepare", None)) is not None:
                await prepare()
        await _look(wired, await self._begin)
        journal = ShardJournal(say.Job(0, "", 0), worker)  # each climb has its own
        settings = wired.settings
        climb = Climb(settings.ladder, settings.max_attempts, wired.models, wired.strategy, wired.verifier, journal)
        concurrency = share(wired.concurrency, setup.number, setup.count)
        throttles = wired.throttles if isinstance(wired.throttles, SharedThrottles) else None
        await worker.run(climb, Shared(wired.road, concurrency, throttles))

    async def close(self) -> None:
        if self._wired is not None:
            await self._wired.close()

    def _heard(self, message: object) -> None:
        match message:
            case say.Setup():
                self._setup.set_result(message)
            case say.Begin():
                self._begin.set_result(message)
            case _ if self._worker is not None:
                self._worker.heard(message)

    def _lost(self) -> None:
        self.gone.set()


def _wired(setup: say.Setup, send: Any) -> Wired:
    """The run's objects, with this worker's part of its limits."""
    config: dict[str, Any] = {**setup.config, "sandbox": _sandbox(setup)}
    wired = Wired(config, setup.choices, read(config), setup.only)
    limits = wired.settings.limits
    if limits.concurrency == "auto":
        most = max(1, share(limits.concurrency_most, setup.number, setup.count))
        least = max(1, share(limits.concurrency_least, setup.number, setup.count))
        start = min(most, max(least, share(limits.concurrency_start, setup.number, setup.count)))
        bounds = Bounds(start, least, most)
        vars(wired)["throttles"] = SharedThrottles(bounds, wired.settings.retry.timeout_s, setup, send)
    return wired


def _sandbox(setup: say.Setup) -> Mapping[str, Any]:
    """Workers on one machine share its places for candidates; each has one at least."""
    node: dict[str, Any] = setup.config["sandbox"]
    if not setup.together or "concurrency" not in node:
        return node
    return {**node, "concurrency": max(1, share(int(node["concurrency"]), setup.number, setup.count))}


async def _look(wired: Wired, begin: say.Begin) -> None:
    """Make sure that this worker can do what the run made sure of. Raises ConfigError where it cannot."""
    from evalkit.cli.judged_in import sandbox_tags  # noqa: PLC0415  the rest of it is the run's

    await asyncio.to_thread(wired.find_repositories, wired.instances)
    unfit = set(begin.unfit)
    fit = [one for one in wired.instances if one.id not in unfit]
    environments = wired.environments if wired.has_repositories else None
    if fit:
        await preflight(
            wired.models,
            wired.sandbox,
            wired.verifier,
            fit,
            wired.graders,
            environments=environments,
            quarantining=True,
        )
    if (found := sandbox_tags(wired)) != begin.sandbox:
        raise ConfigError(
            f"a worker on {socket.gethostname()} would judge in another sandbox than the run: {found} there, "
            f"{begin.sandbox} here. Give all machines the same, or name one: sandbox=bubblewrap"
        )


def _told(error: BaseException) -> say.Fault:
    """An error of the user's or the world's as itself, a bug as its traceback."""
    first = first_error(error) if isinstance(error, BaseExceptionGroup) else error
    if isinstance(first, EvalkitError):
        return say.fault(first)
    return say.Fault("", f"a worker's own error:\n{''.join(traceback.format_exception(first))}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
