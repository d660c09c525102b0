"""A repository's history: which commits there are, and what each changes, as diffs of git's."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from evalkit.core.errors import ConfigError, DatasetError

# Renames as they are applied: one file less, one more. Nothing of the user's settings changes what a diff says.
DIFF = ("diff", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames", "--full-index", "--src-prefix=a/")
DIFF_TO = "--dst-prefix=b/"
PARTS = "%H%x00%P%x00%aI%x00%B"


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit: its full hash, its parents', when it was written, and its message."""

    id: str
    parents: tuple[str, ...]
    created_at: str
    message: str

    @property
    def title(self) -> str:
        """The message's first line."""
        return self.message.partition("\n")[0]


@dataclass(frozen=True)
class GitHistory:
    """The history in a clone or bare mirror at `path`. Its methods raise DatasetError with what git said."""

    path: Path

    def __post_init__(self) -> None:
        """Refuse what is no repository. Raises DatasetError."""
        if not self.path.is_dir():
            raise DatasetError(f"no folder {str(self.path)!r}; give the path of a clone or bare mirror.")
        self._git("rev-parse", "--git-dir")

    def commit(self, name: str) -> Commit:
        """The commit that a hash, branch or tag means."""
        found, parents, created_at, message = self._git("log", "-1", f"--format={PARTS}", self._full(name)).split("\0")
        return Commit(found, tuple(parents.split()), created_at, message.strip())

    def between(self, span: str) -> list[Commit]:
        """The commits of `A..B`, oldest first."""
        if ".." not in span:
            raise DatasetError(f"{span!r} is no range of commits; write A..B, such as v1.0..main.")
        self._refuse_option(span)
        return [self.commit(line) for line in self._git("rev-list", "--reverse", "--topo-order", span, "--").split()]

    def paths(self, commit: Commit) -> list[str]:
        """The paths that the commit changes against its only parent."""
        said = self._git(*DIFF, DIFF_TO, "--name-only", "-z", commit.parents[0], commit.id)
        return [path for path in said.split("\0") if path]

    def binary(self, commit: Commit) -> list[str]:
        """Those of them whose change is no text."""
        said = self._git(*DIFF, DIFF_TO, "--numstat", "-z", commit.parents[0], commit.id)
        return [path for line in said.split("\0") if line.startswith("-\t-\t") for path in [line.split("\t", 2)[2]]]

    def diff(self, commit: Commit, paths: list[str]) -> str:
        """What the commit does to these paths."""
        named = [f":(literal,top){path}" for path in paths]
        return self._git(*DIFF, DIFF_TO, commit.parents[0], commit.id, "--", *named) if paths else ""

    def origin(self) -> str:
        """`owner/name` of where it was cloned from, or the folder's name."""
        try:
            url = self._git("config", "--get", "remote.origin.url").strip().removesuffix("/").removesuffix(".git")
        except DatasetError:
            url = ""
        parts = [part for part in url.replace(":", "/").split("/") if part]
        if (len(parts) > 1 and "://" in url) or "@" in url:
            return "/".join(parts[-2:])
        return self.path.resolve().name.removesuffix(".git").replace("+", "/")

    def _full(self, name: str) -> str:
        self._refuse_option(name)
        return self._git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}", said=f"there is no commit {name!r}")

    def _refuse_option(self, name: str) -> None:
        if name.startswith("-"):
            raise DatasetError(f"{name!r} is no name of a commit.")

    def _git(self, *arguments: str, said: str = "") -> str:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        try:
            done = subprocess.run(
                ["git", "-c", "safe.directory=*", "-c", "core.quotePath=false", "-C", str(self.path), *arguments],
                env={**environment, "LC_ALL": "C", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
            )
        except FileNotFoundError as error:
            raise ConfigError("git is not installed here: apt-get install git (or your system's like).") from error
        if done.returncode:
            why = said or (done.stderr.decode(errors="replace").strip().splitlines() or ["git gave no reason"])[-1]
            raise DatasetError(f"{str(self.path)!r}: {why}")
        try:
            return done.stdout.decode().strip("\n") if said else done.stdout.decode()
        except UnicodeDecodeError as error:
            raise DatasetError(f"{str(self.path)!r}: what git says of it is not UTF-8") from error
