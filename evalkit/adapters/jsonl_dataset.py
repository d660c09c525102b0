"""A dataset in a JSONL file: every line checked, every fault reported at once, by file, line and key."""

import ast
import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from pathlib import Path, PurePosixPath
from sys import intern
from typing import Any, Protocol

from evalkit.core import json_lines
from evalkit.core.answer import misspelt
from evalkit.core.digest import canonical, digest
from evalkit.core.edits import is_edit, of_files, why_no_edits
from evalkit.core.errors import DatasetError, UsageError
from evalkit.core.ports import Places, Workspace
from evalkit.core.repository_files import RepositoryFiles
from evalkit.core.rubric import Rubric
from evalkit.core.test_files import targets
from evalkit.core.types import Case, Dataset, Instance, Repo, Tests

PATTERNS = {
    "id": "must start with a letter or digit and hold only letters, digits, '.', '_' and '-', at most 120:"
    " it names a folder",
    "answer": "must be 'text', 'json', 'code:LANGUAGE' or 'completion:LANGUAGE', such as 'code:python', or an edit:"
    " 'search_replace', 'unified_diff' or 'whole_file'",
    "commit": "must be the full hash of a commit, 40 hexadecimal digits",
}
NAMED = ("name", "url", "path")  # how a repository may be given
LISTS = ("names", "command", "targets", "fail_to_pass", "pass_to_pass")
TYPES = {
    "object": "an object",
    "array": "a list",
    "string": "a text",
    "number": "a number",
    "boolean": "a boolean",
}


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
            faults = list(dict.fromkeys(_shape_faults(line.value)))
            faults = faults or [*_sense_faults(line.value), *self._repeated(line.value["id"], line.number)]
            self.faults += [f"{where}: {fault}" for fault in faults]
            rubric = self._rubric(line.value, where)
            if not self.faults:
                yield _instance(line.value, rubric, self._workspace)

    def _repeated(self, name: str, number: int) -> Iterator[str]:
        if name in self._lines:
            yield f"id: {name!r} is already the id of line {self._lines[name]}; ids must be unique"
        self._lines.setdefault(name, number)

    def _rubric(self, value: Any, where: str) -> Rubric | None:
        given = value.get("rubric") if isinstance(value, dict) else None
        if not isinstance(given, str | dict):
            return None
        content = canonical(given)
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


@cache
def _checkers() -> dict[str, Any]:
    """The schema, cut by the kind of the tests ("" for the rest): `if` and `$ref` would triple the time of a line."""
    from jsonschema import Draft202012Validator  # noqa: PLC0415  60 ms, needed only where a file is read

    schema = json.loads(files("evalkit").joinpath("schemas", "dataset.json").read_text(encoding="utf-8"))
    parts = _inlined(schema, schema["$defs"])
    tests = parts["properties"]["tests"]
    kinds = {kind: parts["$defs"][kind] for kind in tests["properties"]["kind"]["enum"]}
    del tests["allOf"], parts["$defs"]
    return {kind: Draft202012Validator(part) for kind, part in {"": parts, **kinds}.items()}


def _inlined(part: Any, named: Mapping[str, Any]) -> Any:
    if isinstance(part, dict) and "$ref" in part:
        return _inlined(named[part["$ref"].removeprefix("#/$defs/")], named)
    if isinstance(part, dict):
        return {key: _inlined(value, named) for key, value in part.items()}
    return part


def _shape_faults(value: Any) -> Iterator[str]:
    """What the schema holds against a line, worded for whoever wrote it."""
    checkers = _checkers()
    yield from _worded(checkers[""].iter_errors(value), "")
    tests = value.get("tests") if isinstance(value, dict) else None
    kind = tests.get("kind") if isinstance(tests, dict) else None
    if isinstance(kind, str) and kind and kind in checkers:
        yield from _worded(checkers[kind].iter_errors(tests), "tests")


