"""A run's folder: config, lock, record and summary, and each climb's attempts as files that a person opens."""

import json
import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from evalkit.core.edits import Tree
from evalkit.core.errors import StorageError
from evalkit.core.ports import RunRecord
from evalkit.core.scrub import Scrub
from evalkit.core.summary import Summary
from evalkit.core.tally import row
from evalkit.core.traits import Traits
from evalkit.core.types import Attempt, Solution

T = TypeVar("T")
D = TypeVar("D")
MOST_WAITING = 1000  # climbs: a disk that is slower than the climbs holds them up instead of filling the memory
ROWS = 1000  # of a summary that are written at once
CREATE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC


class _Past(msgspec.Struct):
    """What a run that goes on needs of its summary."""

    wall_seconds: float = 0.0


class RunFolder:
    """Writes what INTERFACE.md names under mlruns/runs/<key>/. Raises StorageError where it cannot.

    Everything but the journal can be made again from the journal, so these files are not synced. Climbs are written
    by a thread, since making files can take milliseconds that the event loop has not; `finish` waits for it.
    Prompts and answers are written as `scrub` leaves them: what is logged and reported is made of these files.
    """

    def __init__(self, path: Path, scrub: Scrub | None = None) -> None:
        self.path = path
        self._scrub = scrub or Scrub()
        self._writer = ThreadPoolExecutor(1, "run-folder")
        self._writing: deque[Future[None]] = deque()

    def begin(
        self, record: RunRecord, config: str, lock: Mapping[str, Any], rubrics: str, traits: Sequence[Traits] = ()
    ) -> None:
        """Write what is known before the first result; `traits` let comparisons group the instances."""
        self._write("config.yaml", config)
        self._write("lock.json", json.dumps(lock, indent=2))
        self._write("record.json", _pretty(record))
        if rubrics:
            self._write("rubric.yaml", rubrics)
        if traits:
            self._write("instances.jsonl", b"".join(msgspec.json.encode(one) + b"\n" for one in traits))

    def rename(self, name: str, tags: Mapping[str, str], summary: Summary) -> None:
        """A finished run under another name or with more tags; how it was made and tracked stays as it was."""
        path = self.path / "record.json"
        if path.exists():
            record = msgspec.json.decode(path.read_bytes(), type=RunRecord)
            self._write("record.json", _pretty(replace(record, name=name, tags={**record.tags, **tags})))
        self.finish(summary)

    def climbed(self, solution: Solution) -> None:
        """Have one climb's attempts written; a resumed run writes the same bytes again.

        Raises StorageError where an earlier climb could not be written.
        """
        self._writing.append(self._writer.submit(self._write_climb, solution))
        while self._writing and (self._writing[0].done() or len(self._writing) > MOST_WAITING):
            self._writing.popleft().result()

    def _write_climb(self, solution: Solution) -> None:
        folder = f"instances/{solution.instance_id}"
        if solution.epoch > 1:
            folder += f"/epoch_{solution.epoch}"
        for attempt in solution.attempts:
            self._write(f"{folder}/attempt_{attempt.number}.txt", self._scrub.text(attempt.completion.text))
            self._write(f"{folder}/attempt_{attempt.number}.json", _pretty(self._kept(_attempt(solution, attempt))))
        self._write(f"{folder}/summary.json", _pretty(self._kept(_climb(solution))))

    def _kept(self, told: dict[str, Any]) -> Any:
        return self._scrub.within(msgspec.to_builtins(told)) if self._scrub else told

    def finish(self, summary: Summary) -> None:
        """Write summary.json, whole or not at all, after all climbs. Raises StorageError, also a climb's."""
        errors = [error for one in self._writing if (error := one.exception())]
        self._writing.clear()
        self._write("summary.json.new", _summary(self._scrub.summary(summary)))
        os.replace(self.path / "summary.json.new", self.path / "summary.json")  # noqa: PTH105  both are fine
        if errors:
            raise errors[0]

    def earlier_seconds(self) -> float:
        """How long earlier sessions took, 0 where there were none: as `summary`, without its rows in memory."""
        return self._decoded(_Past, _Past()).wall_seconds

    def summary(self) -> Summary | None:
        """The summary of an earlier session, or None. Raises StorageError if it cannot be read."""
        return self._decoded(Summary, None)

    def _decoded(self, kind: type[T], otherwise: D) -> T | D:
        path = self.path / "summary.json"
        try:
            return msgspec.json.decode(path.read_bytes(), type=kind)
        except FileNotFoundError:
            return otherwise
        except (OSError, msgspec.DecodeError) as error:
            raise StorageError(f"{path}: {error}. Delete it: the same command makes it again.") from error

    def _write(self, name: str, text: str | bytes | Iterable[bytes]) -> None:
        path = f"{self.path}/{name}"
        data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
        try:
            _put(path, [data] if isinstance(data, bytes) else data)
        except OSError as error:
            raise StorageError(
                f"{path}: {error.strerror}. What was recorded is intact; free space and run the command again."
            ) from error


