"""Recorded answers instead of a model: regrading, comparing verifiers, and other people's published answers."""

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import accumulate
from pathlib import Path
from typing import Any

from evalkit.core import json_lines
from evalkit.core.errors import BadRequestError, ConfigError
from evalkit.core.ports import Reply
from evalkit.core.types import Message, Prompt

# What a field is called in the files that people publish; the first one that a row has counts.
INSTANCE = ("instance_id", "task_id", "question_id", "id")
TEXT = ("text", "completion", "response", "answer", "output", "generation", "model_patch", "patch")
TOKENS_PROMPT = ("tokens_prompt", "prompt_tokens")
TOKENS_COMPLETION = ("tokens_completion", "completion_tokens")


@dataclass(frozen=True, slots=True)
class Row:
    """Where a recorded answer lies in the file; `attempt` and `epoch` are 0 where the row does not say."""

    offset: int
    attempt: int
    epoch: int


class ReplayGenerator:
    """`replay/FILE`: recorded answers as JSON Lines, found as a path or in one of `folders`.

    A row has an instance (`instance_id`, `task_id`, `question_id` or `id`) and a text (`text`, `completion`,
    `response`, `answer`, `output`, `generation`, `model_patch` or `patch`), and may have `attempt` (the climb's,
    from 1), `epoch`, `finish_reason`, `tokens_prompt` and `tokens_completion`. Rows without `attempt` are the
    attempts in file order, and the last one repeats. What was not recorded is an error of the world: the
    instance stays unfinished, since nothing is known of the model. Only offsets are kept in memory.
    """

    simulated: bool = True
    free: bool = True

    def __init__(self, folders: Sequence[str] = ()) -> None:
        self._folders = folders
        self._indexes: dict[str, tuple[Path, Mapping[str, list[Row]]]] = {}
        self._reading = asyncio.Lock()  # guards _indexes: one reading of a file, however many ask

    async def generate(
        self,
        name: str,
        messages: Sequence[Message],  # noqa: ARG002  a recording answers without reading
        params: Mapping[str, object],  # noqa: ARG002
        asked: Prompt,
    ) -> Reply:
        """The recorded answer. Raises BadRequestError where there is none."""
        path, index = await self._index(name)
        row = _chosen(index.get(_instance(asked.instance_id), []), asked)
        if row is None:
            what = f"instance {asked.instance_id!r}, attempt {asked.number}, epoch {asked.epoch}"
            raise BadRequestError(f"replay/{name} has no recorded answer for {what}; record it or leave it out")
        return _reply(_row_at(path, row.offset))

    async def check(self, name: str) -> None:
        """Read the file. Raises ConfigError with its faults."""
        await self._index(name)

    def digest(self, name: str) -> str:
        """sha256 (hex) of the file: other answers make another run. Raises ConfigError if it is not there."""
        with _find(name, self._folders).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    async def _index(self, name: str) -> tuple[Path, Mapping[str, list[Row]]]:
        async with self._reading:
            if name not in self._indexes:
                path = _find(name, self._folders)
                self._indexes[name] = (path, await asyncio.to_thread(_read, path))
        return self._indexes[name]


def _chosen(rows: Sequence[Row], asked: Prompt) -> Row | None:
    """The row for this epoch and attempt; rows that name neither serve any."""
    own = [row for row in rows if row.epoch == asked.epoch] or [row for row in rows if not row.epoch]
    if any(row.attempt for row in own):
        return next((row for row in own if row.attempt == asked.number), None)
    return own[min(asked.number, len(own)) - 1] if own else None


def _read(path: Path) -> Mapping[str, list[Row]]:
    """Offsets by instance. Raises ConfigError, one line a fault (the first ten)."""
    index: dict[str, list[Row]] = {}
    faults: list[str] = []
    with path.open("rb") as file:
        starts = list(accumulate((len(raw) for raw in file), initial=0))
        file.seek(0)
        for line in json_lines.read(file.readline):
            fault = line.fault or _fault(line.value)
            if fault:
                faults.append(f"{path}:{line.number}: {fault}")
            else:
                attempt, epoch = line.value.get("attempt") or 0, line.value.get("epoch") or 0
                row = Row(starts[line.number - 1], attempt, epoch)
                index.setdefault(_instance(_first(line.value, INSTANCE)), []).append(row)
    if faults or not index:
        raise ConfigError("\n".join(faults[:10]) or f"{path}: no recorded answer in it")
    return index


def _instance(name: Any) -> str:
    """As datasets name it, since an instance names a folder: published `HumanEval/0` is our `HumanEval_0`."""
    return str(name).replace("/", "_")


def _fault(row: Any) -> str:
    if not isinstance(row, dict):
        return "is no object. Write one recorded answer a line."
    for names in (INSTANCE, TEXT):
        if _first(row, names) is None:
            return f"has none of the keys {', '.join(names)}."
    wrong = [key for key in ("attempt", "epoch") if row.get(key) and not isinstance(row[key], int)]
    return f"{wrong[0]} is {row[wrong[0]]!r}; it must be a whole number from 1." if wrong else ""


def _first(row: Mapping[str, Any], names: Sequence[str]) -> Any:
    return next((row[name] for name in names if row.get(name) is not None), None)


def _row_at(path: Path, offset: int) -> Mapping[str, Any]:
    with path.open("rb") as file:
        file.seek(offset)
        row: Mapping[str, Any] = json.loads(file.readline().decode("utf-8-sig"))
    return row


def _reply(row: Mapping[str, Any]) -> Reply:
    return Reply(
        str(_first(row, TEXT)),
        str(row.get("finish_reason") or "stop"),
        _first(row, TOKENS_PROMPT),
        _first(row, TOKENS_COMPLETION),
    )


def _find(name: str, folders: Sequence[str]) -> Path:
    """The recording's file. Raises ConfigError with the nearest names."""
    places = [Path(), *(Path(folder) for folder in folders)]
    for path in (place / name for place in places):
        if path.is_file():
            return path
    there = [path.name for place in places for path in (place / name).parent.glob("*.jsonl")]
    near = get_close_matches(Path(name).name, there, 3)
    hint = f"did you mean {', '.join(near)}?" if near else "give a path from the current folder or EVALKIT_HOME"
    raise ConfigError(f"replay/{name}: no such file; {hint}")
