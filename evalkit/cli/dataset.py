"""Check, show or sample a dataset: one of conf/dataset (such as starter), or a .jsonl or .jsonl.gz file."""

import argparse
import asyncio
from collections import Counter
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from evalkit.cli.tables import FORMATS, counted, show
from evalkit.core.errors import ConfigError, DatasetError
from evalkit.core.types import Dataset, Instance

EXAMPLE = "evalkit dataset check starter"
LISTED = {"id": "id", "kind": "kind", "difficulty": "difficulty", "answer": "answer", "tests": "judged by"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The three subcommands."""
    commands = parser.add_subparsers(dest="action", required=True, metavar="check|show|sample")
    check = _command(commands, "check", "prove that good answers pass, and that wrong and empty ones fail")
    check.add_argument("--concurrency", type=int, default=2, metavar="N", help="instances at once (2)")
    _command(commands, "show", "list the instances").add_argument("--id", help="show this instance in full")
    sampling = _command(commands, "sample", "the nested sample that a run with these settings takes")
    sampling.add_argument("--size", type=int, metavar="N", help="how many (all)")
    sampling.add_argument("--seed", type=int, metavar="S", help="another seed, another sample (the config's)")
    sampling.add_argument("--by", metavar="FIELD", help="tags, difficulty or a metadata field (the config's)")


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
    from evalkit.cli.opened import open_dataset  # noqa: PLC0415  loads Hydra, which --help need not pay

    _refuse_unknown(args.dataset)
    if args.action == "sample":
        return _sample(args)
    dataset = open_dataset(args.dataset, args.overrides)
    return _check(dataset, args) if args.action == "check" else _show(dataset, args)


def _refuse_unknown(name: str) -> None:
    """A plain word that is neither an option nor a file is a slip: offer what there is."""
    from evalkit.cli.hydra_app import options  # noqa: PLC0415  see run()

    there = options("dataset")
    if name in there or {"/", "."} & set(name) or Path(name).exists():
        return
    near = get_close_matches(name, there, n=1)
    hint = f"did you mean {near[0]!r}?" if near else "give the path of a .jsonl file."
    raise ConfigError(f"no dataset {name!r}; there is {', '.join(there)}: {hint}")


def _check(dataset: Dataset, args: argparse.Namespace) -> int:
    from evalkit.cli.opened import open_verifier  # noqa: PLC0415
    from evalkit.run.health import check_all  # noqa: PLC0415  see run()

    faults = asyncio.run(check_all(dataset.instances, open_verifier(args.overrides), args.concurrency))
    if args.format == "table":
        _tell(dataset, faults)
    else:
        rows = [_checked(instance, faults.get(instance.id, ())) for instance in dataset.instances]
        show(rows, {key: key for key in rows[0]}, form=args.format)
    if faults:
        some = _some(list(faults))
        which = f"{_share(len(faults), dataset)} unhealthy: {some}"
        raise DatasetError(f"{dataset.name}: {which}. Mend their answers or tests.")
    return 0


def _checked(instance: Instance, faults: tuple[str, ...]) -> dict[str, Any]:
    proofs = {"good": len(instance.good), "bad": len(instance.bad)}
    return {**_row(instance), **proofs, "healthy": not faults, "faults": "; ".join(faults)}


def _tell(dataset: Dataset, faults: Mapping[str, tuple[str, ...]]) -> None:
    _count(dataset)
    if faults:
        rows = [{"id": name, "fault": fault} for name, found in faults.items() for fault in found]
        show(rows, {"id": "id", "fault": "fault"}, title="Faults")
    unproven = [instance.id for instance in dataset.instances if not instance.good]
    if unproven:
        print(f"{len(unproven)} without a good answer, so not proven solvable: {_some(unproven)}")
    judged = sum(len(instance.good) + len(instance.bad) + 1 for instance in dataset.instances)
    healthy = len(dataset.instances) - len(faults)
    print(f"{_share(healthy, dataset)} healthy ({counted(judged, 'answer')} judged).")


def _share(number: int, dataset: Dataset) -> str:
    whole = len(dataset.instances)
    return f"{number} of {counted(whole, 'instance')} {'is' if whole == 1 else 'are'}"


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")  # noqa: PLR2004  enough to find them


def _count(dataset: Dataset) -> None:
    counts = Counter((_row(one)["kind"], one.difficulty) for one in dataset.instances)
    levels = list(dict.fromkeys(level for _, level in sorted(counts, key=_level)))
    rows = [
        {"kind": kind, **{level: counts[kind, level] for level in levels}, " all": _of(counts, kind)}
        for kind in dict.fromkeys(kind for kind, _ in counts)
    ]
    headings = {"kind": "kind", **{level: level or "(none)" for level in levels}, " all": "all"}
    show(rows, headings, title=f"{dataset.name}: {counted(len(dataset.instances), 'instance')}, {dataset.digest[:12]}")


def _level(pair: tuple[str, str]) -> tuple[int, str]:
    usual = ["easy", "medium", "hard"]
    return (usual.index(pair[1]) if pair[1] in usual else len(usual), pair[1])


def _of(counts: Counter[tuple[str, str]], kind: str) -> int:
    return sum(count for (name, _), count in counts.items() if name == kind)


def _row(instance: Instance) -> dict[str, Any]:
    judged = [instance.tests.kind] if instance.tests else []
    judged += [counted(len(instance.rubric.rules), "rule")] if instance.rubric else []
    return {
        "id": instance.id,
        "kind": instance.tags[0] if instance.tags else "",
        "tags": ", ".join(instance.tags),
        "difficulty": instance.difficulty,
        "answer": instance.answer,
        "tests": ", ".join(judged),
    }


def _sample(args: argparse.Namespace) -> int:
    from evalkit.cli.opened import dataset_overrides, open_wired  # noqa: PLC0415  see run()

    given = {"sample.size": args.size, "seed": args.seed, "sample.by": args.by and f"'{args.by}'"}
    flags = [f"{key}={value}" for key, value in given.items() if value is not None]
    taken = open_wired([*dataset_overrides(args.dataset), *args.overrides, *flags]).instances
    rows = [{"place": place, **_row(instance)} for place, instance in enumerate(taken, 1)]
    show(rows, {"place": "", **LISTED}, form=args.format)
    return 0


def _show(dataset: Dataset, args: argparse.Namespace) -> int:
    if args.id is None:
        show([_row(instance) for instance in dataset.instances], LISTED, form=args.format)
        return 0
    instance = _find(dataset, args.id)
    if args.format == "table":
        _page(instance)
    else:
        rows = [
            {
                **_row(instance),
                "prompt": instance.prompt,
                "good": list(instance.good),
                "bad": list(instance.bad),
            }
        ]
        show(rows, {key: key for key in rows[0]}, form=args.format)
    return 0


def _find(dataset: Dataset, name: str) -> Instance:
    found = {instance.id: instance for instance in dataset.instances}
    if name not in found:
        near = get_close_matches(name, found, n=3, cutoff=0.5) or list(found)[:3]
        raise ConfigError(f"{dataset.name} has no instance {name!r}; did you mean {' or '.join(map(repr, near))}?")
    return found[name]


def _page(instance: Instance) -> None:
    """The instance as a person reads it; the candidates' text is not wrapped, so that it can be copied."""
    for key, value in _row(instance).items():
        print(f"{key + ':':12}{value}")
    print(f"\n{instance.prompt}")
    for title, texts in (("good", instance.good), ("bad", instance.bad)):
        for number, text in enumerate(texts, 1):
            print(f"\n--- {title} answer {number}\n{text}")
    for rule in instance.rubric.rules if instance.rubric else ():
        print(f"\n--- rule {rule.id} ({rule.kind})\n{rule.message}")
