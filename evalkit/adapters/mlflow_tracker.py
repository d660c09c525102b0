"""A run in MLflow while it goes; the work is done by a process of its own, see mlflow_worker.

Nothing here waits for MLflow but `finish` and `check`, and those not for ever: a store that is away costs the
run nothing, and what it missed is brought by `evalkit publish`.
"""

import json
import os
import select
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from weakref import finalize

import msgspec

from evalkit.adapters.mlflow_facts import finite, step
from evalkit.adapters.mlflow_publish import stride
from evalkit.adapters.mlflow_store import ENVIRONMENT, SQLITE, local_uri
from evalkit.core.errors import TrackerError
from evalkit.core.ports import RunRecord
from evalkit.core.scrub import Scrub
from evalkit.core.summary import InstanceRow, Summary
from evalkit.core.tally import row
from evalkit.core.types import Solution, Status

TRACES = ("all", "failed", "none")
EVERY_S, EVERY_POINTS = 1.0, 200
PATIENCE_S = 120.0  # without a sign of life from the worker; longer than its own time-outs, also when busy
PARTING_S = 1.0  # to mark a run that broke off; a worker that takes longer ends without us


@dataclass
class MlflowTracker:
    """`uri` null is sqlite under EVALKIT_HOME; `traces` (all, failed, none), at most so many, are climbs shown.

    Where a run has more climbs than that, `all` shows those that were not solved. `scrub` are regular expressions or
    names of known patterns (docs/security.md): what they find in prompts and answers is neither logged nor written to
    the run's files, its journal apart.
    """

    home: str
    uri: str | None = None
    experiment: str = "evalkit"
    traces: str = "all"
    traces_at_most: int = 100
    scrub: list[str] = field(default_factory=list)
    _worker: "_Worker | None" = field(default=None, init=False, repr=False)
    _run: RunRecord | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse what can never work. Raises ValueError."""
        if self.traces not in TRACES:
            raise ValueError(f"traces is {self.traces!r}; it must be one of {', '.join(TRACES)}")
        if self.traces_at_most < 0:
            raise ValueError(f"traces_at_most is {self.traces_at_most}; it must be at least 0")
        if self.uri is not None and "://" not in self.uri:
            raise ValueError(f"uri is {self.uri!r}; it must be null, sqlite:///PATH, or http://HOST:PORT")
        if self.uri is not None and urlsplit(self.uri).password is not None:  # it would be written down with the config
            raise ValueError(
                "uri holds a password; set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or PGPASSWORD"
            )
        if not self.experiment:
            raise ValueError("experiment is empty; it must be a name")
        self._scrubbing = Scrub(self.scrub)

    @property
    def store(self) -> str:
        """The address of the store."""
        return self.uri or local_uri(self.home)

    def prepare(self) -> None:
        """Start loading MLflow in its own process, to be ready by the first result; `start` does it too."""
        if self._worker is None:
            self._worker = _Worker(self.home)
            self._worker.send("open", uri=self.store, experiment=self.experiment, home=self.home)

    def start(self, run: RunRecord) -> None:
        """Open the run, or find it again by its key; returns at once."""
        self.prepare()
        self._run = run
        self._totals: dict[str, float | None] = dict.fromkeys(("solved", "unsolved", "unfinished", "attempts"), 0)
        self._totals["cost_usd"] = 0.0
        self._climbs, self._stride = 0, stride(run.climbs)
        self._points: list[tuple[int, int, dict[str, float]]] = []
        self._traces: list[InstanceRow] = []
        self._traced = 0
        self._sent = time.monotonic()
        self._said(self._worker).send("start", record=msgspec.to_builtins(run), began=time.time_ns() // 1_000_000)

    def climbed(self, solution: Solution) -> None:
        """Note a climb's end; the points travel once a second. Must be called from one thread."""
        if self._run is None:
            return
        light = self._scrubbing.row(row(solution))
        self._climbs += 1
        step(self._totals, str(light.status), light.attempts, light.cost_usd)
        if self._climbs % self._stride == 0 or self._climbs == self._run.climbs:
            values = finite({f"progress.{name}": value for name, value in self._totals.items()})
            self._points.append((self._climbs, time.time_ns() // 1_000_000, values))
        if self._is_shown(light):
            self._traced += 1
            self._traces.append(light)
        if time.monotonic() - self._sent >= EVERY_S or len(self._points) >= EVERY_POINTS:
            self._flush()

    def finish(self, summary: Summary) -> str:  # noqa: ARG002  the run folder holds it, and is what is published
        """Publish the run folder and wait for it. Empty, or one line: what did not arrive and what to do."""
        if self._run is None:
            return ""
        worker, folder = self._said(self._worker), self._run.folder
        self._flush()
        worker.send("finish", traces=self.traces, traces_at_most=self.traces_at_most)
        why = worker.wait("finish")
        self.close()
        if not why:
            return ""
        mend = f"evalkit publish {_short(folder)}"
        return f"MLflow did not get everything: {why}. Nothing is lost; bring it later with: {mend}"

    def check(self) -> None:
        """Find out that the store answers. Raises TrackerError with what to do if not."""
        self.prepare()
        worker = self._said(self._worker)
        worker.send("check")
        why = worker.wait("check")
        if why:
            mend = (
                "Correct tracker.uri" if self.store.startswith(SQLITE) else "Start the server, or correct tracker.uri"
            )
            raise TrackerError(f"{why}. {mend}; tracker=none does without.")

    def close(self) -> None:
        """Let the worker go; a run that was started and not finished is marked as killed."""
        if self._worker is not None:
            self._worker.close()
        self._worker, self._run = None, None

    def _flush(self) -> None:
        self._sent = time.monotonic()
        traces = msgspec.to_builtins(self._traces)
        self._said(self._worker).send("progress", points=self._points, traces=traces)
        self._points, self._traces = [], []

    def _is_shown(self, climb: InstanceRow) -> bool:
        """Whether a climb becomes a trace at once; when the run ends the whole of it decides."""
        whole = self.traces == "all" and self._run is not None and self._run.climbs <= self.traces_at_most
        wanted = whole or (self.traces != "none" and not climb.solved)
        return wanted and self._traced < self.traces_at_most and climb.status is not Status.QUARANTINED

    def _said(self, worker: "_Worker | None") -> "_Worker":
        if worker is None:
            raise RuntimeError("start() or prepare() comes first")
        return worker


class _Worker:
    """The other process: messages go out without ever waiting, answers are waited for with patience."""

    def __init__(self, home: str) -> None:
        package = str(Path(__file__).resolve().parents[2])
        path = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
        Path(home).mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(
            # -P: a user's folder may hold a file called like one of the libraries
            [sys.executable, "-P", "-m", "evalkit.adapters.mlflow_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**ENVIRONMENT, **os.environ, "PYTHONPATH": path},
            cwd=home,
            start_new_session=True,  # Ctrl-C ends the run, which then ends the worker in order
        )
        self._in, self._out = self._pipes()
        os.set_blocking(self._in, False)
        self._unsent = bytearray()
        self._unread = b""
        self._gone = ""
        self._close = finalize(self, _let_go, self._process)

    def _pipes(self) -> tuple[int, int]:
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("a process with pipes has pipes")
        return self._process.stdin.fileno(), self._process.stdout.fileno()

    def send(self, what: str, **message: Any) -> None:
        """Hand over as much as the pipe takes; the rest goes with a later message."""
        self._unsent += json.dumps({"do": what, **message}).encode() + b"\n"
        self._write()

    def _write(self) -> None:
        try:
            while self._unsent and not self._gone:
                del self._unsent[: os.write(self._in, self._unsent)]
        except BlockingIOError:
            return
        except OSError:
            self._gone = "the process that talks to it ended"

    def wait(self, what: str) -> str:
        """Wait until `what` was done: empty, or why it was not."""
        while not self._gone:
            writable = [self._in] if self._unsent else []
            readable, writable, _ = select.select([self._out], writable, [], PATIENCE_S)
            if writable:
                self._write()
            if not readable and not writable:
                self._gone = f"no answer for {PATIENCE_S:.0f} s: it is away, or this machine is too busy"
                self._process.kill()
            for answer in self._answers() if readable else []:
                if answer.get("what") == what:
                    return str(answer["why"])
        return self._gone

    def _answers(self) -> list[dict[str, Any]]:
        read = os.read(self._out, 65536)
        if not read:
            self._gone = "the process that talks to it ended"
        *lines, self._unread = (self._unread + read).split(b"\n")
        return [json.loads(line) for line in lines]

    def close(self) -> None:
        """Close the pipes and see the process end."""
        self._close()


def _let_go(process: "subprocess.Popen[bytes]") -> None:
    """End of input tells the worker to end; one that is still busy ends by itself."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    with suppress(subprocess.TimeoutExpired):
        process.wait(PARTING_S)


def _short(folder: str) -> str:
    """The folder as one would type it here."""
    near = os.path.relpath(folder)
    return folder if near.startswith("..") else near
