"""Where a diff's hunks belong in a file, and the file with them applied: at one place, or not at all.

Line numbers are believed only where all of them are right: every hunk of the file fits word for word where its header
says. Otherwise a hunk goes where its lines stand, if that is one place; then without up to two lines of context.
"""

from collections.abc import Iterator, MutableMapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from evalkit.core.edits.lines import Lines, read, write
from evalkit.core.edits.matching import Place, Shift, places
from evalkit.core.edits.told import ambiguous, fault, no_file, not_there
from evalkit.core.types import Finding

FUZZ = 2  # lines of context that may be wrong at either end, as in patch(1)


@dataclass(frozen=True, slots=True)
class Hunk:
    """Signs and lines; `stated` and `to` are its header's line numbers, None where they are missing or miscounted."""

    body: tuple[tuple[str, str], ...]
    stated: int | None = None
    to: int | None = None
    line: int = 0

    @property
    def old(self) -> tuple[str, ...]:
        """The lines that it finds."""
        return tuple(text for sign, text in self.body if sign in " -")

    @property
    def new(self) -> tuple[str, ...]:
        """The lines that it adds."""
        return tuple(text for sign, text in self.body if sign == "+")

    @property
    def at(self) -> int | None:
        """The index that its header states; behind that line where it finds none."""
        return None if self.stated is None else max(0, self.stated - 1 if self.old else self.stated)

    def lacks_end(self, signs: str) -> bool:
        """Whether it says that the last line of this side has no line feed."""
        return any(sign == "\\" and before in signs for (before, _), (sign, _) in pairwise(self.body))


@dataclass(frozen=True, slots=True)
class Landing:
    """A hunk at its place; its context may have been trimmed."""

    hunk: Hunk
    place: Place


@dataclass(frozen=True, slots=True)
class Patch:
    """All hunks of one file. An empty `source` makes the file, an empty `target` takes it away."""

    what: str
    source: str
    target: str
    hunks: tuple[Hunk, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        """Both, where it moves the file."""
        return tuple(dict.fromkeys(path for path in (self.source, self.target) if path))

    def apply(self, tree: MutableMapping[str, str]) -> list[Finding]:
        """Apply all hunks, or none."""
        if self.source and self.source not in tree:
            if any(hunk.old for hunk in self.hunks) or self.source != self.target:
                return [no_file(self.what, self.source, tree)]
        elif not self.source and tree.get(self.target):
            return [fault(self.what, f"it makes {self.target}, which is there already. Change that file instead.")]
        elif self.target and self.source != self.target and self.target in tree and self.source:
            return [fault(self.what, f"it moves {self.source} onto {self.target}, which is there already.")]
        there = read(tree.get(self.source or self.target, ""))
        landings, faults = self._landings(there)
        if not faults:
            text, faults = self._text(there, landings)
        if faults:
            return faults
        tree.pop(self.source, None)
        if self.target:
            tree[self.target] = text
        elif text:
            left = len(read(text).lines)
            tree[self.source] = text
            return [fault(self.what, f"it deletes {self.source}, but {left} lines of it are not in its hunks.")]
        return []

    def _landings(self, there: Lines) -> tuple[list[Landing], list[Finding]]:
        if _fits_as_stated(there.lines, self.hunks):
            return [Landing(hunk, Place(hunk.at or 0)) for hunk in self.hunks], []
        landings: list[Landing] = []
        faults: list[Finding] = []
        for number, hunk in enumerate(self.hunks, 1):
            found = _landing(self._named(number), self.target or self.source, there, hunk)
            if isinstance(found, Landing):
                landings.append(found)
            else:
                faults.append(found)
        return landings, faults

    def _named(self, number: int) -> str:
        return f"{self.what}, hunk {number} of {len(self.hunks)}" if len(self.hunks) > 1 else self.what

    def _text(self, there: Lines, landings: Sequence[Landing]) -> tuple[str, list[Finding]]:
        """The patched text: every hunk says of the old lines which go, and what comes before which."""
        gone: dict[int, int] = {}
        come: dict[int, tuple[int, list[str]]] = {}
        ends = there.ends
        for number, landing in enumerate(landings, 1):
            for at, sign, text in _steps(landing):
                owner = gone.setdefault(at, number) if sign == "-" else come.setdefault(at, (number, []))[0]
                if owner != number:
                    why = f"it changes the same lines as hunk {owner}. Join the two."
                    return "", [fault(self._named(number), why, line=at + 1)]
                if sign == "+":
                    come[at][1].append(landing.place.shift.of(text))
            if landing.place.at + len(landing.hunk.old) == len(there.lines):
                ends = not landing.hunk.lacks_end(" +") and (ends or landing.hunk.lacks_end("-"))
        return write(_merged(there.lines, gone, come), ends=ends), []


def _merged(lines: Sequence[str], gone: dict[int, int], come: dict[int, tuple[int, list[str]]]) -> Iterator[str]:
    for at in range(len(lines) + 1):
        yield from come[at][1] if at in come else ()
        if at < len(lines) and at not in gone:
            yield lines[at]


def _steps(landing: Landing) -> Iterator[tuple[int, str, str]]:
    """What the hunk does, by the index of an old line: that one goes (-), or a line comes before it (+)."""
    at = landing.place.at
    for sign, text in landing.hunk.body:
        if sign in "+-":
            yield at, sign, text
        at += sign in " -"


def _fits_as_stated(lines: Sequence[str], hunks: Sequence[Hunk]) -> bool:
    """Whether all line numbers are right, those of the new file too."""
    grown, after = 0, 0
    for hunk in hunks:
        at, size = hunk.at, len(hunk.old)
        if at is None or hunk.to is None or at < after or tuple(lines[at : at + size]) != hunk.old:
            return False
        new_size = sum(sign in " +" for sign, _ in hunk.body)
        if max(0, hunk.to - (1 if new_size else 0)) != at + grown or (not size and lines):
            return False
        grown, after = grown + new_size - size, at + size
    return True


def _landing(what: str, path: str, there: Lines, hunk: Hunk) -> Landing | Finding:
    if not hunk.old:
        if not there.lines:
            return Landing(hunk, Place(0, Shift()))
        return fault(what, f"it holds no line of {path} to go by. Give some lines of context around the new ones.")
    for tried in (hunk, *_with_less_context(hunk)):
        found = places(there.lines, tried.old, tried.new, crlf=there.is_crlf)
        if len(found) > 1:
            return ambiguous(what, "its lines stand", path, [place.at for place in found])
        if found:
            return Landing(tried, found[0])
    return not_there(what, "its context and - lines are", path, there.lines, hunk.old)


def _with_less_context(hunk: Hunk) -> Iterator[Hunk]:
    """Without one or two lines of context at one or both ends, as long as enough is left to know the place by."""
    body = [step for step in hunk.body if step[0] != "\\"]
    before = next((n for n, (sign, _) in enumerate(body) if sign != " "), len(body))
    behind = next((n for n, (sign, _) in enumerate(reversed(body)) if sign != " "), len(body))
    for total in range(1, 2 * FUZZ + 1):
        for top in range(min(total, FUZZ, before) + 1):
            bottom = total - top
            if bottom > min(FUZZ, behind):
                continue
            kept = tuple(body[top : len(body) - bottom])
            if _is_enough(kept):
                yield replace(hunk, body=kept)


def _is_enough(body: Sequence[tuple[str, str]]) -> bool:
    """A line to go that says something, or two full lines of context."""
    words = [sign for sign, text in body if sign in " -" and any(char.isalnum() for char in text)]
    return "-" in words or len(words) > 1
