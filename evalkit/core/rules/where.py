"""Where in a candidate something was found: its line, and that line cut to an excerpt."""

import re

LONGEST = 120  # characters of an excerpt: enough to recognise a line, short enough for a prompt
MANY = 100  # places a rule reports at most: a pattern that matches everywhere must not fill the memory

_BREAK = re.compile(r"\r\n|\r|\n")  # what Python's own parser counts as the end of a line


def line_at(candidate: str, offset: int) -> int:
    """The line, from 1, that holds the character at `offset`."""
    return 1 + len(_BREAK.findall(candidate, 0, offset))


def excerpt(candidate: str, line: int | None) -> str:
    """The text of a line, trimmed; empty where there is no such line."""
    lines = _BREAK.split(candidate)
    if line is None or not 1 <= line <= len(lines):
        return ""
    return short(lines[line - 1].strip())


def short(text: str, longest: int = LONGEST) -> str:
    """The text, cut with an ellipsis past `longest` characters."""
    return text if len(text) <= longest else text[: longest - 1] + "…"
