"""The garbage collector while climbs go: it looks less often."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

SELDOM = (10_000, 20, 50)  # a request leaves few cycles; with Python's own 700 looking for them took 4 % of the CPU


@contextmanager
def seldom() -> Iterator[None]:
    """Until the block ends; what is there when it begins is not looked at any more."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(*SELDOM)
    try:
        yield
    finally:
        gc.set_threshold(*before)
