"""`unified_diff`: reads diffs as models write them.

By own code: the readers of patches that there are (unidiff, whatthepatch) refuse or misread hunks whose line counts
are wrong, which is how most models write them. Counts that are right are trusted, so that no line is mistaken for a
header; else the lines' first characters count.
"""

import re
from dataclasses import dataclass

from evalkit.core.edits.edit import Broken, Delete, Edit, Reading, Whole
from evalkit.core.edits.hunks import Hunk, Patch
from evalkit.core.edits.paths import normal

HUNK = re.compile(r"^@@(?: -(?P<old>\d+)(?:,(?P<gone>\d+))? \+(?P<new>\d+)(?:,(?P<come>\d+))? @@|.*)")
GIT = re.compile(r"^diff --git (?P<old>.+) (?P<new>\S+)$")
NOWHERE = "/dev/null"


@dataclass(slots=True)
class _Section:
    """What is said of one file so far."""

    old: str = ""
    new: str = ""
    mode: str = ""
    hunks: list[Hunk] | None = None
    is_git: bool = False


def parse(reading: Reading, text: str) -> list[Edit]:
    """The files' patches, in order; sections without hunks are not passed over."""
    lines, at, section = text.split("\n"), 0, _Section()
    while at < len(lines):
        line = lines[at]
        if git := GIT.match(line):
            _close(reading, section)
            section = _Section(_bare(reading, git["old"]), _bare(reading, git["new"]), is_git=True)
        elif _is_header(lines, at):
            if section.hunks is not None or not section.is_git:
                _close(reading, section)
                section = _Section()
            section.old, section.new = _bare(reading, line[4:]), _bare(reading, lines[at + 1][4:])
            section.hunks, at = [], at + 1
        elif line.startswith(("new file mode", "deleted file mode")) and section.is_git:
            section.mode = line.split()[0]
        elif line.startswith("@@"):
            hunk, at = _hunk(lines, at)
            section.hunks = [*(section.hunks or []), hunk]
            continue
        at += 1
    _close(reading, section)
    return reading.edits


def _is_header(lines: list[str], at: int) -> bool:
    return lines[at].startswith("--- ") and at + 1 < len(lines) and lines[at + 1].startswith("+++ ")


def _bare(reading: Reading, name: str) -> str:
    """A path without a/ or b/, quotes and a time behind a tab."""
    path = name.partition("\t")[0].strip().strip('"')
    if path == NOWHERE:
        return path
    is_prefixed = path.startswith(("a/", "b/")) and path not in reading.files
    return normal(path[2:] if is_prefixed else path)


def _close(reading: Reading, section: _Section) -> None:
    """Make an edit of a section."""
    if section.hunks is None and not section.is_git:
        return
    old, new = section.old or reading.only, section.new or reading.only
    path = old if new == NOWHERE else new
    what = reading.what(path)
    if not path or path == NOWHERE:
        why = "its hunks name no file. Write --- a/PATH and +++ b/PATH before them."
        reading.edits.append(Broken(what, why))
    elif section.hunks:
        source, target = ("" if name == NOWHERE else name for name in (old, new))
        if section.mode == "new":
            source = ""
        reading.edits.append(Patch(what, source, target, tuple(section.hunks)))
    elif section.mode == "new":
        reading.edits.append(Whole(what, path, ""))
    elif section.mode == "deleted":
        reading.edits.append(Delete(what, path))
    else:
        reading.edits.append(Broken(what, "it holds no hunk (@@ … @@), so that it says of no line how to change it."))


def _hunk(lines: list[str], at: int) -> tuple[Hunk, int]:
    """The hunk that begins here, and the line after it."""
    head = HUNK.match(lines[at])
    stated = int(head["old"]) if head and head["old"] else None
    if head and stated is not None:
        counts = [int(head[key]) if head[key] is not None else 1 for key in ("gone", "come")]
        end = _by_counts(lines, at + 1, counts[0], counts[1])
        if end is not None:
            return Hunk(_body(lines[at + 1 : end]), stated, int(head["new"]), at + 1), end
    end = at + 1
    while end < len(lines) and _is_body(lines, end):
        end += 1
    body = lines[at + 1 : end]
    while body and not body[-1].strip("\r"):
        body.pop()  # a blank line after a hunk parts it from what follows
    return Hunk(_body(body), stated, None, at + 1), end


def _by_counts(lines: list[str], at: int, gone: int, come: int) -> int | None:
    """Where the hunk ends by its header's word; None if the lines do not fit to it."""
    while gone > 0 or come > 0:
        first = lines[at][:1] if at < len(lines) else "?"
        if first not in ("", " ", "+", "-", "\\", "\r"):
            return None
        gone -= first in ("", " ", "-", "\r")
        come -= first in ("", " ", "+", "\r")
        at += 1
        if min(gone, come) < 0:
            return None
    while at < len(lines) and lines[at].startswith("\\"):
        at += 1
    goes_on = at < len(lines) and lines[at][:1] in (" ", "+", "-") and lines[at].strip() and not _is_header(lines, at)
    return None if goes_on else at


def _is_body(lines: list[str], at: int) -> bool:
    return lines[at][:1] in ("", " ", "+", "-", "\\", "\r") and not _is_header(lines, at)


def _body(lines: list[str]) -> tuple[tuple[str, str], ...]:
    """Pairs of sign and line; an empty line is an empty context line whose blank was lost."""
    return tuple(
        (line[:1] if line[:1] in " +-\\" and line else " ", line[1:] if line.strip("\r") else line) for line in lines
    )
