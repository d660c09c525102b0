"""Models' answers kept on disk (sqlite), so that another run that asks the very same need not pay again.

Off unless the setting `cache` says otherwise. What makes a repeat is part of the key (epoch, attempt, seed; above
temperature 0 the instance too), so that no two draws of one run are ever the same answer. It is only a cache: where it
cannot be read or written, that is said once, and models are asked.
"""

import asyncio
import hashlib
import sqlite3
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from evalkit.core.ladder import Rung
from evalkit.core.ports import Model
from evalkit.core.types import Completion, Prompt

VERSION = 1  # of what a key is made of, and of what is kept
BUSY_S = 10.0  # another process may be writing


class AnswerCache:
    """A file of answers by key. Used from one event loop's thread; sqlite has a thread of its own.

    `fault` says why the file is no use any more, once it is none.
    """

    def __init__(self, path: Path, say: Callable[[str], object] | None = None) -> None:
        self._path, self._say = path, say or (lambda line: sys.stderr.write(f"{line}\n"))
        self._thread = ThreadPoolExecutor(1, "answers")
        self._file: sqlite3.Connection | None = None
        self.fault = ""
        self._asking: dict[str, asyncio.Future[Completion]] = {}

    async def once(self, key: str, ask: Callable[[], "asyncio.Future[Completion]"]) -> Completion:
        """The answer under `key`, else what `ask` gives; of those that ask the same at once, one does.

        An answer with a `failure` is not kept, and neither is an error: each who waited then asks for himself.
        """
        if (waited := self._asking.get(key)) is not None:
            await asyncio.wait([waited])
            if (found := _good(waited)) is not None:
                return replace(found, cached=True)
        if (kept := await self._do(self._get, key)) is not None:
            return replace(kept, cached=True)
        if key in self._asking:  # somebody began while the file was read
            return await self.once(key, ask)
        asking = self._asking[key] = asyncio.ensure_future(ask())
        try:
            found = await asking
            if found.failure is None:
                await self._do(self._put, key, found)  # before it is let go: who reads the file meanwhile finds nothing
            return found
        finally:
            if self._asking.get(key) is asking:
                del self._asking[key]

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._thread.submit(self._file.close).result()
            self._file = None
        self._thread.shutdown()
        self._thread = ThreadPoolExecutor(1, "answers")  # starts no thread until it is asked again

    async def _do(self, work: Callable[..., Completion | None], *args: object) -> Completion | None:
        if self.fault:
            return None
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work, *args)
        except (sqlite3.Error, OSError, msgspec.MsgspecError) as error:
            if not self.fault:  # of those that wait for their turn with it, each would say so
                self._say(f"cache: {self._path}: {error}; models are asked. Delete the file, or set cache=never.")
            self.fault = str(error) or type(error).__name__
            return None

    def _open(self) -> sqlite3.Connection:
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None)
            self._file.execute("PRAGMA journal_mode=WAL")
            self._file.execute("PRAGMA synchronous=NORMAL")  # a lost answer is asked again
            self._file.execute("CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, answer BLOB) WITHOUT ROWID")
        return self._file

    def _get(self, key: str) -> Completion | None:
        row = self._open().execute("SELECT answer FROM answers WHERE key = ?", (key,)).fetchone()
        return None if row is None else msgspec.json.decode(row[0], type=Completion)

    def _put(self, key: str, found: Completion) -> None:
        self._open().execute("INSERT OR IGNORE INTO answers VALUES (?, ?)", (key, msgspec.json.encode(found)))


@dataclass(frozen=True)
class CachedModel:
    """A rung's model whose answers are kept. Scripts and recordings are not: they cost nothing, and may change."""

    model: Model
    rung: Rung
    seed: int
    cache: AnswerCache
    sampled: bool  # also above temperature 0
    weights: str = ""  # the digest of those that are loaded in this process

    @property
    def simulated(self) -> bool:
        """As the model itself."""
        return self.model.simulated

    async def check(self) -> None:
        """As the model itself."""
        await self.model.check()

    async def complete(self, prompt: Prompt) -> Completion:
        """The kept answer, `cached`, or a new one."""
        if self.simulated or (self.rung.temperature > 0 and not self.sampled):
            return await self.model.complete(prompt)
        return await self.cache.once(
            key(self.rung, self.seed, prompt, self.weights), lambda: asyncio.ensure_future(self.model.complete(prompt))
        )


def key(rung: Rung, seed: int, prompt: Prompt, weights: str = "") -> str:
    """All that an answer depends on, and which draw it is: SHA-256, hex."""
    asked = {
        "model": [rung.model, rung.api_base, weights],
        "set": [rung.temperature, rung.max_tokens, rung.context_tokens, rung.params],
        "draw": [seed, prompt.epoch, prompt.number, prompt.instance_id if rung.temperature > 0 else ""],
        "messages": [[message.role, message.content] for message in prompt.messages],
    }
    return hashlib.sha256(msgspec.json.encode([VERSION, asked], order="sorted")).hexdigest()


def _good(asked: "asyncio.Future[Completion]") -> Completion | None:
    if asked.cancelled() or asked.exception() is not None or asked.result().failure is not None:
        return None
    return asked.result()
