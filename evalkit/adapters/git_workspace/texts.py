"""Texts that were read, kept by blob up to a number of bytes: neighbouring commits share almost all of them."""

from collections import OrderedDict
from sys import getsizeof
from threading import Lock


class Texts:
    """The most recently used texts by the hash of their blob, `limit` bytes at most."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0
        self._texts: OrderedDict[str, str] = OrderedDict()
        self._lock = Lock()  # guards all three

    def get(self, blob: str) -> str | None:
        """The text, if it is still here."""
        with self._lock:
            text = self._texts.get(blob)
            if text is not None:
                self._texts.move_to_end(blob)
            return text

    def put(self, blob: str, text: str) -> None:
        """Keep a text; the longest unused ones go."""
        with self._lock:
            if blob in self._texts:
                return
            self._texts[blob] = text
            self._held += getsizeof(text)
            while self._held > self._limit and self._texts:
                self._held -= getsizeof(self._texts.popitem(last=False)[1])