def _put(path: str, parts: Iterable[bytes]) -> None:
    """By the system's own calls: a climb makes three files and more, and text files of pathlib cost twice as much."""
    try:
        descriptor = os.open(path, CREATE, 0o666)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120  see above
        descriptor = os.open(path, CREATE, 0o666)
    try:
        for data in parts:
            left = data
            while left:
                left = left[os.write(descriptor, left) :]
    finally:
        os.close(descriptor)


def _attempt(solution: Solution, attempt: Attempt) -> dict[str, Any]:
    completion, verdict = attempt.completion, attempt.verdict
    return {
        "instance_id": solution.instance_id,
        "epoch": solution.epoch,
        "attempt": attempt.number,
        "rung": attempt.rung,
        "on_rung": attempt.on_rung,
        "model": completion.model,
        "skipped": attempt.skipped,
        "accepted": verdict.accepted,
        "failure": verdict.failure,
        "detail": completion.detail or attempt.candidate.detail,
        "finish_reason": completion.finish_reason,
        "tokens": {
            "prompt": completion.tokens_prompt,
            "completion": completion.tokens_completion,
            **({} if completion.tokens_cached is None else {"prompt_cached": completion.tokens_cached}),
        },
        "cost_usd": completion.cost_usd,
        "requests": completion.requests,
        **({"cached": True} if completion.cached else {}),
        "seconds": {"model": completion.seconds, "verifier": verdict.seconds},
        "findings": verdict.findings,
        "verdict": verdict,
        "candidate": attempt.candidate.text,
        "edited": sorted(files.changed) if isinstance(files := attempt.candidate.files, Tree) else [],
        "prompt": {
            "digest": attempt.prompt.digest,
            "messages": attempt.prompt.messages,
            "dropped": attempt.prompt.dropped,
            "files": attempt.prompt.files,
            "skills": attempt.prompt.skills,
        },
    }


def _climb(solution: Solution) -> dict[str, Any]:
    return {
        **msgspec.to_builtins(row(solution)),
        "reason": solution.reason,
        "rungs": [attempt.rung for attempt in solution.attempts],
    }


def _summary(summary: Summary) -> Iterator[bytes]:
    """As _pretty writes it, but in parts: the whole text of 100,000 climbs, made twice, took 120 MB."""
    head, empty, tail = _pretty(replace(summary, instances=())).partition(b'\n  "instances": []')
    if not summary.instances:
        yield head + empty + tail
        return
    yield head + b'\n  "instances": ['
    for start in range(0, len(summary.instances), ROWS):
        rows = (_pretty(row).replace(b"\n", b"\n    ") for row in summary.instances[start : start + ROWS])
        yield b"," * (start > 0) + b"\n    " + b",\n    ".join(rows)
    yield b"\n  ]" + tail


def _pretty(value: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2)
