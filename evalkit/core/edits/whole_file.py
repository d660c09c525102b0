"""`whole_file`: each file that changes is given whole, in a code block beneath its path."""

import re

from evalkit.core.edits.edit import Broken, Delete, Edit, Reading, Whole
from evalkit.core.edits.paths import DELETE, is_path, named

OPEN = re.compile(r"^[ \t]*(?P<mark>`{3,}|~{3,})[ \t]*(?P<info>.*)$")


def parse(reading: Reading, text: str) -> list[Edit]:
    """The files of an answer, in order. Blocks without a path are no edits, unless nothing else could be meant."""
    lines, at, start, unnamed = text.split("\n"), 0, 0, []
    while at < len(lines):
        opened = OPEN.match(lines[at])
        if opened:
            path = _path(reading, opened["info"], lines[start:at])
            end = _end(lines, at, opened["mark"])
            body = "".join(f"{line}\n" for line in lines[at + 1 : end])
            if path:
                _add(reading, path, body)
            else:
                unnamed.append(body)
            at = start = end + 1
            continue
        if gone := DELETE.match(lines[at]):
            path = named(gone["path"])
            reading.edits.append(Delete(reading.what(path), path))
        at += 1
    if not reading.edits and unnamed:
        _only(reading, unnamed)
    return reading.edits


def _add(reading: Reading, path: str, body: str) -> None:
    if any(path in edit.paths for edit in reading.edits):
        reading.edits.append(Broken(reading.what(path), f"{path} is given twice. Give each file once, whole."))
    else:
        reading.edits.append(Whole(reading.what(path), path, body))


def _only(reading: Reading, unnamed: list[str]) -> None:
    """One file and one block: it is meant. Else it is said that the path is missing."""
    if reading.only and len(unnamed) == 1:
        reading.edits.append(Whole(reading.what(reading.only), reading.only, unnamed[0]))
        return
    why = "none of the answer's code blocks names its file. Write the path on the line before each block."
    reading.edits.append(Broken(reading.what(), why))


def _end(lines: list[str], at: int, mark: str) -> int:
    """The line of the closing fence, or beyond the end."""
    close = re.compile(rf"^[ \t]*{re.escape(mark)}{mark[0]}*[ \t]*$")
    return next((number for number in range(at + 1, len(lines)) if close.match(lines[number])), len(lines))


def _path(reading: Reading, info: str, before: list[str]) -> str:
    """In the fence's own words (```python calc.py, ```python:calc.py), or on the last full line before it."""
    for word in reversed(re.split(r"[\s:=]+", info)):
        name = named(word)
        if name in reading.files or (is_path(name, reading.files) and "." in name):
            return name
    for line in reversed(before):
        if line.strip():
            name = named(line)
            return name if is_path(name, reading.files) else ""
    return ""
