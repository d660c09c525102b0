"""What is said of an edit that cannot be applied: which one, where it comes nearest, and what stands there."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from evalkit.core.types import Finding

SHOWN = 12  # lines of the nearest place: enough to copy them
SOUGHT = 24  # lines by which it is sought: a long file and a long hunk must not hold up the other climbs
LONG = 160  # characters of one of them
NEAR = 50  # of rapidfuzz's 100: what is further off is no help
MOST_PLACES = 5


def fault(what: str, message: str, *, line: int | None = None, excerpt: str = "") -> Finding:
    """A finding for the next attempt. `what` names the edit, such as `Edit 2 (calc.py)`."""
    text = f"{what}: {message}" + (f"\n{excerpt}" if excerpt else "")
    return Finding("edit", text, line=line, excerpt=excerpt, source="answer")


def not_there(what: str, sought: str, path: str, lines: Sequence[str], old: Sequence[str]) -> Finding:
    """`sought` (the SEARCH text, the hunk's lines) is not in the file; the nearest place is shown."""
    nearest = _nearest(lines, old)
    if nearest is None:
        return fault(what, f"{sought} not in {path}, nor is anything like it. Copy the lines from the file as it is.")
    at, count = nearest
    shown = "\n".join(line[:LONG] for line in lines[at : at + min(count, SHOWN)])
    message = f"{sought} not in {path}. The nearest lines there, from line {at + 1}, are:"
    return fault(what, message, line=at + 1, excerpt=shown)


def ambiguous(what: str, sought: str, path: str, at: Sequence[int]) -> Finding:
    """Several places fit, and none is guessed."""
    some = ", ".join(str(place + 1) for place in at[:MOST_PLACES]) + (", …" if len(at) > MOST_PLACES else "")
    message = f"{sought} in {path} {len(at)} times, at lines {some}. Give more lines around it, so that one place fits."
    return fault(what, message, line=at[0] + 1)


def no_file(what: str, path: str, files: Iterable[str]) -> Finding:
    """The file that the edit names does not exist."""
    known = list(files)
    near = get_close_matches(path, known, 3, 0.7) or [name for name in known if _last(name) == _last(path)] or known[:5]
    there = f"Did you mean {' or '.join(map(repr, near))}?" if near else "There are no files."
    return fault(what, f"there is no file {path!r}. {there}")


def _last(path: str) -> str:
    return path.rpartition("/")[2]


def _nearest(lines: Sequence[str], old: Sequence[str]) -> tuple[int, int] | None:
    """Where a window of as many lines is most alike, and its length."""
    from rapidfuzz import fuzz  # noqa: PLC0415  10 ms that only failures need

    count = max(1, min(len(old), len(lines), SOUGHT))
    wanted, best, found = "\n".join(line.strip()[:LONG] for line in old[:count]), float(NEAR), None
    plain = [line.strip()[:LONG] for line in lines]
    for at in range(len(lines) - count + 1):
        score = fuzz.ratio("\n".join(plain[at : at + count]), wanted, score_cutoff=best)
        if score > best:
            best, found = score, (at, count)
    return found
