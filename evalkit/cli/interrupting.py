"""Ctrl-C once, or SIGTERM, lets what is under way end; again, the run ends at once."""

import asyncio
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SAID = "stopping: calls under way are waited for and recorded, nothing new begins. Ctrl-C again ends the run at once."


@contextmanager
def gently(stop: Callable[[], None]) -> Iterator[None]:
    """While the block runs, the first signal calls `stop`; the next ones do what Ctrl-C did before.

    Called inside an event loop. A signal that somebody ignores (nohup) or handles (submitit's SIGTERM) is left alone.
    """
    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's
        yield
        return
    was = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    ours = [one for one, handler in was.items() if _is_plain(one, handler)]
    at_once, loop = was[signal.SIGINT], asyncio.get_running_loop()
    told = 0

    def heard() -> None:
        nonlocal told
        told += 1
        if told == 1:
            print(f"evalkit: {SAID}", file=sys.stderr, flush=True)
            stop()
        elif callable(at_once):
            at_once(signal.SIGINT, None)  # asyncio's: cancels the run, and raises KeyboardInterrupt the time after

    for one in ours:
        loop.add_signal_handler(one, heard)
    try:
        yield
    finally:
        for one in ours:
            loop.remove_signal_handler(one)
            signal.signal(one, was[one])


def _is_plain(
    one: signal.Signals, handler: Callable[[int, FrameType | None], object] | int | signal.Handlers | None
) -> bool:
    """Whether a signal is handled as by Python or asyncio alone."""
    if one is signal.SIGTERM:
        return handler is signal.SIG_DFL
    return callable(handler)  # SIG_IGN and SIG_DFL are not
