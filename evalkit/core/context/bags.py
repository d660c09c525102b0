"""The words of a repository's files, counted once for each content however many commits have it."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha1
from threading import Lock
from typing import TYPE_CHECKING, Generic, TypeVar

from evalkit.core.context.words import number, words

if TYPE_CHECKING:
    import numpy as np

T = TypeVar("T")


class Memory(Generic[T]):
    """What was made of contents, by their hash; the longest unused go when all together weigh more than `most`.

    Prompts may be written in several threads, hence the lock; it guards the mapping, not the making.
    """

    def __init__(self, most: int, weigh: Callable[[T], int]) -> None:
        self._most = most
        self._weigh = weigh
        self._kept: OrderedDict[object, T] = OrderedDict()
        self._weight = 0
        self._lock = Lock()

    def get(self, key: object, make: Callable[[], T]) -> T:
        """What is kept under the key, else what `make` makes."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = make()
        with self._lock:
            if key not in self._kept:
                self._kept[key] = made
                self._weight += self._weigh(made)
            while self._weight > self._most and len(self._kept) > 1:
                self._weight -= self._weigh(self._kept.popitem(last=False)[1])
        return made


@dataclass(frozen=True, slots=True)
class Bag:
    """A file's words as sorted numbers with their counts; `length` is how many words it has in all."""

    numbers: "np.ndarray[tuple[int], np.dtype[np.uint32]]"
    counts: "np.ndarray[tuple[int], np.dtype[np.int32]]"
    length: int


_BAGS: Memory[Bag] = Memory(20_000_000, lambda one: len(one.numbers) + 50)  # words, 8 bytes each: 160 MB at most


def content(files: Mapping[str, str], path: str) -> str:
    """A name for what the file holds: git's own hash where the files have one."""
    blob: Callable[[str], str] | None = getattr(files, "blob", None)
    return blob(path) if blob else sha1(files[path].encode(errors="replace"), usedforsecurity=False).hexdigest()


def bag(key: str, read: Callable[[], str]) -> Bag:
    """The words of a text whose content is called `key`."""
    return _BAGS.get(key, lambda: _count(read()))


def _count(text: str) -> Bag:
    import numpy as np  # noqa: PLC0415  150 ms that runs without a repository need not pay

    counted: dict[int, int] = {}
    for word, times in words(text).items():
        counted[number(word)] = counted.get(number(word), 0) + times
    numbers = sorted(counted)
    return Bag(
        np.array(numbers, dtype=np.uint32),
        np.array([counted[one] for one in numbers], dtype=np.int32),
        sum(counted.values()),
    )
