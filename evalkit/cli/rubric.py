"""Test rubrics by their own examples, or show one.

`evalkit rubric test` holds each rule against its accept and reject examples; it ends with 4 if one is wrong.
`evalkit rubric show NAME` prints the rules.
"""

import argparse
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.cli.tables import show

if TYPE_CHECKING:
    from evalkit.core.rubric import Rubric, Rule

EXAMPLE = "evalkit rubric test rubrics/python_function.yaml"
WRONG = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The two commands and their options."""
    commands = parser.add_subparsers(dest="command", required=True, metavar="test|show")
    test = commands.add_parser("test", help="each rule against its own accept and reject examples")
    test.add_argument("files", nargs="*", metavar="FILE", help="files or names (default: all that are found)")
    test.add_argument("--format", choices=("table", "json"), default="table")
    test.epilog = f"example: {EXAMPLE}"
    shown = commands.add_parser("show", help="a rubric's rules", epilog="example: evalkit rubric show json_only")
    shown.add_argument("name", metavar="NAME", help="a rubric's name, or its file")
    shown.add_argument("--format", choices=("table", "json", "csv"), default="table")


def run(args: argparse.Namespace) -> int:
    """Run `rubric test` or `rubric show`. Raises RubricError with all faults of all files."""
    return _test(args.files, args.format) if args.command == "test" else _show(args.name, args.format)


def _test(wanted: list[str], form: str) -> int:
    tested = [(rubric, [_tested(rule) for rule in rubric.rules]) for rubric in _load(wanted)]
    wrong = sum(rule["verdict"] == "wrong" for _, rules in tested for rule in rules)
    if form == "json":
        import json  # noqa: PLC0415  the table needs none

        print(json.dumps({"rubrics": [{"name": rubric.name, "rules": rules} for rubric, rules in tested]}, indent=2))
    else:
        _table(tested, wrong)
    return WRONG if wrong else 0


def _tested(rule: "Rule") -> dict[str, Any]:
    """A rule as INTERFACE.md has it; mutations are not tried yet."""
    from dataclasses import asdict  # noqa: PLC0415

    from evalkit.core.judge import failed_examples  # noqa: PLC0415  loads the kinds of rules

    failed = failed_examples(rule)
    return {
        "id": rule.id,
        "accepts": len(rule.accept) - sum(example.expected == "accept" for example in failed),
        "rejects": len(rule.reject) - sum(example.expected == "reject" for example in failed),
        "failed_examples": [asdict(example) for example in failed],
        "mutations": {"tried": 0, "caught": 0},
        "verdict": "wrong" if failed else "ok",
    }


def _table(tested: "list[tuple[Rubric, list[dict[str, Any]]]]", wrong: int) -> None:
    columns = {
        "rubric": "rubric",
        "id": "rule",
        "accepts": "accepts",
        "rejects": "rejects",
        "verdict": "verdict",
    }
    show([{"rubric": rubric.name, **rule} for rubric, rules in tested for rule in rules], columns)
    for rubric, rules in tested:
        for rule in rules:
            for example in rule["failed_examples"]:
                print(
                    f"{rubric.name}: {rule['id']}: should {example['expected']} {example['example']!r}, "
                    f"but found {example['found']}"
                )
    rules_total = sum(len(rules) for _, rules in tested)
    outcome = f"{wrong} wrong" if wrong else "all do as their examples say"
    print(f"{rules_total} rules in {len(tested)} rubrics: {outcome}")


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
    check: Any = rule.check  # of whatever kind; a plug-in's need not be a dataclass
    keys = [key.name for key in fields(check)] if is_dataclass(check) else []
    own = {key: getattr(check, key) for key in keys if getattr(check, key)}
    shared = ("id", "kind", "description", "message", "weight", "required", "tags")
    row = {key: getattr(rule, key) for key in shared}
    return {**row, "keys": ", ".join(f"{key}: {value}" for key, value in own.items())}


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
