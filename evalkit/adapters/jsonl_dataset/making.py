"""A line that has no fault as an instance."""

from collections.abc import Mapping
from functools import lru_cache
from sys import intern
from typing import Any

from evalkit.core.edits import of_files
from evalkit.core.ports import Workspace
from evalkit.core.repository_files import RepositoryFiles
from evalkit.core.rubric import Rubric
from evalkit.core.test_files import targets
from evalkit.core.types import Case, Instance, Repo, Tests

NAMED = ("name", "url", "path")  # how a repository may be given
NONE: Mapping[str, Any] = {}  # one for all: of 100,000 instances each its own took 13 MB
LISTS = ("names", "command", "targets", "fail_to_pass", "pass_to_pass")


def instance(value: Mapping[str, Any], rubric: Rubric | None, workspace: Workspace | None) -> Instance:
    """The instance that a line says; a repository's files are read when they are asked for."""
    repo = _repo(value["repo"]) if "repo" in value else None
    return Instance(
        id=value["id"],
        prompt=value["prompt"],
        answer=intern(answer_of(value)),
        tags=_shared(tuple(value.get("tags", ()))),
        difficulty=intern(value.get("difficulty", "")),
        rubric=rubric,
        tests=_tests(value["tests"]) if "tests" in value else None,
        good=_answers(value, "good"),
        bad=_answers(value, "bad"),
        files=RepositoryFiles(workspace, repo) if workspace and repo else value.get("files", NONE),
        image=value.get("image", ""),
        metadata=value.get("metadata", NONE),
        protected=tuple(value["protected"]) if "protected" in value else None,
        repo=repo,
        gold=value.get("gold", ""),
    )


@lru_cache(maxsize=10_000)
def _shared(tags: tuple[str, ...]) -> tuple[str, ...]:
    """The same object for the same tags."""
    return tuple(map(intern, tags))


def _repo(value: Mapping[str, Any]) -> Repo:
    name = next(value[key] for key in NAMED if key in value)
    return Repo(intern(name), value["commit"], intern(value["environment"]))


def _answers(value: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """As texts: files that an answer makes are written as edits in the instance's own format."""
    answer, given = answer_of(value), value.get("files", {})
    return tuple(one if isinstance(one, str) else of_files(answer, given, one) for one in value.get(key, ()))


def _tests(value: Mapping[str, Any]) -> Tests:
    lists = {key: tuple(value[key]) for key in LISTS if key in value}
    if value["kind"] == "repo":
        lists["targets"] = targets_of(value)
    cases = tuple(Case(**{**case, "args": tuple(case.get("args", ()))}) for case in value.get("cases", ()))
    return Tests(**{**value, **lists, "cases": cases})


def targets_of(tests: Mapping[str, Any]) -> tuple[str, ...]:
    """What is run of a repository's tests, also where the names or the patch say it."""
    names = (*tests["fail_to_pass"], *tests.get("pass_to_pass", ()))
    return tuple(tests.get("targets", ())) or targets(tests.get("patch", ""), names)


def answer_of(value: Mapping[str, Any]) -> str:
    """As it says; a repository is answered by edits."""
    return str(value.get("answer", "search_replace" if "repo" in value else "text"))
