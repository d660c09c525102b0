"""The files of an instance with a repository: looked for when one is asked for, not when the dataset is read."""

from collections.abc import Iterator, Mapping
from functools import cached_property

from evalkit.core.ports import Workspace
from evalkit.core.types import Repo


class RepositoryFiles(Mapping[str, str]):
    """The files of `repo`; a repository that cannot be had raises DatasetError at the first question.

    Neither printing nor comparing them reads any.
    """

    def __init__(self, workspace: Workspace, repo: Repo) -> None:
        self._workspace = workspace
        self._repo = repo

    @cached_property
    def _files(self) -> Mapping[str, str]:
        return self._workspace.files(self._repo)

    def __getitem__(self, path: str) -> str:
        return self._files[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def __contains__(self, path: object) -> bool:
        return path in self._files

    def blob(self, path: str) -> str:
        """The hash of a file's content, the same in every commit that has it. Raises KeyError."""
        return str(self._files.blob(path))  # type: ignore[attr-defined]  # git's files have it; the port asks for none

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RepositoryFiles) and self._repo == other._repo

    def __hash__(self) -> int:
        return hash(self._repo)

    def __repr__(self) -> str:
        return f"RepositoryFiles({self._repo!r})"
