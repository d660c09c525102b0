"""Repositories at their commits: files read from git's objects, trees laid out without their history."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from evalkit.adapters.git_workspace.files import CommitFiles
from evalkit.adapters.git_workspace.repository import Repository
from evalkit.adapters.git_workspace.sources import MEND, Folders, Sources
from evalkit.adapters.git_workspace.texts import Texts
from evalkit.adapters.git_workspace.tidying import forget_trees, trees
from evalkit.adapters.git_workspace.trees import Lease
from evalkit.core.errors import DatasetError, SandboxError
from evalkit.core.types import Repo

__all__ = ["CommitFiles", "GitWorkspace", "forget_trees", "trees"]

ASK_AGAIN_S, AT_LEAST_EVERY_S = 0.05, 0.3  # while all trees are in use
SHOWN = 10
SPARE = 2  # trees more than processors: the next jobs' are laid out while the present ones run


@dataclass
class GitWorkspace:
    """core/ports.Workspace over git.

    `repos`: a folder of clones or bare mirrors, a path or URL with {repo}, {owner} or {name} in it, or a mapping of
    names to these. `cache` is evalkit's cache folder. `slots` is the number of trees that a repository may have at
    once (0: two more than processors); `text_mb` what texts that were read may take of memory.
    """

    repos: str | Mapping[str, str]
    cache: str
    places: Folders
    slots: int = 0
    text_mb: int = 128
    _sources: Sources = field(init=False, repr=False, compare=False)
    _texts: Texts = field(init=False, repr=False, compare=False)
    _known: dict[str, Repository] = field(default_factory=dict, init=False, repr=False, compare=False)
    _locks: dict[str, Lock] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse what can never work. Raises ValueError."""
        if self.slots < 0:
            raise ValueError(f"slots is {self.slots}; it must be at least 1, or 0 for two more than processors")
        self._sources = Sources(self.repos, Path(self.cache), self.places)
        self._texts = Texts(self.text_mb * 2**20)

    def files(self, repo: Repo) -> Mapping[str, str]:
        """The UTF-8 text files at the commit by path, read when asked for. Raises DatasetError."""
        found = self._repository(repo.name)
        found.require(repo.commit)
        return CommitFiles(found, repo)

    def has(self, repo: Repo) -> bool:
        """Whether the commit is here without fetching. Raises DatasetError where the repository is not."""
        return self._repository(repo.name).has(repo.commit)

    def check(self, repos: Iterable[Repo]) -> None:
        """Make sure of all these commits. Raises DatasetError with one line each that cannot be had."""
        faults: dict[str, None] = {}
        for repo in repos:
            try:
                self._repository(repo.name).require(repo.commit)
            except DatasetError as error:
                faults[str(error)] = None
        if faults:
            mend = MEND if any(fault.endswith(MEND) for fault in faults) else ""
            told = [fault.removesuffix(MEND) for fault in list(faults)[:SHOWN]]
            more = [f"and {len(faults) - SHOWN} more."] if len(faults) > SHOWN else []
            raise DatasetError("\n".join(told + more) + mend)

    def tree(self, repo: Repo) -> AbstractAsyncContextManager[str]:
        """A folder with the pristine tree, held until the block ends; only to be read. Raises SandboxError."""
        return self._held(repo)

    def close(self) -> None:
        """End what was started; again changes nothing."""
        for repository in self._known.values():
            repository.close()

    @asynccontextmanager
    async def _held(self, repo: Repo) -> AsyncIterator[str]:
        pause = ASK_AGAIN_S
        while (lease := await _whole(self._take, repo)) is None:
            await asyncio.sleep(pause)
            pause = min(2 * pause, AT_LEAST_EVERY_S)  # a dozen that wait should cost no tenth of a processor
        try:
            yield str(lease.slot.folder)
        finally:
            lease.release()

    def _take(self, repo: Repo) -> Lease | None:
        try:
            return self._repository(repo.name).trees(repo.commit).take(repo.commit)
        except DatasetError as error:  # it was there when the run began
            raise SandboxError(str(error)) from error

    def _repository(self, name: str) -> Repository:
        with self._locks.setdefault(name, Lock()):  # a repository is cloned by one thread, and no other one waits
            if name not in self._known:
                slots = self.slots or (os.cpu_count() or 1) + SPARE
                self._known[name] = Repository(name, self._sources.find(name), Path(self.cache), self._texts, slots)
            return self._known[name]


async def _whole(take: Callable[[Repo], Lease | None], repo: Repo) -> Lease | None:
    """Take in a thread; one who is cancelled meanwhile gives back what the thread gets."""
    task = asyncio.ensure_future(asyncio.to_thread(take, repo))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        task.add_done_callback(_give_back)
        raise


def _give_back(task: asyncio.Future[Lease | None]) -> None:
    if not task.cancelled() and task.exception() is None and (lease := task.result()) is not None:
        lease.release()
