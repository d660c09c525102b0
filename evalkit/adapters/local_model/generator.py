"""Embedded models behind the Generator port: GGUF weights that run in this process, without a server or a key."""

import asyncio
import atexit
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from threading import Event

from evalkit.adapters.local_model.engine import Engine
from evalkit.adapters.local_model.request import request
from evalkit.adapters.local_model.weights import MODELS, SUFFIX, content, known, locate, own
from evalkit.core.errors import ConfigError
from evalkit.core.ports import Reply
from evalkit.core.types import Message, Prompt


@dataclass
class LocalGenerator:
    """Answers as `local/NAME`: an embedded model, or a GGUF file of one's own (`local/PATH.gguf`).

    `threads` is per model; more than 1 can change answers at temperature 0. `cache` is the folder of the
    weights (default: EVALKIT_CACHE, else the user's cache). `context_tokens` counts where a rung sets none.
    A model is loaded when it is first asked and stays until `close`; it answers one request at a time.
    """

    threads: int = 1
    cache: str | None = None
    context_tokens: int = 4096
    _engines: dict[Path, Engine] = field(default_factory=dict, init=False, repr=False, compare=False)

    simulated = False
    free = True

    def __post_init__(self) -> None:
        """Refuse what can never work. Raises ValueError."""
        for key in ("threads", "context_tokens"):
            if getattr(self, key) < 1:
                raise ValueError(f"{key} is {getattr(self, key)!r}; it must be at least 1")

    async def generate(
        self,
        name: str,
        messages: Sequence[Message],
        params: Mapping[str, object],
        asked: Prompt,  # noqa: ARG002  the port's signature: only recorded answers go by who asks
    ) -> Reply:
        """Answer `messages`; `params` are temperature, max_tokens, seed, num_ctx and the like.

        `params["timeout"]` (seconds) counts from when the model begins with this request. Raises ConfigError for
        missing weights, ContextWindowError, BadRequestError, ProviderTimeoutError. Cancelling stops the model.
        """
        path = await self._ready(name)
        trained = MODELS[name].context if name in MODELS else None
        wanted = request(name, messages, params, min(self.context_tokens, trained or self.context_tokens), trained)
        stop = Event()
        try:
            return await asyncio.wrap_future(self._engine(path).submit(wanted, stop))
        finally:
            stop.set()  # cancelled: the model's next request waits in its queue until this one has stopped

    async def check(self, name: str) -> None:
        """Find out that `name` can answer, without loading it. Raises ConfigError if not."""
        await self._ready(name)

    def digest(self, name: str) -> str:
        """SHA-256 of the weights, hex: others make another run. Raises ConfigError for an unknown name or file."""
        if name.endswith(SUFFIX):
            return content(own(name), self.cache)
        return known(name).sha256  # what is loaded is held against it

    def close(self) -> None:
        """Free the memory of all models; asking again loads them again."""
        while self._engines:
            _, engine = self._engines.popitem()
            engine.close()
        atexit.unregister(self.close)

    async def _ready(self, name: str) -> Path:
        if find_spec("xllamacpp") is None:
            raise ConfigError(f"local/{name} needs the embedded runtime: pip install 'evalkit[local]'")
        return await asyncio.to_thread(locate, name, self.cache)  # may hash a gigabyte, once

    def _engine(self, path: Path) -> Engine:
        if not self._engines:
            atexit.register(self.close)  # the runtime's threads must end before the interpreter does
        if path not in self._engines:
            self._engines[path] = Engine(path, self.threads)
        return self._engines[path]
