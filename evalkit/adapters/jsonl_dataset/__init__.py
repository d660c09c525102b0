"""A dataset in a JSONL file: every line checked, every fault reported at once, by file, line and key."""

import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from evalkit.adapters.jsonl_dataset import shape
from evalkit.adapters.jsonl_dataset.making import instance
from evalkit.adapters.jsonl_dataset.sense import sense_faults
from evalkit.core import json_lines
from evalkit.core.digest import digest
from evalkit.core.errors import DatasetError, UsageError
from evalkit.core.ports import Places, Workspace
from evalkit.core.rubric import Rubric
from evalkit.core.types import Dataset, Instance

__all__ = ["JsonlDataset", "Rubrics", "read_task"]
OTHERS = {"humaneval": {"task_id", "canonical_solution"}, "swebench": {"instance_id", "FAIL_TO_PASS"}}  # by their keys
FEW = 200  # lines: in a smaller file the quick check would cost more than it saves


class Rubrics(Protocol):
    """Where rubrics come from: by name, or given inline."""

    def find(self, name: str) -> Rubric:
        """The rubric of that name. Raises RubricError."""
        ...

    def parse(self, data: Mapping[str, Any], source: str) -> Rubric:
        """The rubric that `data` holds; `source` says where it stands. Raises RubricError."""
        ...


@dataclass
class JsonlDataset:
    """Instances from a .jsonl or .jsonl.gz file; an empty `name` is the file's own.

    For instances with a repository, `repos` says where those are found, and `environments` names the recipes that
    their tests run in (both in docs/datasets.md); they are looked for when an instance's files are asked for.
    """

    path: str
    rubrics: Rubrics = field(kw_only=True)
    places: Places = field(kw_only=True)
    workspace: Workspace | None = field(default=None, kw_only=True)
    name: str = ""
    repos: str | dict[str, str] = ""
    environments: str | list[str] | dict[str, Any] = field(default="", metadata={"setting": True})

    def __post_init__(self) -> None:
        if not self.path.strip():
            raise ValueError("path must name a .jsonl or .jsonl.gz file")

    def load(self) -> Dataset:
        """Read and check the whole file. Raises DatasetError with all faults, one a line."""
        found = Path(self.places.find(self.path))
        reading = _Reading(self.rubrics, self.workspace, self.path)
        try:
            with (gzip.open if found.suffix == ".gz" else open)(found, "rb") as file:
                instances = tuple(reading.instances(json_lines.read(file.readline)))
        except OSError as error:
            raise DatasetError(f"{self.path}: cannot be read: {error.strerror or error}.") from error
        if not instances and not reading.faults:
            reading.faults.append(f"{self.path}: holds no instance. Write one JSON object a line.")
        if reading.faults:
            raise DatasetError(json_lines.told(reading.faults))
        return Dataset(self.name or found.name.split(".")[0], digest(instances), instances)


def read_task(value: object, rubrics: Rubrics, where: str) -> Instance:
    """An instance that is no line of a file, and need not say how it is judged; without an `id` it is called task.

    Raises DatasetError with all faults, one a line, each beginning with `where`.
    """
    line: Any = {"id": "task", **value} if isinstance(value, Mapping) else value
    faults = list(dict.fromkeys(shape.shape_faults(line)))
    faults = faults or list(sense_faults(line, judged=False))
    reading = _Reading(rubrics, None, where)
    reading.faults = [f"{where}: {fault}" for fault in faults]
    rubric = reading.rubric(line, where)
    if reading.faults:
        raise DatasetError(json_lines.told(reading.faults))
    return instance(line, rubric, None)


def _other_form(value: object) -> str | None:
    """The dataset that reads such a line, if it is a known benchmark's: a word on each key would help nobody."""
    return next((name for name, keys in OTHERS.items() if isinstance(value, dict) and keys <= value.keys()), None)


class _Reading:
    """One pass over a file: makes instances and collects faults."""

    def __init__(self, rubrics: Rubrics, workspace: Workspace | None, path: str) -> None:
        self.faults: list[str] = []
        self._rubrics = rubrics
        self._workspace = workspace
        self._path = path
        self._lines: dict[str, int] = {}  # by id
        # By content: thousands of instances share a few rubrics.
        self._known: dict[str, tuple[Rubric | None, list[str]]] = {}

    def instances(self, lines: Iterator[json_lines.Line]) -> Iterator[Instance]:
        for line in lines:
            where = f"{self._path}:{line.number}"
            if line.fault:
                self.faults.append(f"{where}: {line.fault}")
                continue
            if other := _other_form(line.value):
                self.faults.append(f"{where}: has another form; dataset={other} dataset.path={self._path} reads it")
                return
            is_sound = line.number > FEW and shape.is_sound(line.value)
            faults = [] if is_sound else list(dict.fromkeys(shape.shape_faults(line.value)))
            faults = faults or [*sense_faults(line.value), *self._repeated(line.value["id"], line.number)]
            self.faults += [f"{where}: {fault}" for fault in faults]
            rubric = self.rubric(line.value, where)
            if not self.faults:
                yield instance(line.value, rubric, self._workspace)

    def _repeated(self, name: str, number: int) -> Iterator[str]:
        if name in self._lines:
            yield f"id: {name!r} is already the id of line {self._lines[name]}; ids must be unique"
        self._lines.setdefault(name, number)

    def rubric(self, value: Any, where: str) -> Rubric | None:
        """The line's rubric, if it has one and that has no fault."""
        given = value.get("rubric") if isinstance(value, dict) else None
        if not isinstance(given, str | dict):
            return None
        content = json.dumps(given)  # the same rules in another order are read twice, which harms nothing
        if content not in self._known:
            self._known[content] = self._resolved(given, where)
        rubric, faults = self._known[content]
        self.faults += [f"{where}: {fault}" for fault in faults]
        return rubric

    def _resolved(self, given: str | dict[str, Any], where: str) -> tuple[Rubric | None, list[str]]:
        try:
            if isinstance(given, str):
                return self._rubrics.find(given), []
            return self._rubrics.parse(given, where), []
        except UsageError as error:
            lines = [line.removeprefix(f"{where}: ") for line in str(error).splitlines()]
            return None, [line if line.startswith("rubric") else f"rubric: {line}" for line in lines]
