"""Watches a sandboxed command: the clock, its memory, its output under a cap; one way to stop it all."""

import asyncio
import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress

from evalkit.core.ports import Execution, Limits

POLL_S, BUSIEST = 0.05, 8
CHUNK = 65536
PAGE = os.sysconf("SC_PAGE_SIZE")
OUT_OF_MEMORY = re.compile(r"MemoryError|std::bad_alloc|Cannot allocate memory|out of memory", re.IGNORECASE)


class Watch:
    """Runs one started process to its end or its limits.

    `kill` ends everything that the process started, and is called more than once. `root` is the process whose
    tree counts as the command's memory.
    """

    def __init__(
        self, process: asyncio.subprocess.Process, limits: Limits, kill: Callable[[], None], root: int
    ) -> None:
        self._process, self._limits, self._kill, self._root = process, limits, kill, root
        self._ended = False
        self.stopped = ""

    async def run(self, stdin: str) -> Execution:
        """Feed, read and wait; the process and all its children are gone afterwards."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        timer = loop.call_later(self._limits.seconds, self._stop, "timeout")
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._feed(stdin))
                out = group.create_task(self._read(self._process.stdout))
                err = group.create_task(self._read(self._process.stderr))
                memory = group.create_task(self._watch_memory())
                await exited(self._process.pid)
                seconds, self._ended = loop.time() - start, True
                memory.cancel()
                self._kill()  # what it left in the background holds our pipes open
        finally:
            timer.cancel()
            self._kill()
        code = await self._process.wait()
        stderr = err.result()
        if not self.stopped and code and OUT_OF_MEMORY.search(stderr[-2000:]):
            self.stopped = "memory"
        return Execution(code if code >= 0 else 128 - code, out.result(), stderr, seconds, self.stopped)

    def _stop(self, reason: str) -> None:
        if not self._ended and not self.stopped:
            self.stopped = reason
        self._kill()

    async def _feed(self, stdin: str) -> None:
        pipe = self._process.stdin
        assert pipe is not None
        with suppress(BrokenPipeError, ConnectionResetError):  # it need not read what it is given
            pipe.write(stdin.encode("utf-8", "surrogatepass"))
            await pipe.drain()
        pipe.close()

    async def _read(self, pipe: asyncio.StreamReader | None) -> str:
        assert pipe is not None
        cap, kept = self._limits.output_kb * 1024, bytearray()
        while chunk := await pipe.read(CHUNK):
            kept += chunk[: cap - len(kept) + 1]
            if len(kept) > cap:
                self._stop("output")
        return kept[:cap].decode("utf-8", "replace")

    async def _watch_memory(self) -> None:
        """Rlimits hold a single process; this holds all of them together."""
        while True:
            await asyncio.sleep(_pause())
            if takes_more(self._root, self._limits.memory_mb * 2**20):
                self._stop("memory")


def _pause() -> float:
    """Seconds between two looks: more on a busy machine, where what is watched grows as much slower."""
    return POLL_S * min(BUSIEST, max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1)))


async def exited(pid: int) -> None:
    """Wait for a child to end, without reaping it. Process.wait() may wait for pipes that a grandchild holds."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:  # reaped already
        return
    try:
        await readable(handle)  # a process handle is readable once the process has ended
    finally:
        os.close(handle)


async def readable(handle: int) -> None:
    """Wait until a file descriptor can be read without blocking."""
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(handle, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(handle)


def takes_more(root: int, limit: int) -> bool:
    """Whether a process and its descendants have more than `limit` bytes, pages that forks share counted once.

    That count walks all their pages and holds them up meanwhile: hence only where cheaper ones, which count files or
    shared pages too and are never less, are more than the limit.
    """
    pids = list(tree(root))
    return all(sum(map(count, pids)) > limit for count in (_resident, _private, _proportional))


def tree(root: int) -> Iterator[int]:
    """A process and its descendants, as far as they can be seen while they come and go."""
    yield root
    for thread in _listing(f"/proc/{root}/task"):
        for child in _text(f"/proc/{root}/task/{thread}/children").split():
            yield from tree(int(child))


def _resident(pid: int) -> int:
    sizes = _text(f"/proc/{pid}/statm").split()
    return int(sizes[1]) * PAGE if sizes else 0


def _private(pid: int) -> int:
    return _sum_kb(f"/proc/{pid}/status", ("RssAnon", "RssShmem"))


def _proportional(pid: int) -> int:
    return _sum_kb(f"/proc/{pid}/smaps_rollup", ("Pss_Anon", "Pss_Shmem")) or _private(pid)


def _sum_kb(path: str, names: tuple[str, ...]) -> int:
    lines = (line.partition(":") for line in _text(path).splitlines())
    return sum(int(value.split()[0]) * 1024 for name, _, value in lines if name in names)


def _text(path: str) -> str:
    """Twenty times a second for every job: hence no Path, which takes longer than the reading."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # it ended between the listing and the reading
        return ""
    try:
        return os.read(handle, CHUNK).decode("ascii", "replace")
    except OSError:
        return ""
    finally:
        os.close(handle)


def _listing(path: str) -> list[str]:
    try:
        return os.listdir(path)  # noqa: PTH208  as above
    except OSError:
        return []
