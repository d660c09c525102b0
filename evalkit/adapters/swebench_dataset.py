"""SWE-bench's own format (Jimenez et al. 2024, arXiv:2310.06770), Lite, Verified or full: JSONL, or parquet.

An instance is a repository at a commit, an issue's text, the tests that a fix must make pass and those that must go
on passing. Repositories are looked for when an instance's files are asked for, so a file is read without them.
"""

import ast
import gzip
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from evalkit.core import json_lines
from evalkit.core.digest import digest
from evalkit.core.edits import FORMATS
from evalkit.core.errors import DatasetError
from evalkit.core.ports import Places, Workspace
from evalkit.core.repository_files import RepositoryFiles
from evalkit.core.test_files import targets
from evalkit.core.types import Dataset, Instance, Repo, Tests

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}")
COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
TEXTS = ("instance_id", "repo", "base_commit", "problem_statement", "patch", "test_patch", "version")
NAMES = ("FAIL_TO_PASS", "PASS_TO_PASS")
IMAGES = ("none", "official")
OFFICIAL = "swebench/sweb.eval.x86_64.{name}:latest"
COMMAND = re.compile(r">>>>> Start Test Output'?\n(?P<command>.+)")  # in a row's eval_script
LABELLED = ("django/django",)  # whose runner takes labels, not files


@dataclass
class SweBenchDataset:
    """The instances of a .jsonl, .jsonl.gz or .parquet file; an empty `name` is the file's own.

    `repos` says where repositories are found, `environments` names the recipes that tests run in (docs/datasets.md,
    docs/environments.md), `answer` is the format of edits that is asked for. `images: official` runs tests in the image
    that a row names (or SWE-bench's own for it), instead of in an environment that is built here.
    """

    path: str
    places: Places = field(kw_only=True)
    workspace: Workspace = field(kw_only=True)
    repos: str | dict[str, str] = ""
    environments: str | list[str] | dict[str, Any] = field(default="swebench", metadata={"setting": True})
    answer: str = "search_replace"
    images: str = "none"
    name: str = ""

    def __post_init__(self) -> None:
        """Refuse what can never work. Raises ValueError."""
        if not self.path.strip():
            raise ValueError("path must name a .jsonl, .jsonl.gz or .parquet file")
        for key, known in (("answer", tuple(FORMATS)), ("images", IMAGES)):
            if getattr(self, key) not in known:
                raise ValueError(f"{key} is {getattr(self, key)!r}; it must be one of {', '.join(known)}")

    def load(self) -> Dataset:
        """Read and check the whole file; no repository is needed. Raises DatasetError with all faults, one a line."""
        found = Path(self.places.find(self.path))
        lines = list(self._parquet(found) if found.suffix == ".parquet" else self._json(found))
        if not lines:
            raise DatasetError(f"{self.path}: holds no instance.")
        absent = list(_absent([line.value for line in lines if isinstance(line.value, dict)]))
        faults = [f"{self.path}: {fault}" for fault in absent]
        known: dict[str, int] = {}
        faults = faults or [f"{self.path}:{one.number}: {fault}" for one in lines for fault in _faults(one, known)]
        if faults:
            raise DatasetError(json_lines.told(faults))
        instances = tuple(self._instance(line.value) for line in lines)
        return Dataset(self.name or found.name.split(".")[0], digest(instances), instances)

    def _json(self, found: Path) -> Iterator[json_lines.Line]:
        try:
            with (gzip.open if found.suffix == ".gz" else open)(found, "rb") as file:
                yield from json_lines.read(file.readline)
        except OSError as error:
            raise DatasetError(f"{self.path}: cannot be read: {error.strerror or error}.") from error

    def _parquet(self, found: Path) -> Iterator[json_lines.Line]:
        from pyarrow import ArrowException, parquet  # noqa: PLC0415  100 ms, needed for this format only

        try:
            rows = parquet.read_table(found).to_pylist()
        except (ArrowException, OSError) as error:
            raise DatasetError(f"{self.path}: is no parquet file that can be read: {error}") from error
        yield from (json_lines.Line(number, row) for number, row in enumerate(rows, 1))

    def _instance(self, row: Mapping[str, Any]) -> Instance:
        repo = Repo(row["repo"], row["base_commit"], f"{row['repo']}@{row['version']}")
        return Instance(
            id=row["instance_id"],
            prompt=row["problem_statement"],
            answer=self.answer,
            tags=(row["repo"], row["repo"].rpartition("/")[2], "python"),
            difficulty=row.get("difficulty") or "",
            tests=_tests(row),
            files=RepositoryFiles(self.workspace, repo),
            image=_image(row) if self.images == "official" else "",
            metadata={key: row[key] for key in ("repo", "version", "created_at") if row.get(key)},
            repo=repo,
            gold=row["patch"],
        )


