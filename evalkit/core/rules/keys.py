"""What is wrong with the keys that a user gave a rule, beyond what a JSON Schema can say."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class KeyFault:
    """One fault: the path of keys below the rule, and what is wrong there."""

    path: KeyPath
    text: str


class KeyFaults(ValueError):  # noqa: N818  it holds faults, in the plural
    """All faults of one rule's own keys at once."""

    def __init__(self, faults: Iterable[KeyFault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(f"{'.'.join(map(str, fault.path))}: {fault.text}" for fault in self.faults))


def refuse(faults: Iterator[KeyFault]) -> None:
    """Raise KeyFaults if there is any fault."""
    if found := list(faults):
        raise KeyFaults(found)


def as_list(value: object) -> list[object]:
    """One item or several, as people write them in YAML: `a` is `[a]`."""
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def words(value: object) -> list[str]:
    """`as_list` of text."""
    return [str(item) for item in as_list(value)]
