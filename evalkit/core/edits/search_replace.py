"""`search_replace`: blocks that say which lines to replace, and by what."""

import re
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass

from evalkit.core.edits.edit import Broken, Delete, Edit, Reading
from evalkit.core.edits.lines import read, write
from evalkit.core.edits.matching import Place, places
from evalkit.core.edits.paths import DELETE, is_path, named
from evalkit.core.edits.told import ambiguous, fault, no_file, not_there
from evalkit.core.types import Finding

OPEN = re.compile(r"^(?P<mark><{5,})[ \t]*SEARCH\b[ \t:]*(?P<path>.*)$", re.IGNORECASE)
MIDDLE = re.compile(r"^(?P<mark>={5,})\s*$")
CLOSE = re.compile(r"^(?P<mark>>{5,})(?:[ \t]*REPLACE\b.*)?\s*$", re.IGNORECASE)
FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})")


@dataclass(frozen=True, slots=True)
class Replace:
    """Lines that stand once in the file, and those that are to stand there. No old lines: a new file."""

    what: str
    path: str
    old: tuple[str, ...]
    new: tuple[str, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        """The one."""
        return (self.path,)

    def apply(self, tree: MutableMapping[str, str]) -> list[Finding]:
        """Replace, if there is one place and no other."""
        if not "".join(self.old).strip() and not tree.get(self.path):
            tree[self.path] = write(self.new)
            return []
        if self.path not in tree:
            return [no_file(self.what, self.path, tree)]
        if not self.old or (tree[self.path].strip() and not "".join(self.old).strip()):
            return [fault(self.what, f"its SEARCH is empty, but {self.path} is there. Give the lines to replace.")]
        return self._replace(tree)

    def _replace(self, tree: MutableMapping[str, str]) -> list[Finding]:
        there = read(tree[self.path])
        old, new, found = self._found(there.lines, crlf=there.is_crlf)
        if not found:
            return [not_there(self.what, "its SEARCH text is", self.path, there.lines, self.old)]
        if len(found) > 1:
            return [ambiguous(self.what, "its SEARCH text stands", self.path, [place.at for place in found])]
        at, shift = found[0].at, found[0].shift
        put = (shift.of(line) for line in new)
        tree[self.path] = write([*there.lines[:at], *put, *there.lines[at + len(old) :]], ends=there.ends)
        return []

    def _found(self, lines: Sequence[str], *, crlf: bool) -> tuple[Sequence[str], Sequence[str], list[Place]]:
        """Old and new lines and their places, if need be without blank lines at both ends."""
        for old, new in ((self.old, self.new), (_trimmed(self.old), _trimmed(self.new))):
            if old and (found := places(lines, old, new, crlf=crlf)):
                return old, new, found
        return self.old, self.new, []


def parse(reading: Reading, text: str) -> list[Edit]:
    """The edits of an answer, in order; what begins as one and is none is `Broken`."""
    lines, at, path, start = text.split("\n"), 0, "", 0
    while at < len(lines):
        opened = OPEN.match(lines[at])
        if opened:
            path = _path(reading, lines[start:at], named(opened["path"])) or path or reading.only
            at = start = _block(reading, lines, at, path)
            continue
        if gone := DELETE.match(lines[at]):
            path = named(gone["path"])
            reading.edits.append(Delete(reading.what(path), path))
        at += 1
    return reading.edits


def _block(reading: Reading, lines: list[str], at: int, path: str) -> int:
    """Read the block that opens at this line; the line after it."""
    mark = len(lines[at]) - len(lines[at].lstrip("<"))
    for same in (True, False):  # markers of one length, so that a file may hold shorter ones; else of any length
        end = _close(lines, at, mark if same else 0)
        if end is None:
            continue
        middles = [n for n in range(at + 1, end) if _is(MIDDLE, lines[n], mark if same else 0)]
        if len(middles) == 1:
            old, new = tuple(lines[at + 1 : middles[0]]), tuple(lines[middles[0] + 1 : end])
            reading.edits.append(_edit(reading, path, old, new))
            return end + 1
        if same and middles:
            why = "has more than one ======= line. Write all its three markers longer than any such line in the text."
            reading.edits.append(Broken(reading.what(path), f"it {why}"))
            return end + 1
    why = "is not whole: it goes <<<<<<< SEARCH, lines, =======, lines, >>>>>>> REPLACE, each marker on its own line."
    reading.edits.append(Broken(reading.what(path), f"it {why}"))
    return at + 1


def _edit(reading: Reading, path: str, old: tuple[str, ...], new: tuple[str, ...]) -> Edit:
    if not path:
        return Broken(reading.what(), "it names no file. Write the file's path on the line before <<<<<<< SEARCH.")
    return Replace(reading.what(path), path, old, new)


def _close(lines: list[str], at: int, mark: int) -> int | None:
    """Where the block that opens here closes: before the next one opens."""
    for number in range(at + 1, len(lines)):
        if _is(CLOSE, lines[number], mark):
            return number
        if _is(OPEN, lines[number], mark):
            return None
    return None


def _is(pattern: re.Pattern[str], line: str, mark: int) -> bool:
    found = pattern.match(line)
    return found is not None and (not mark or len(found["mark"]) == mark)


def _path(reading: Reading, before: list[str], beside: str) -> str:
    """The path on the marker's own line, or on the last line before it that is neither blank nor a fence."""
    if beside and is_path(beside, reading.files):
        return beside
    for line in reversed(before):
        if line.strip() and not FENCE.match(line):
            name = named(line)
            return name if is_path(name, reading.files) else ""
    return ""


def _trimmed(lines: tuple[str, ...]) -> tuple[str, ...]:
    full = [number for number, line in enumerate(lines) if line.strip()]
    return lines[full[0] : full[-1] + 1] if full else ()
