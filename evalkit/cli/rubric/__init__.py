"""Test rubrics by their own examples and mutations of them, or show one.

`evalkit rubric test` holds each rule against its accept and reject examples, against the other rules' accepted
ones, against mutations of accepted answers (a rule that none of them breaks never fires) and against rewrites
that mean the same (a rule that fires on one is brittle). It ends with 4 where a rule is wrong, never fires or is
brittle; with --lenient only where one is wrong.
`evalkit rubric show NAME` prints the rules.
"""

import argparse
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.cli.tables import show

if TYPE_CHECKING:
    from evalkit.core.mutation.report import RubricReport
    from evalkit.core.rubric import Rubric, Rule
    from evalkit.run.rubric_trial import Effort

EXAMPLE = "evalkit rubric test rubrics/python_function.yaml"
WRONG = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The two commands and their options."""
    commands = parser.add_subparsers(dest="command", required=True, metavar="test|show")
    test = commands.add_parser("test", help="each rule against its examples and mutations of them")
    test.add_argument(
        "files", nargs="*", metavar="FILE", help="files or names (default: all), and overrides: sandbox=docker"
    )
    test.add_argument("--format", choices=("table", "json"), default="table")
    test.add_argument("--lenient", action="store_true", help="rules that never fire or are brittle are no failure")
    test.add_argument("--with-graders", action="store_true", help="ask models too, where rules do: costs money")
    test.add_argument("--mutations", type=int, default=300, metavar="N", help="tried at most on a rule (300)")
    test.add_argument("--seed", type=int, default=0, metavar="S", help="another seed, other mutations (0)")
    test.epilog = f"example: {EXAMPLE}"
    shown = commands.add_parser("show", help="a rubric's rules", epilog="example: evalkit rubric show json_only")
    shown.add_argument("name", metavar="NAME", help="a rubric's name, or its file")
    shown.add_argument("--format", choices=("table", "json", "csv"), default="table")


def run(args: argparse.Namespace) -> int:
    """Run `rubric test` or `rubric show`. Raises RubricError with all faults of all files."""
    return _test(args) if args.command == "test" else _show(args.name, args.format)


def _test(args: argparse.Namespace) -> int:
    import asyncio  # noqa: PLC0415  `show` needs neither

    from evalkit.cli.rubric.report import as_json, tell  # noqa: PLC0415
    from evalkit.run.rubric_trial import Effort  # noqa: PLC0415  loads the kinds of rules

    effort = Effort(mutations=args.mutations, seed=args.seed, graders=args.with_graders)
    overrides = [word for word in args.files if "=" in word and not Path(word).is_file()]
    rubrics = _load([word for word in args.files if word not in overrides])
    reports = asyncio.run(_tried(rubrics, effort, overrides))
    if args.format == "json":
        print(as_json(reports))
    else:
        tell(reports, lenient=args.lenient)
    return WRONG if any(report.failures(lenient=args.lenient) for report in reports) else 0


def _show(name: str, form: str) -> int:
    rubric = _load([name])[0]
    accept = "all required rules" if rubric.threshold is None else f"{rubric.threshold:g} of the weights"
    columns = {
        "id": "rule",
        "kind": "kind",
        "keys": "keys",
        "message": "says to the model",
        "weight": "weight",
        "required": "required",
    }
    show(
        [_row(rule) for rule in rubric.rules],
        columns,
        title=f"{rubric.name} (accepts by {accept})",
        form=form,
    )
    return 0


def _row(rule: "Rule") -> dict[str, Any]:
    shared = ("id", "kind", "description", "message", "weight", "required", "tags")
    return {**{key: getattr(rule, key) for key in shared}, "keys": _keys(rule.check)}


def _keys(check: Any) -> str:  # of whatever kind; a plug-in's need not be a dataclass
    own = {key.name: getattr(check, key.name) for key in fields(check)} if is_dataclass(check) else {}
    parts = own.pop("of", ())
    said = [f"{key}: {value}" for key, value in own.items() if value]
    said += [f"{part.name} ({part.kind}: {_keys(part.check)})" for part in parts]
    return ", ".join(said)


def _load(wanted: list[str]) -> "list[Rubric]":
    """The rubrics of files or names; without any, all of them. All faults of all files at once."""
    from evalkit.adapters.rubric_files import RubricFolder, load_rubric  # noqa: PLC0415  loads yaml
    from evalkit.core.errors import RubricError  # noqa: PLC0415
    from evalkit.places import rubric_folders  # noqa: PLC0415

    folder = RubricFolder(rubric_folders())
    loaded, faults = [], []
    for name in wanted or folder.names():
        try:
            is_file = Path(name).suffix in (".yaml", ".yml") or Path(name).is_file()
            loaded.append(load_rubric(name) if is_file else folder.find(name))
        except RubricError as error:
            faults.append(str(error))
    if faults:
        raise RubricError("\n".join(faults))
    return loaded


async def _tried(rubrics: "list[Rubric]", effort: "Effort", overrides: list[str]) -> "list[RubricReport]":
    """All reports; sandbox and graders are made only where a rule needs them."""
    from evalkit.run.checking import is_pure  # noqa: PLC0415  see _test
    from evalkit.run.rubric_trial import tried  # noqa: PLC0415

    if all(is_pure(rule.check) for rubric in rubrics for rule in rubric.rules):
        return [await tried(rubric, None, effort) for rubric in rubrics]
    return await _in_worlds(rubrics, effort, overrides)


async def _in_worlds(rubrics: "list[Rubric]", effort: "Effort", overrides: list[str]) -> "list[RubricReport]":
    """Each rubric in a world of its own, whose instance has neither tests nor image."""
    from evalkit.cli.opened import open_wired  # noqa: PLC0415  loads Hydra
    from evalkit.core.errors import SandboxError  # noqa: PLC0415
    from evalkit.core.types import Instance  # noqa: PLC0415
    from evalkit.run.rubric_trial import tried  # noqa: PLC0415

    wired = open_wired(overrides)
    there = True
    try:
        await wired.sandbox.check()
    except SandboxError as error:
        there = False
        print(f"no sandbox, so rules that need one are not tried: {error}", file=sys.stderr)
    try:
        worlds = [wired.world(Instance(rubric.name or "rubric", "")) if there else None for rubric in rubrics]
        return [await tried(rubric, world, effort) for rubric, world in zip(rubrics, worlds, strict=True)]
    finally:
        await wired.close()
