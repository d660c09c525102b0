"""Check, show or sample a dataset, or make one of a repository's history.

A dataset is one of conf/dataset (such as starter), or a .jsonl or .jsonl.gz file.
"""

import argparse
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from evalkit.cli.dataset import check, from_git
from evalkit.cli.dataset.row import LISTED, find, row
from evalkit.cli.tables import FORMATS, counted, show
from evalkit.core.errors import ConfigError
from evalkit.core.types import Instance

EXAMPLE = "evalkit dataset check starter"


class Mixed(argparse.ArgumentParser):
    """Options may stand among the overrides, also behind the dataset's name."""

    _inside = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse's own, which its intermixed one calls in turn."""
        if self._inside:
            return super().parse_known_args(args, namespace)
        self._inside = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._inside = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The subcommands."""
    commands = parser.add_subparsers(
        dest="action", required=True, metavar="check|show|sample|from-git", parser_class=Mixed
    )
    check.add_arguments(_command(commands, "check", "prove that good answers pass, and that wrong and empty ones fail"))
    _command(commands, "show", "list the instances").add_argument("--id", help="show this instance in full")
    sampling = _command(commands, "sample", "the nested sample that a run with these settings takes")
    sampling.add_argument("--size", type=int, metavar="N", help="how many (all)")
    sampling.add_argument("--seed", type=int, metavar="S", help="another seed, another sample (the config's)")
    sampling.add_argument("--by", metavar="FIELD", help="tags, difficulty or a metadata field (the config's)")
    from_git.add_command(commands)


def _command(commands: Any, name: str, does: str) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = commands.add_parser(
        name, help=does, description=does, epilog=f"example: evalkit dataset {name} starter"
    )
    made.add_argument("dataset", metavar="NAME_OR_PATH", help="starter, or a .jsonl file")
    made.add_argument("overrides", nargs="*", metavar="OVERRIDE", help="such as sandbox=unconfined")
    made.add_argument("--format", choices=FORMATS, default="table")
    return made


def run(args: argparse.Namespace) -> int:
    """Exit code 2 where the dataset has faults."""
    if args.action == "from-git":
        return from_git.run(args)
    args.dataset, args.overrides = _chosen(args.dataset, args.overrides)
    _refuse_unknown(args.dataset)
    does = {"check": check.run, "show": _show, "sample": _sample}
    return does[args.action](args)


def _chosen(name: str, overrides: list[str]) -> tuple[str, list[str]]:
    """`dataset=NAME`, as in the other commands, is NAME."""
    words = [name, *overrides]
    found = next((word for word in words if word.startswith("dataset=")), name)
    words.remove(found)
    return found.removeprefix("dataset="), words


def _refuse_unknown(name: str) -> None:
    """A plain word that is neither an option nor a file is a slip: offer what there is."""
    from evalkit.cli.hydra_app import options  # noqa: PLC0415  see run()

    there = options("dataset")
    if name in there or {"/", "."} & set(name) or Path(name).exists():
        return
    near = get_close_matches(name, there, n=1)
    hint = f"did you mean {near[0]!r}?" if near else "give the path of a .jsonl file."
    raise ConfigError(f"no dataset {name!r}; there is {', '.join(there)}: {hint}")


def _sample(args: argparse.Namespace) -> int:
    from evalkit.cli.opened import dataset_overrides, open_wired  # noqa: PLC0415  loads Hydra

    given = {"sample.size": args.size, "seed": args.seed, "sample.by": args.by and f"'{args.by}'"}
    flags = [f"{key}={value}" for key, value in given.items() if value is not None]
    taken = open_wired([*dataset_overrides(args.dataset), *args.overrides, *flags]).instances
    rows = [{"place": place, **row(instance)} for place, instance in enumerate(taken, 1)]
    show(rows, {"place": "", **LISTED}, form=args.format)
    return 0


def _show(args: argparse.Namespace) -> int:
    from evalkit.cli.opened import open_dataset  # noqa: PLC0415  loads Hydra, which --help need not pay

    dataset = open_dataset(args.dataset, args.overrides)
    if args.id is None:
        show([row(instance) for instance in dataset.instances], LISTED, form=args.format)
        return 0
    instance = find(dataset, args.id)
    if args.format == "table":
        _page(instance)
    else:
        rows = [
            {
                **row(instance),
                "prompt": instance.prompt,
                "good": list(instance.good),
                "bad": list(instance.bad),
            }
        ]
        show(rows, {key: key for key in rows[0]}, form=args.format)
    return 0


def _page(instance: Instance) -> None:
    """The instance as a person reads it; the candidates' text is not wrapped, so that it can be copied."""
    for key, value in row(instance).items():
        print(f"{key + ':':12}{value}")
    if instance.repo is not None and instance.tests is not None:
        print(f"repo:       {instance.repo.name} at {instance.repo.commit}, tested in {instance.repo.environment!r}")
        for key in ("targets", "fail_to_pass"):
            print(f"{key + ':':14}{', '.join(getattr(instance.tests, key))}")
        print(f"pass_to_pass: {counted(len(instance.tests.pass_to_pass), 'test')}")
    print(f"\n{instance.prompt}")
    for title, texts in (("good", instance.good), ("bad", instance.bad)):
        for number, text in enumerate(texts, 1):
            print(f"\n--- {title} answer {number}\n{text}")
    for rule in instance.rubric.rules if instance.rubric else ():
        print(f"\n--- rule {rule.id} ({rule.kind})\n{rule.message}")
