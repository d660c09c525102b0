"""A file's text as lines: split at line feeds alone, so that nothing is lost and nothing is normalised."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines without their line feeds; `ends` says whether the last one has one. A carriage return stays in its line."""

    lines: tuple[str, ...]
    ends: bool = True

    @property
    def is_crlf(self) -> bool:
        """Whether every line ends as Windows' do."""
        whole = self.lines if self.ends else self.lines[:-1]
        return bool(whole) and all(line.endswith("\r") for line in whole)


def read(text: str) -> Lines:
    """The text's lines; `write` gives it back as it was."""
    if not text:
        return Lines(())
    ends = text.endswith("\n")
    return Lines(tuple((text[:-1] if ends else text).split("\n")), ends)


def write(lines: Iterable[str], *, ends: bool = True) -> str:
    """The text of these lines."""
    text = "\n".join(kept := tuple(lines))
    return text + "\n" if kept and ends else text
