"""A run over several workers: whose part of a limit is how large, who has which climb, and what a death says; pure."""

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

MOST_DEATHS = 3  # of workers that had the climb in hand: then the climb may be what kills them
IN_A_ROW = 5  # deaths of workers that had ended no climb: another one would only die too

C = TypeVar("C", bound=Hashable)
W = TypeVar("W", bound=Hashable)


def share(whole: int, number: int, count: int) -> int:
    """Worker `number`'s part (from 0) of `count`: all parts add up to `whole`, and differ by one at most."""
    return whole // count + (number < whole % count)


def useful(wanted: int, most: int) -> int:
    """How many workers: as many as wanted, but none that could not have one request under way."""
    return max(1, min(wanted, most))


def climb_of(key: str) -> str:
    """The climb in a key of the journal, INSTANCE/EPOCH; records of the run itself give no climb's name."""
    return "/".join(key.split("/", 2)[:2])


class Held:
    """The keys that the journal holds of climbs which have not ended, so that a worker is told them with its climb."""

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self._keys: dict[str, dict[str, None]] = {}
        for key in keys:
            self.add(key)

    def add(self, key: str) -> None:
        """A record came to the journal."""
        self._keys.setdefault(climb_of(key), {})[key] = None

    def of(self, instance_id: str, epoch: int) -> tuple[str, ...]:
        """A climb's, in the order in which they came."""
        return tuple(self._keys.get(f"{instance_id}/{epoch}", ()))

    def forget(self, instance_id: str, epoch: int) -> None:
        """The climb has ended."""
        self._keys.pop(f"{instance_id}/{epoch}", None)


@dataclass(frozen=True)
class Death(Generic[C]):
    """What follows a worker's: climbs to hand out again, those that have seen too many, whether to try on at all."""

    again: tuple[C, ...]
    lost: tuple[C, ...]
    hopeless: bool


class Roster(Generic[W, C]):
    """Which worker has which climbs in hand."""

    def __init__(self) -> None:
        self._hands: dict[W, dict[C, None]] = {}
        self._ended: Counter[W] = Counter()
        self._deaths: Counter[C] = Counter()
        self._in_a_row = 0

    def give(self, worker: W, climb: C) -> None:
        """The worker has it from now on. Raises ValueError where another has it."""
        for holder in (other for other, hand in self._hands.items() if climb in hand):
            raise ValueError(f"{climb!r} is in the hands of {holder!r} already")
        self._hands.setdefault(worker, {})[climb] = None

    def take(self, worker: W, climb: C, *, ended: bool) -> bool:
        """Whether the worker had it; not any more. `ended` says that it came to its end."""
        if climb not in self._hands.get(worker, {}):
            return False
        del self._hands[worker][climb]
        if ended:
            self._ended[worker] += 1
            self._in_a_row = 0
        return True

    def hand(self, worker: W) -> tuple[C, ...]:
        """What it has, in the order in which it was given."""
        return tuple(self._hands.get(worker, ()))

    def died(self, worker: W) -> Death[C]:
        """Take all that it had; another may be put in its place unless that is hopeless."""
        climbs = tuple(self._hands.pop(worker, ()))
        self._in_a_row = 0 if self._ended.pop(worker, 0) else self._in_a_row + 1
        self._deaths.update(climbs)
        lost = tuple(climb for climb in climbs if self._deaths[climb] >= MOST_DEATHS)
        again = tuple(climb for climb in climbs if climb not in lost)
        return Death(again, lost, self._in_a_row >= IN_A_ROW)
