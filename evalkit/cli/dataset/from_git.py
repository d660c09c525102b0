"""evalkit dataset from-git: instances from commits that bring tests; what the tests say before and after proves them.

REPO is a clone or bare mirror. The commit's changes to tests become the instance's tests, all others its gold patch.
Instances are appended to --out; what their tests run in is described once in environments.yaml beside it.
"""

import argparse
import asyncio
import json
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.cli.tables import FORMATS, counted, show
from evalkit.core.errors import ConfigError, DatasetError
from evalkit.core.test_files import is_test, targets
from evalkit.core.types import Repo

if TYPE_CHECKING:
    from evalkit.adapters.git_history import Commit, GitHistory
    from evalkit.core.types import Tests
    from evalkit.run.from_history import Change
    from evalkit.wiring import Wired

TEST = "python -m pytest -q -p no:cacheprovider {targets}"
EXAMPLE = 'evalkit dataset from-git ../shop --commits v1.0..main --test "python -m pytest -q {targets}"'
ENVIRONMENTS = "environments.yaml"
COLUMNS = {"commit": "commit", "title": "title", "taken": "taken", "why": "why"}


def add_command(commands: Any) -> None:
    """The subcommand."""
    parser = commands.add_parser(
        "from-git",
        help="instances from commits that bring tests",
        description=__doc__.partition("\n\n")[2],
        epilog=f"example: {EXAMPLE}",
    )
    parser.add_argument("repo", metavar="REPO", help="the path of a clone or bare mirror")
    parser.add_argument("overrides", nargs="*", metavar="OVERRIDE", help="such as sandbox=docker")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--commit", default="HEAD", metavar="SHA", help="this one (HEAD)")
    which.add_argument("--commits", metavar="A..B", help="all that are suitable; the others are told with the reason")
    parser.add_argument("--out", default="tasks.jsonl", type=Path, metavar="FILE", help="append to it (tasks.jsonl)")
    parser.add_argument("--prompt", type=Path, metavar="FILE", help="the task (the commit's message)")
    parser.add_argument("--name", help="what the dataset calls REPO, found by dataset.repos (else by its path)")
    parser.add_argument("--environment", metavar="NAME", help="what tests run in (REPO's name)")
    parser.add_argument("--test", metavar="COMMAND", help=f"the test command ({TEST})")
    parser.add_argument("--report", choices=("pytest", "unittest", "sympy"), help="how outcomes are read (pytest)")
    parser.add_argument("--package", action="append", metavar="REQ", help="a pip requirement (pytest); may be repeated")
    parser.add_argument("--repeat", type=int, default=1, metavar="K", help="run with the solution K times (1)")
    parser.add_argument("--format", choices=FORMATS, default="table")


def run(args: argparse.Namespace) -> int:
    """Exit code 2 where no commit is suitable."""
    from evalkit.adapters.git_history import GitHistory  # noqa: PLC0415  --help need not pay for these
    from evalkit.cli.opened import open_wired  # noqa: PLC0415

    _refuse(args)
    history = GitHistory(Path(args.repo).expanduser())
    commits = history.between(args.commits) if args.commits else [history.commit(args.commit)]
    if not commits:
        raise DatasetError(f"{args.repo!r}: there are no commits in {args.commits!r}; write OLDER..NEWER.")
    name = args.name or history.origin()
    recipes = args.out.with_name(ENVIRONMENTS)
    earlier = recipes.read_bytes() if recipes.exists() else None
    environment = _described(args, name)
    settings = {"dataset.path": args.out, "dataset.environments": args.out.with_name(ENVIRONMENTS)}
    quoted = [f"{key}='{value.absolute()!s}'" for key, value in settings.items()]
    wired = open_wired(["dataset=repo", *quoted, *args.overrides])
    made = asyncio.run(_made(wired, _Source(history, name, environment, args), commits))
    taken = sum(row["taken"] == "yes" for row in made)
    where = "" if taken else _where(args, made)
    if not taken and not where:  # nothing is to be mended in it, so it stays as it was
        recipes.unlink() if earlier is None else recipes.write_bytes(earlier)
    if args.format == "table" and not args.commits and not taken:
        raise DatasetError(f"{made[0]['commit']} ({made[0]['title']}): {made[0]['why']}.{where}")
    show(made, COLUMNS, form=args.format)
    if not taken:
        raise DatasetError(f"none of {counted(len(made), 'commit')} is suitable; the reasons stand above.{where}")
    if args.format == "table":
        print(f"{counted(taken, 'instance')} appended to {args.out}. Next: evalkit dataset check {args.out}")
    return 0


def _where(args: argparse.Namespace, made: list[dict[str, Any]]) -> str:
    """Where to mend what tests run in, if a commit's did not run."""
    failed = any(row["why"].startswith(("no test ran", "no test passes")) for row in made)
    return f" It stands in {args.out.with_name(ENVIRONMENTS)}." if failed else ""


def _refuse(args: argparse.Namespace) -> None:
    if args.repeat < 1:
        raise ConfigError(f"--repeat is {args.repeat}; it must be at least 1")
    if args.test is not None and "{targets}" not in args.test:
        raise ConfigError(f"--test {args.test!r} does not say where the test files go: write {{targets}}")
    if args.prompt and not args.prompt.is_file():
        raise ConfigError(f"no file {str(args.prompt)!r} (--prompt)")


@dataclass(frozen=True)
class _Source:
    """Where instances come from, and what was asked of them."""

    history: "GitHistory"
    name: str
    environment: str
    args: argparse.Namespace

    @property
    def short(self) -> str:
        return re.sub(r"[^A-Za-z0-9._-]+", "-", self.name.rpartition("/")[2]).strip("-._") or "repo"