def _absent(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Columns that no row has: one fault each, not one a row."""
    there = dict.fromkeys(key for row in rows for key in row)
    for key in (*TEXTS, *NAMES):
        if rows and key not in there:
            near = get_close_matches(key, there, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; there is {', '.join(map(str, there))}"
            yield f"no column {key!r}, which SWE-bench's files have{hint}"


def _faults(line: json_lines.Line, lines: dict[str, int]) -> Iterator[str]:
    if line.fault or not isinstance(line.value, dict):
        yield line.fault or "must be an object: one instance of SWE-bench"
        return
    row = line.value
    bad = [key for key in TEXTS if not isinstance(row.get(key), str) or not row[key].strip()]
    yield from (f"{key}: {'must be a text' if key in row else 'is missing'}" for key in bad)
    yield from (f"{key}: {fault}" for key in NAMES if (fault := _names_fault(row.get(key))))
    if bad:
        return
    name = row["instance_id"]
    if not ID.fullmatch(name):
        yield f"instance_id: {name!r} names no folder; use letters, digits, '.', '_' and '-'"
    if name in lines:
        yield f"instance_id: {name!r} is already that of line {lines[name]}"
    lines.setdefault(name, line.number)
    if not COMMIT.fullmatch(row["base_commit"]):
        yield f"base_commit: {row['base_commit']!r} is no full hash of a commit (40 hexadecimal digits)"
    if _names_fault(row["FAIL_TO_PASS"]) == "" and not _names(row["FAIL_TO_PASS"]):
        yield "FAIL_TO_PASS: is empty, so that nothing would prove a solution"


def _names_fault(value: Any) -> str:
    try:
        names = _names(value)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return f"must be a list of tests' names, or its text in JSON or Python, not {repr(value)[:60]}"
    return "" if all(isinstance(name, str) for name in names) else "must hold texts only"


def _names(value: Any) -> tuple[str, ...]:
    """A list, or a list's text: SWE-bench's files have been published in all three. Raises ValueError, SyntaxError."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except json.JSONDecodeError:
            value = ast.literal_eval(value)
    if not isinstance(value, list | tuple):
        raise ValueError(value)  # noqa: TRY004  as json and ast do for a text that is none
    return tuple(value)


def _tests(row: Mapping[str, Any]) -> Tests:
    failing, passing = _names(row["FAIL_TO_PASS"]), _names(row["PASS_TO_PASS"])
    said = COMMAND.search(row.get("eval_script") or "")
    return Tests(
        "repo",
        patch=row["test_patch"],
        targets=targets(
            row["test_patch"],
            (*failing, *passing),
            labels=row["repo"] in LABELLED,
            official=said["command"].split() if said else (),
        ),
        fail_to_pass=failing,
        pass_to_pass=passing,
    )


def _image(row: Mapping[str, Any]) -> str:
    return row.get("image") or OFFICIAL.format(name=row["instance_id"].lower().replace("__", "_1776_"))
