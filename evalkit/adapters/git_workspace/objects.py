"""Objects of a repository, read through one long-lived `git cat-file`; threads take turns."""

import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import IO

from evalkit.adapters.git_workspace.git import MISSING, OPTIONS, GitError, local_environment
from evalkit.core.errors import ConfigError

AT_ONCE = 200  # names are written before answers are read: they must fit into a pipe (64 KB)
FRUGAL = ("-c", "core.deltaBaseCacheLimit=16m", "-c", "core.packedGitLimit=256m")  # a process a repository


class Objects:
    """Reads objects of `git_dir` by name; the process starts when first needed and again after `close`."""

    def __init__(self, git_dir: Path) -> None:
        self._git_dir = git_dir
        self._lock = Lock()  # guards the process and its pipes
        self._process: subprocess.Popen[bytes] | None = None

    def read(self, names: Sequence[str]) -> list[bytes | None]:
        """The objects' contents in order, None where there is no such object. Raises GitError."""
        found: list[bytes | None] = []
        for start in range(0, len(names), AT_ONCE):
            with self._lock:
                found += self._some(names[start : start + AT_ONCE])
        return found

    def close(self) -> None:
        """End the process; again changes nothing."""
        with self._lock:
            self._end()

    def _some(self, names: Sequence[str]) -> list[bytes | None]:
        process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write("".join(f"{name}\n" for name in names).encode())
            process.stdin.flush()
            return [self._answer(process.stdout) for _ in names]
        except OSError as error:
            self._end()
            raise GitError(f"git cat-file ended: {error}") from error
        except BaseException:  # interrupted between question and answer: the next reader would get the wrong one
            self._end()
            raise

    def _answer(self, answers: IO[bytes]) -> bytes | None:
        head = answers.readline()
        if head.endswith((b" missing\n", b" ambiguous\n")):
            return None
        parts = head.split()
        if len(parts) != 3:  # noqa: PLR2004  name, type, size
            raise GitError(f"git cat-file ended in {str(self._git_dir)!r}: {head!r}")
        size = int(parts[2])
        content = answers.read(size + 1)
        if len(content) != size + 1:
            raise GitError(f"git cat-file ended in {str(self._git_dir)!r} while it told an object")
        return content[:-1]

    def _start(self) -> subprocess.Popen[bytes]:
        try:
            self._process = subprocess.Popen(
                ["git", *OPTIONS, *FRUGAL, "--git-dir", str(self._git_dir), "cat-file", "--batch"],
                env=local_environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is evalkit's to handle; it ends with its stdin
            )
        except FileNotFoundError as error:
            raise ConfigError(MISSING) from error
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        for pipe in (process.stdin, process.stdout):
            with suppress(OSError):  # what was not yet written is of no use any more
                if pipe is not None:
                    pipe.close()
        process.wait()