def _worded(errors: Iterator[Any], under: str) -> Iterator[str]:
    for error in errors:
        key = _key([under, *error.absolute_path] if under else error.absolute_path)
        if error.validator == "additionalProperties":
            yield from _unknown_keys(key, error)
        elif error.validator == "required":
            missing = [name for name in error.validator_value if name not in error.instance]
            yield from (f"{_joined(key, name)}: is missing" for name in missing)
        else:
            yield f"{key or 'the line'}: {_wording(error)}"


def _key(path: Any) -> str:
    key = ""
    for part in path:
        key = f"{key}[{part}]" if isinstance(part, int) else _joined(key, part)
    return key


def _joined(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name


def _unknown_keys(key: str, error: Any) -> Iterator[str]:
    known = list(error.schema["properties"])
    for name in error.instance:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
            yield f"{_joined(key, name)}: unknown key; {hint}"


def _wording(error: Any) -> str:
    match error.validator:
        case "type":
            kinds = [error.validator_value] if isinstance(error.validator_value, str) else error.validator_value
            return f"must be {' or '.join(TYPES[kind] for kind in kinds)}, not {_short(error.instance)}"
        case "pattern":
            return f"{PATTERNS.get(error.absolute_path[-1], 'must not be empty')}, not {_short(error.instance)}"
        case "enum":
            near = get_close_matches(str(error.instance), error.validator_value, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            return f"must be one of {', '.join(error.validator_value)}, not {_short(error.instance)}{hint}"
        case "minItems":
            return "must hold at least one entry"
        case "uniqueItems":
            return f"holds an entry twice: {_short(error.instance)}"
    return str(error.message)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 60 else f"{text[:56]}…"  # noqa: PLR2004  a message stays one line


def _sense_faults(value: Mapping[str, Any]) -> Iterator[str]:
    """What a schema cannot say."""
    if "rubric" not in value and "tests" not in value:
        yield "rubric, tests: at least one of the two must say how candidates are judged"
    yield from _language_faults(_answer(value), value.get("tags", ()))
    yield from _tests_faults(value.get("tests", {}))
    for one in value.get("bad", ()):
        if one in value.get("good", ()):
            yield f"bad: {_short(one)} stands among the good answers too"
    yield from _repo_faults(value)
    yield from _edits_faults(value)
    for path in value.get("files", ()):
        if not path.strip() or PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            yield f"files: {path!r} must be a relative path without '..'"


def _edits_faults(value: Mapping[str, Any]) -> Iterator[str]:
    """What keeps an instance's edits from being applied and tested, and answers from being edits."""
    answer, tests = _answer(value), value.get("tests", {})
    for key in ("good", "bad"):
        for index, made in enumerate(value.get(key, ())):
            fault = why_no_edits(answer, value.get("files", {}), made) if "repo" not in value else _not_text(made)
            if fault:
                yield f"{key}[{index}]: {fault}"
    if "protected" in value and not is_edit(answer):
        yield f"protected: is for answers that are edits, and answer is {answer!r}"
    if "repo" in value or tests.get("kind") == "repo":
        return
    if is_edit(answer) and tests and (tests["kind"] != "pytest" or tests.get("isolation")):
        yield f"tests: edits ({answer}) are tested by kind 'pytest' without isolation only"


def _repo_faults(value: Mapping[str, Any]) -> Iterator[str]:
    """What does not go together with a repository, or without one."""
    tests = value.get("tests", {})
    if "gold" in value and not is_edit(_answer(value)):
        yield f"gold: is for answers that are edits, and answer is {_answer(value)!r}"
    if "repo" not in value:
        if tests.get("kind") == "repo":
            yield "tests: kind 'repo' needs a 'repo' with commit and environment beside it"
        return
    given = [key for key in NAMED if key in value["repo"]]
    if len(given) != 1:
        yield f"repo: give one of {', '.join(NAMED)}" + (f", not {' and '.join(given)}" if given else "")
    if value.get("files"):
        yield "files: are the repository's own where there is a 'repo'"
    if not is_edit(_answer(value)):
        yield f"answer: a repository is answered by edits (search_replace, …), not by {_answer(value)!r}"
    if tests and tests["kind"] != "repo":
        yield f"tests.kind: a repository is tested by kind 'repo', not {tests['kind']!r}"
    elif tests and not _targets(tests):
        yield "tests.targets: is missing, and neither names nor patch say which files to run"


def _not_text(made: object) -> str:
    return "" if isinstance(made, str) else "write the edits out: the repository's files are not read for this"


def _targets(tests: Mapping[str, Any]) -> tuple[str, ...]:
    names = (*tests["fail_to_pass"], *tests.get("pass_to_pass", ()))
    return tuple(tests.get("targets", ())) or targets(tests.get("patch", ""), names)


def _answer(value: Mapping[str, Any]) -> str:
    """As it says; a repository is answered by edits."""
    return str(value.get("answer", "search_replace" if "repo" in value else "text"))


def _language_faults(answer: str, tags: Sequence[str]) -> Iterator[str]:
    """No completion has a block of a language that does not exist; a tag of that name says that it does."""
    language = answer.partition(":")[2]
    if language not in tags and (meant := misspelt(answer)):
        yield f"answer: {answer!r}: did you mean {meant!r}? If {language!r} is a language, name it among the tags too"


def _tests_faults(tests: Mapping[str, Any]) -> Iterator[str]:
    if "call" in tests and not tests["call"].isidentifier():
        yield f"tests.call: {_short(tests['call'])} is not the name of a function"
    if tests.get("kind") == "cases":
        for index, case in enumerate(tests["cases"]):
            if ("returns" in case) == ("raises" in case):
                yield f"tests.cases[{index}]: give either 'returns' or 'raises'"
    if tests.get("kind") == "pytest":
        yield from _code_faults(tests["code"])


def _code_faults(code: str) -> Iterator[str]:
    try:
        ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = f" (its line {error.lineno})" if isinstance(error, SyntaxError) and error.lineno else ""
        yield f"tests.code: is not Python{line}: {getattr(error, 'msg', error)}"


def _instance(value: Mapping[str, Any], rubric: Rubric | None, workspace: Workspace | None) -> Instance:
    repo = _repo(value["repo"]) if "repo" in value else None
    return Instance(
        id=value["id"],
        prompt=value["prompt"],
        answer=intern(_answer(value)),
        tags=tuple(intern(tag) for tag in value.get("tags", ())),
        difficulty=intern(value.get("difficulty", "")),
        rubric=rubric,
        tests=_tests(value["tests"]) if "tests" in value else None,
        good=_answers(value, "good"),
        bad=_answers(value, "bad"),
        files=RepositoryFiles(workspace, repo) if workspace and repo else value.get("files", {}),
        image=value.get("image", ""),
        metadata=value.get("metadata", {}),
        protected=tuple(value["protected"]) if "protected" in value else None,
        repo=repo,
        gold=value.get("gold", ""),
    )


def _repo(value: Mapping[str, Any]) -> Repo:
    name = next(value[key] for key in NAMED if key in value)
    return Repo(intern(name), value["commit"], intern(value["environment"]))


def _answers(value: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """As texts: files that an answer makes are written as edits in the instance's own format."""
    answer, given = _answer(value), value.get("files", {})
    return tuple(one if isinstance(one, str) else of_files(answer, given, one) for one in value.get(key, ()))


def _tests(value: Mapping[str, Any]) -> Tests:
    lists = {key: tuple(value[key]) for key in LISTS if key in value}
    if value["kind"] == "repo":
        lists["targets"] = _targets(value)
    cases = tuple(Case(**{**case, "args": tuple(case.get("args", ()))}) for case in value.get("cases", ()))
    return Tests(**{**value, **lists, "cases": cases})
