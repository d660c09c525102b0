"""What a schema cannot say against a line: keys that do not go together, names and code that cannot be meant."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from evalkit.adapters.jsonl_dataset.making import NAMED, answer_of, targets_of
from evalkit.adapters.jsonl_dataset.shape import short
from evalkit.core.answer import misspelt
from evalkit.core.edits import is_edit, why_no_edits


def sense_faults(value: Mapping[str, Any], *, judged: bool = True) -> Iterator[str]:
    """What a schema cannot say; `judged`: it must say how it is judged."""
    if judged and "rubric" not in value and "tests" not in value:
        yield "rubric, tests: at least one of the two must say how candidates are judged"
    yield from _language_faults(answer_of(value), value.get("tags", ()))
    yield from _tests_faults(value.get("tests", {}))
    for one in value.get("bad", ()):
        if one in value.get("good", ()):
            yield f"bad: {short(one)} stands among the good answers too"
    yield from _repo_faults(value)
    yield from _edits_faults(value)
    for path in value.get("files", ()):
        if not path.strip() or PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            yield f"files: {path!r} must be a relative path without '..'"


def _edits_faults(value: Mapping[str, Any]) -> Iterator[str]:
    """What keeps an instance's edits from being applied and tested, and answers from being edits."""
    answer, tests = answer_of(value), value.get("tests", {})
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
    if "gold" in value and not is_edit(answer_of(value)):
        yield f"gold: is for answers that are edits, and answer is {answer_of(value)!r}"
    if "repo" not in value:
        if tests.get("kind") == "repo":
            yield "tests: kind 'repo' needs a 'repo' with commit and environment beside it"
        return
    given = [key for key in NAMED if key in value["repo"]]
    if len(given) != 1:
        yield f"repo: give one of {', '.join(NAMED)}" + (f", not {' and '.join(given)}" if given else "")
    if value.get("files"):
        yield "files: are the repository's own where there is a 'repo'"
    if not is_edit(answer_of(value)):
        yield f"answer: a repository is answered by edits (search_replace, …), not by {answer_of(value)!r}"
    if tests and tests["kind"] != "repo":
        yield f"tests.kind: a repository is tested by kind 'repo', not {tests['kind']!r}"
    elif tests and not targets_of(tests):
        yield "tests.targets: is missing, and neither names nor patch say which files to run"


def _not_text(made: object) -> str:
    return "" if isinstance(made, str) else "write the edits out: the repository's files are not read for this"


def _language_faults(answer: str, tags: Sequence[str]) -> Iterator[str]:
    """No completion has a block of a language that does not exist; a tag of that name says that it does."""
    language = answer.partition(":")[2]
    if language not in tags and (meant := misspelt(answer)):
        yield f"answer: {answer!r}: did you mean {meant!r}? If {language!r} is a language, name it among the tags too"


def _tests_faults(tests: Mapping[str, Any]) -> Iterator[str]:
    if "call" in tests and not tests["call"].isidentifier():
        yield f"tests.call: {short(tests['call'])} is not the name of a function"
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
