"""The files of a repository at a commit, as text, read when they are asked for."""

from collections.abc import Iterator, Mapping
from typing import Protocol

from evalkit.core.types import Repo


class Blobs(Protocol):
    """What the files are read from."""

    def blobs(self, commit: str) -> Mapping[str, str]:
        """The hashes of regular files by path."""
        ...

    def text(self, blob: str) -> str | None:
        """A blob's text, None if it is none."""
        ...

    def sift(self, blobs: Mapping[str, str]) -> list[str]:
        """The paths whose blobs are text."""
        ...


class CommitFiles(Mapping[str, str]):
    """The UTF-8 text files at a commit, by path.

    What is no text is not in it. Printing and comparing read nothing; asking for one path reads one file; going
    through all of them, or counting them, sorts text from other files once, by reading what no commit before had.
    """

    def __init__(self, blobs: Blobs, repo: Repo) -> None:
        self._blobs = blobs
        self._repo = repo

    def blob(self, path: str) -> str:
        """The hash of a file's content, the same in every commit that has it. Raises KeyError."""
        return self._blobs.blobs(self._repo.commit)[path]

    def __getitem__(self, path: str) -> str:
        text = self._blobs.text(self.blob(path))
        if text is None:
            raise KeyError(path)
        return text

    def __contains__(self, path: object) -> bool:
        blob = self._blobs.blobs(self._repo.commit).get(path) if isinstance(path, str) else None
        return blob is not None and self._blobs.text(blob) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self._blobs.sift(self._blobs.blobs(self._repo.commit)))

    def __len__(self) -> int:
        return len(self._blobs.sift(self._blobs.blobs(self._repo.commit)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CommitFiles):
            return NotImplemented
        return (self._repo.name, self._repo.commit) == (other._repo.name, other._repo.commit)

    def __hash__(self) -> int:
        return hash((self._repo.name, self._repo.commit))

    def __repr__(self) -> str:
        return f"CommitFiles({self._repo.name!r}, {self._repo.commit!r})"