async def _made(wired: "Wired", source: _Source, commits: "list[Commit]") -> list[dict[str, Any]]:
    """A row a commit; what is suitable is written at once."""
    from evalkit.run.from_history import Unsuitable, proven  # noqa: PLC0415  as above

    there = _ids(source.args.out)
    rows = []
    try:
        for number, commit in enumerate(commits, 1):
            row = {"commit": commit.id[:10], "title": commit.title, "taken": "no"}
            try:
                change = _change(source, commit, there)
                tests = await proven(
                    change, wired.sandbox, wired.workspace, wired.environments, repeat=source.args.repeat
                )
                _append(source, commit, change, tests)
                count = f"{len(tests.fail_to_pass)} fail_to_pass, {len(tests.pass_to_pass)} pass_to_pass"
                row |= {"taken": "yes", "why": count}
            except Unsuitable as why:
                row["why"] = str(why)
            rows.append(row)
            if len(commits) > 1:  # each may take minutes
                print(f"{number} of {len(commits)}: {row['commit']} {row['taken']}: {row['why']}", file=sys.stderr)
    finally:
        if (end := getattr(wired.sandbox, "close", None)) is not None:
            await end()
    return rows


def _change(source: _Source, commit: "Commit", there: set[str]) -> "Change":
    """What the commit does, parted into tests and solution. Raises Unsuitable."""
    from evalkit.run.from_history import Change, Unsuitable  # noqa: PLC0415  as above

    name = f"{source.short}-{commit.id[:10]}"
    if name in there:
        raise Unsuitable(f"{name} is in {source.args.out} already")
    if len(commit.parents) != 1:
        raise Unsuitable("is a merge" if commit.parents else "has no parent")
    paths = source.history.paths(commit)
    tests = [path for path in paths if is_test(path)]
    solution = [path for path in paths if path not in tests]
    if binary := source.history.binary(commit):
        raise Unsuitable(f"changes {binary[0]}, which is no text")
    for what, found in (("brings no tests", tests), ("changes nothing but tests", solution)):
        if not found:
            raise Unsuitable(what)
    patch = source.history.diff(commit, tests)
    wanted = _targets(patch, source.args.test or TEST)
    if not wanted:
        raise Unsuitable(f"touches no test file that could be run ({', '.join(tests[:3])})")
    repo = Repo(str(source.history.path.resolve()), commit.parents[0], source.environment)
    return Change(name, repo, source.history.diff(commit, solution), patch, wanted)


def _targets(patch: str, test: str) -> tuple[str, ...]:
    """The test files that are there after the commit, as the command wants them."""
    gone = re.findall(r"^diff --git a/.+ b/(.+)\ndeleted file mode", patch, re.MULTILINE)
    kept = "".join(part for part in re.split(r"(?=^diff --git )", patch, flags=re.MULTILINE) if not _is_of(part, gone))
    found = targets(kept, (), labels="runtests.py" in test)
    return tuple(one for one in found if "conftest" not in one and not one.endswith("__init__.py"))


def _is_of(part: str, paths: list[str]) -> bool:
    return any(part.startswith(f"diff --git a/{path} b/{path}\n") for path in paths)


def _append(source: _Source, commit: "Commit", change: "Change", tests: "Tests") -> None:
    args = source.args
    prompt = args.prompt.read_text(encoding="utf-8") if args.prompt else commit.message
    where = {"name": args.name} if args.name else {"path": change.repo.name}
    line = {
        "id": change.id,
        "prompt": prompt.strip(),
        "tags": [source.name],
        "repo": {**where, "commit": change.repo.commit, "environment": source.environment},
        "gold": change.gold,
        "tests": {
            "kind": "repo",
            "patch": tests.patch,
            "targets": tests.targets,
            "fail_to_pass": tests.fail_to_pass,
            "pass_to_pass": tests.pass_to_pass,
        },
        "metadata": {"repo": source.name, "created_at": commit.created_at, "solved_by": commit.id},
    }
    with args.out.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, ensure_ascii=False) + "\n")


def _ids(path: Path) -> set[str]:
    return set(_read_ids(path)) if path.exists() else set()


def _read_ids(path: Path) -> Iterator[str]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            if line.strip():
                yield json.loads(line)["id"]
        except (ValueError, KeyError, TypeError) as error:
            raise DatasetError(f"{path}:{number}: is no instance; nothing was appended.") from error


def _described(args: argparse.Namespace, name: str) -> str:
    """The environment's name; it is written down, unless it stands there already."""
    from importlib.metadata import version  # noqa: PLC0415  as above

    import yaml  # noqa: PLC0415

    chosen: str = args.environment or name.rpartition("/")[2]
    path = args.out.with_name(ENVIRONMENTS)
    given = {"test": shlex.split(args.test or TEST), "report": args.report, "packages": args.package}
    told = {key: value for key, value in given.items() if value}
    try:
        there = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: is no YAML: {' '.join(str(error).split())}") from error
    known = there.get(chosen) if isinstance(there, dict) else None
    if known is not None:
        asked = {key: value for key, value in told.items() if key != "test" or args.test}
        if differs := [key for key, value in asked.items() if known.get(key) != value]:
            raise ConfigError(
                f"{path}: {chosen!r} has another {' and '.join(differs)}; edit it there, or name another --environment"
            )
        return chosen
    usual = {"packages": [f"pytest=={version('pytest')}"]} if args.report in (None, "pytest") else {}
    described = {chosen: {**usual, **told}}
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(yaml.safe_dump(described, sort_keys=False, allow_unicode=True))
    return chosen
