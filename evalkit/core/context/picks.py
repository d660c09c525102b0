"""What sources pick, and what of it goes into the prompt."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pick:
    """A file that a source holds for relevant, with the lines that it names; `outline`: its signatures only."""

    path: str
    lines: tuple[int, ...] = ()
    outline: bool = False


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A file's part that goes into the prompt.

    `line` is where its first line stands in the file, `spans` the first and last lines of what is shown of it (empty:
    an outline). A line that begins with `…` stands for lines that are left out. `tokens` is what the text takes.
    """

    path: str
    text: str
    line: int = 1
    spans: tuple[tuple[int, int], ...] = ()
    whole: bool = True
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Chosen:
    """What goes in, and one line for each file that was dropped or cut (the first ones, and how many more)."""

    files: tuple[Excerpt, ...] = ()
    dropped: tuple[str, ...] = ()
