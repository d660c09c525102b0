"""Jobs in processes that a launcher started: what they need of the one they were started by, and how they end."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from evalkit.places import home

# What `evalkit.cli.main` sets, and what names this user's places: a cluster's worker starts with neither.
CARRIED = ("LITELLM_LOCAL_MODEL_COST_MAP", "MLFLOW_DISABLE_TELEMETRY", "EVALKIT_CACHE")


def here() -> tuple[str, int]:
    """This process: its machine and its number there."""
    return socket.gethostname(), os.getpid()


@dataclass(frozen=True)
class Carried:
    """Pickled with a job: the home, folder and environment that it is to work in, and where its exit code goes."""

    codes_in: Path
    folder: str = field(default_factory=os.getcwd)
    home: str = field(default_factory=lambda: str(home()))
    environment: dict[str, str] = field(
        default_factory=lambda: {name: os.environ[name] for name in CARRIED if name in os.environ}
    )
    started_by: tuple[str, int] = field(default_factory=here)

    @property
    def is_away(self) -> bool:
        """Whether this is another process than the one that was started by hand."""
        return here() != self.started_by

    def settle(self) -> None:
        """Make a launcher's process work in the same places."""
        if self.is_away:
            os.environ.update({**self.environment, "EVALKIT_HOME": self.home})
            with suppress(OSError):  # on another machine it may not be there, and only relative paths need it
                os.chdir(self.folder)

    def note(self, code: int) -> None:
        """Leave an exit code to be read by the process that was started by hand."""
        self.codes_in.mkdir(parents=True, exist_ok=True)
        (self.codes_in / uuid4().hex).write_text(str(code), encoding="utf-8")

    def codes(self) -> list[int]:
        """The exit codes that were left."""
        return [int(path.read_text(encoding="utf-8")) for path in self.codes_in.glob("*")]


@contextmanager
def carrying(place: Path) -> Iterator[Carried]:
    """What to give to jobs, with a folder under `place` for their exit codes, made when the first one is left."""
    carried = Carried(place / f"codes-{uuid4().hex[:12]}")
    try:
        yield carried
    finally:
        for path in carried.codes_in.glob("*"):
            path.unlink()
        with suppress(FileNotFoundError, NotADirectoryError):  # none was left, or a file is in the way
            carried.codes_in.rmdir()
