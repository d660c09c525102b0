"""What of an instance's files goes into the prompt, under a token budget, and what was dropped."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from evalkit.core.ladder import Rung

KINDS = ("none", "files")


@dataclass
class Context:
    """`kind`: `none`, or `files` (the instance's own files, in order, whole lines from the top of each).

    `tokens` caps what all files take together, counted approximately (cl100k); a rung with `context_tokens`
    takes less where its window, less its `max_tokens`, is smaller.
    """

    kind: str = "files"
    tokens: int = 2000

    def __post_init__(self) -> None:
        """Refuse what can never work. Raises ValueError."""
        if self.kind not in KINDS:
            raise ValueError(f"context.kind is {self.kind!r}; it must be one of {', '.join(KINDS)}")
        if self.tokens < 0:
            raise ValueError(f"context.tokens is {self.tokens}; it must be at least 0")


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A file's part that goes into the prompt."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """What goes in, and one line for each file that was dropped or cut."""

    files: tuple[Excerpt, ...] = ()
    dropped: tuple[str, ...] = ()


def choose(context: Context, files: Mapping[str, str], rung: Rung, count_tokens: Callable[[str], int]) -> Chosen:
    """Take files in order until the budget is spent; the last one may be cut at a line's end."""
    if context.kind == "none" or not files:
        return Chosen()
    room = context.tokens
    if rung.context_tokens is not None:
        room = max(0, min(room, rung.context_tokens - rung.max_tokens))
    kept: list[Excerpt] = []
    dropped: list[str] = []
    for path, text in files.items():
        part = _head(text, room, count_tokens)
        room -= count_tokens(part)
        if part:
            kept.append(Excerpt(path, part))
        if part != text:
            dropped.append(f"{path}: {len(text) - len(part)} of {len(text)} characters")
    return Chosen(tuple(kept), tuple(dropped))


def _head(text: str, room: int, count_tokens: Callable[[str], int]) -> str:
    """The longest run of whole lines from the top that fits into `room` tokens (binary search)."""
    if count_tokens(text) <= room:
        return text
    lines = text.splitlines(keepends=True)
    low, high = 0, len(lines)
    while low < high:
        middle = (low + high + 1) // 2
        if count_tokens("".join(lines[:middle])) <= room:
            low = middle
        else:
            high = middle - 1
    return "".join(lines[:low])
