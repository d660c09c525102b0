"""HumanEval in its original form (Chen et al. 2021, arXiv:2107.03374): JSONL or .gz, one problem a line.

A candidate counts if `check` accepts it. As in the original harness, it is run behind the problem's prompt: a
whole function replaces the prompt's stub, a body alone continues it, and the prompt's imports serve both.
"""

import ast
import gzip
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evalkit.core import json_lines
from evalkit.core.digest import digest
from evalkit.core.errors import DatasetError
from evalkit.core.ports import Places
from evalkit.core.types import Dataset, Instance, Tests

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}")
KEYS = ("task_id", "prompt", "entry_point", "canonical_solution", "test")
PROMPT = "Complete this Python function.\n\n```python\n{stub}\n```"
TESTS = '''\
"""The original check. The candidate runs behind the problem's prompt, in a process that does not see the check."""

import candidate_source

_STUB = {stub!r}
exec(_STUB)  # some checks call helpers that the prompt defines
{test}

def _program(source):
    """Behind the stub as it is; else as a body whose first indent was lost; else alone."""
    for text in (_STUB + source, _STUB + "    " + source, source):
        try:
            compile(text, "candidate.py", "exec")
        except (SyntaxError, ValueError) as error:
            fault = error
        else:
            return text
    raise fault


def test_check():
    global {entry_point}  # some checks call it by its name
    {entry_point} = candidate_source.load(_program(candidate_source.text)).{entry_point}
    check({entry_point})
'''


@dataclass
class HumanEvalDataset:
    """The problems of a HumanEval.jsonl or .jsonl.gz."""

    path: str
    places: Places = field(kw_only=True)
    name: str = "humaneval"

    def __post_init__(self) -> None:
        if not self.path.strip():
            raise ValueError("path must name HumanEval's .jsonl or .jsonl.gz file")

    def load(self) -> Dataset:
        """Read and check the whole file. Raises DatasetError with all faults, one a line."""
        found = Path(self.places.find(self.path))
        try:
            with (gzip.open if found.suffix == ".gz" else open)(found, "rb") as file:
                lines = list(json_lines.read(file.readline))
        except OSError as error:
            raise DatasetError(f"{self.path}: cannot be read: {error.strerror or error}.") from error
        known: dict[str, int] = {}
        faults = [f"{self.path}:{line.number}: {fault}" for line in lines for fault in _faults(line, known)]
        if not lines:
            faults = [f"{self.path}: holds no problem."]
        if faults:
            raise DatasetError(json_lines.told(faults))
        instances = tuple(_instance(line.value) for line in lines)
        return Dataset(self.name, digest(instances), instances)


def _faults(line: json_lines.Line, lines: dict[str, int]) -> Iterator[str]:
    if line.fault:
        yield line.fault
        return
    problem = line.value if isinstance(line.value, dict) else {}
    missing = [key for key in KEYS if not isinstance(problem.get(key), str)]
    if missing:
        yield f"not a HumanEval problem: {', '.join(missing)} must be a text. Other formats: dataset=jsonl"
        return
    name = _id(problem)
    if not ID.fullmatch(name):
        yield f"task_id: {problem['task_id']!r} names no folder; use letters, digits, '.', '_', '-', '/'"
    if name in lines:
        yield f"task_id: {problem['task_id']!r} is already that of line {lines[name]}"
    lines.setdefault(name, line.number)
    if not problem["entry_point"].isidentifier():
        yield f"entry_point: {problem['entry_point']!r} is not the name of a function"
    try:
        ast.parse(problem["prompt"] + "\n" + problem["test"])
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        yield f"prompt, test: are not Python: {error}"


def _id(problem: Mapping[str, Any]) -> str:
    return str(problem["task_id"]).replace("/", "_")


def _instance(problem: Mapping[str, Any]) -> Instance:
    stub = problem["prompt"]
    return Instance(
        id=_id(problem),
        prompt=PROMPT.format(stub=stub.strip("\n")),
        # Not `code:python`: recorded completions are raw continuations, without a fence, whose indent counts.
        answer="completion:python",
        tags=("python",),
        tests=Tests("pytest", code=TESTS.format_map({**problem, "stub": stub}), isolation="values"),
        good=(stub + problem["canonical_solution"],),
        bad=(stub + "    return None\n",),
        metadata={"task_id": problem["task_id"], "entry_point": problem["entry_point"]},
    )
