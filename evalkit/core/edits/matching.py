"""Where some lines stand in a file: word for word, else with other white space where that cannot mislead."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

Match = Callable[[Sequence[str], Sequence[str]], "Shift | None"]


@dataclass(frozen=True, slots=True)
class Shift:
    """What the file's lines have before them that the edit's have not (`add`), or the other way round (`cut`)."""

    add: str = ""
    cut: str = ""
    crlf: bool = False

    def fits(self, new: Iterable[str]) -> bool:
        """Whether these lines can be shifted so: none is less indented than what is to be cut."""
        return all(line.startswith(self.cut) for line in new if line.strip())

    def of(self, line: str) -> str:
        """A line of the edit as the file would have it."""
        shifted = self.add + line.removeprefix(self.cut) if line.strip() else line
        return shifted + "\r" if self.crlf and not shifted.endswith("\r") else shifted


@dataclass(frozen=True, slots=True)
class Place:
    """An index into the file's lines, and how the edit's lines have to be shifted there."""

    at: int
    shift: Shift = Shift()


def places(lines: Sequence[str], old: Sequence[str], new: Sequence[str] = (), *, crlf: bool = False) -> list[Place]:
    """All places of `old` at the strictest level that finds any: exact, white space at line ends, indentation.

    `new` are the lines that are to stand there; a place where they could not be indented alike does not count.
    """
    # Every level wants each line alike but for white space, so that one look at the first rules most places out.
    likely = [at for at in range(len(lines) - len(old) + 1) if not old or lines[at].strip() == old[0].strip()]
    for match in (_exact, _but_for_line_ends, _but_for_indentation):
        found = []
        for at in likely:
            shift = match(lines[at : at + len(old)], old)
            if shift is not None and shift.fits(new):
                lenient = crlf and match is not _exact
                found.append(Place(at, Shift(shift.add, shift.cut, lenient)))
        if found:
            return found
    return []


def _exact(there: Sequence[str], old: Sequence[str]) -> Shift | None:
    return Shift() if tuple(there) == tuple(old) else None


def _but_for_line_ends(there: Sequence[str], old: Sequence[str]) -> Shift | None:
    return Shift() if all(a.rstrip() == b.rstrip() for a, b in zip(there, old, strict=True)) else None


def _but_for_indentation(there: Sequence[str], old: Sequence[str]) -> Shift | None:
    """Shifted as a whole: every line by the same white space."""
    shift: Shift | None = None
    for theirs, ours in zip(there, old, strict=True):
        if theirs.strip() != ours.strip():
            return None
        if not ours.strip():
            continue
        found = _between(_indent(theirs), _indent(ours))
        if found is None or (shift is not None and found != shift):
            return None
        shift = found
    return shift


def _between(theirs: str, ours: str) -> Shift | None:
    if theirs.endswith(ours):
        return Shift(add=theirs.removesuffix(ours))
    return Shift(cut=ours.removesuffix(theirs)) if ours.endswith(theirs) else None


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]
