"""One model in memory, and the one thread that talks to it."""

import tempfile
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

from evalkit.adapters.local_model.request import Request
from evalkit.adapters.local_model.stream import Stream
from evalkit.core.errors import BadRequestError, ConfigError
from evalkit.core.ports import Reply

BATCH = 64  # prompt tokens between two chances to stop; larger ones were not faster on one thread
SILENT = -1  # llama.cpp's log goes to stderr otherwise


class Engine:
    """Loads weights when they are first asked, keeps them, and answers one request at a time.

    A single worker thread is the queue and the lock: requests wait in it without holding the event loop, the
    first of them loads, and none starts before a cancelled one has really stopped.
    """

    def __init__(self, path: Path, threads: int) -> None:
        self._path = path
        self._threads = threads
        self._server: Any = None
        self._context = 0
        self._worker = ThreadPoolExecutor(1, thread_name_prefix=f"evalkit-{path.stem}")

    def submit(self, request: Request, stop: Event) -> Future[Reply]:
        """Queue a request; setting `stop` ends it at the next token with CancelledError."""
        return self._worker.submit(self._answer, request, stop)

    def close(self) -> None:
        """Free the memory, after the request under way; those that wait are cancelled."""
        self._worker.shutdown(wait=True, cancel_futures=True)
        self._unload()

    def _answer(self, request: Request, stop: Event) -> Reply:
        if stop.is_set():
            raise CancelledError
        if request.context > self._context:
            self._load(request)
        stream = Stream(request, stop)
        try:
            self._server.handle_chat_completions(dict(request.body), stream)
        except (ValueError, RuntimeError) as error:  # the runtime's words for a request that it cannot read
            raise BadRequestError(f"local/{request.name}: {error}") from error
        return stream.reply()

    def _load(self, request: Request) -> None:
        """Load the weights, with a larger context if they are loaded already: one copy is enough."""
        from xllamacpp import Server  # noqa: PLC0415  34 MB that only embedded models need

        self._unload()
        with tempfile.TemporaryDirectory(prefix="evalkit-") as folder:
            try:
                self._server = Server(self._settings(request.context, f"{folder}/s.sock"))
            except RuntimeError as error:
                raise ConfigError(
                    f"local/{request.name}: {str(self._path)!r} could not be loaded with a context of "
                    f"{request.context} tokens; it is no model that this runtime knows, or memory is short"
                ) from error
        self._context = request.context

    def _unload(self) -> None:
        self._server = None  # the runtime ends its threads and frees its memory when nothing holds it
        self._context = 0

    def _settings(self, context: int, socket: str) -> Any:
        """The same answer twice needs one slot, no prompt cache, fixed threads and batch.

        The runtime always opens an HTTP server. It gets a socket file in a private folder, which is gone as soon
        as the model is loaded, so that nobody can ask our model and no port is taken.
        """
        from xllamacpp import CommonParams  # noqa: PLC0415

        params = CommonParams()
        params.model.path = str(self._path)
        params.hostnames = [socket]
        params.verbosity = SILENT
        params.n_ctx = context
        params.n_parallel = 1
        params.n_batch = params.n_ubatch = BATCH
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = self._threads
        params.n_threads_http = 1
        params.n_gpu_layers = 0  # answers would differ between machines
        params.fit_params = False  # nor may free memory decide on the context
        params.cache_prompt = params.cache_idle_slots = False
        params.cache_ram_mib = 0
        params.warmup = False
        params.ui = params.endpoint_slots = False
        return params
