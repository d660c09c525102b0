"""evalkit dataset check: are an instance's answers judged as they should be? Its flaky tests are found by repeating."""

import argparse
import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from evalkit.cli.dataset.row import find, row
from evalkit.cli.tables import counted, show
from evalkit.core.errors import ConfigError, DatasetError, SandboxError
from evalkit.core.types import Dataset, Instance

if TYPE_CHECKING:
    from evalkit.adapters.health_cache import HealthCache
    from evalkit.run.health import Health
    from evalkit.wiring import Wired

IN_A_ROW = 5  # outages; then it is not the instances, and the check ends


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `check` takes beside dataset and overrides."""
    parser.add_argument("--concurrency", type=int, default=2, metavar="N", help="instances at once (2)")
    parser.add_argument("--id", action="append", metavar="ID", help="only this instance; may be given again")
    parser.add_argument(
        "--repeat", type=int, default=1, metavar="K", help="judge gold patches K times and leave out flaky tests (1)"
    )
    parser.add_argument("--again", action="store_true", help="also instances with repositories that are proven already")


def run(args: argparse.Namespace) -> int:
    """Exit code 2 where instances have faults, 3 where it could not be found out."""
    from evalkit.cli.opened import dataset_overrides, open_wired  # noqa: PLC0415  loads Hydra

    if args.repeat < 1:
        raise ConfigError(f"--repeat is {args.repeat}; it must be at least 1")
    wired = open_wired([*dataset_overrides(args.dataset), *args.overrides])
    instances = _wanted(wired, args.id)
    found = asyncio.run(_examined(wired, instances, args))
    whole = Dataset(wired.dataset.name, wired.dataset.digest, instances)
    if args.format == "table":
        _tell(whole, found)
    else:
        rows = [_checked(instance, found[instance.id]) for instance in instances]
        show(rows, {key: key for key in rows[0]}, form=args.format)
    return _ended(whole, found)


def _wanted(wired: "Wired", ids: Sequence[str] | None) -> tuple[Instance, ...]:
    """The sample, which is all of them if no size is given; or those that are named."""
    if not ids:
        return wired.instances
    return tuple(find(wired.dataset, name) for name in ids)


async def _examined(
    wired: "Wired", instances: Sequence[Instance], args: argparse.Namespace
) -> dict[str, "Health | None"]:
    """The health of each; None for those that were proven before and take minutes to prove."""
    from evalkit.adapters.health_cache import HealthCache  # noqa: PLC0415  as above
    from evalkit.cli.health_lines import HealthLines  # noqa: PLC0415
    from evalkit.cli.judged_in import judged_by  # noqa: PLC0415
    from evalkit.places import mlruns  # noqa: PLC0415
    from evalkit.run.health import Health, examine_all  # noqa: PLC0415

    await asyncio.to_thread(wired.find_repositories, instances)
    found: dict[str, Health | None] = dict(await _unready(wired, instances))
    cache = HealthCache(mlruns() / "healthy.txt", judged_by(wired), wired.identity.environments)
    if args.repeat == 1 and not args.again:
        found |= {one.id: None for one in instances if one.repo and one.id not in found and cache.healthy(one)}
    lines = HealthLines(len(instances) - len(found))

    def seen(instance: Instance, health: Health) -> None:
        lines(instance, health)
        _remember(wired, cache, instance, health)

    try:
        found |= await examine_all(
            [one for one in instances if one.id not in found],
            wired.verifier,
            args.concurrency,
            repeat=args.repeat,
            seen=seen,
            outages=IN_A_ROW - 1,
        )
    finally:
        if (end := getattr(wired.sandbox, "close", None)) is not None:
            await end()
    return {one.id: found[one.id] for one in instances}


async def _unready(wired: "Wired", instances: Sequence[Instance]) -> dict[str, "Health"]:
    """What is known without a test: instances whose tests have nothing to run in here."""
    from evalkit.run.health import Health  # noqa: PLC0415  as above
    from evalkit.run.preflight import homeless  # noqa: PLC0415

    if not wired.has_repositories:
        return {}
    unfit, away = await homeless(wired.environments, wired.sandbox, instances)
    return {name: Health((why,)) for name, why in unfit.items()} | {
        name: Health(outage=why) for name, why in away.items()
    }


def _remember(wired: "Wired", cache: "HealthCache", instance: Instance, health: "Health") -> None:
    """At once, so that what is found stays found however this ends."""
    from evalkit.core.flaky import without  # noqa: PLC0415

    if health.flaky:
        wired.flaky.note(instance, health.flaky)
    if not health.faults and not health.outage:
        cache.note([without(instance, health.flaky)])


def _ended(dataset: Dataset, found: Mapping[str, "Health | None"]) -> int:
    faults = [name for name, one in found.items() if one and one.faults]
    unknown = [name for name, one in found.items() if one and one.outage]
    if faults:
        which = f"{_share(len(faults), dataset)} unhealthy: {_some(faults)}"
        raise DatasetError(f"{dataset.name}: {which}. Mend their answers or tests.")
    if unknown:
        which = f"of {counted(len(unknown), 'instance')} nothing is known: {_some(unknown)}"
        raise SandboxError(f"{dataset.name}: {which}. Mend what is told above; the same command goes on.")
    return 0


def _checked(instance: Instance, health: "Health | None") -> dict[str, Any]:
    proofs = {"good": len(instance.good) + bool(instance.gold), "bad": len(instance.bad)}
    plain = {**row(instance), **proofs}
    if health is None:
        return {**plain, "healthy": True, "faults": "", "notes": "", "flaky": [], "outage": ""}
    said = {"faults": "; ".join(health.faults), "notes": "; ".join(health.notes), "flaky": list(health.flaky)}
    return {**plain, "healthy": not health.faults and not health.outage, **said, "outage": health.outage}


def _tell(dataset: Dataset, found: Mapping[str, "Health | None"]) -> None:
    _count(dataset)
    judged = {name: one for name, one in found.items() if one is not None}
    _list("Faults", "fault", {name: one.faults for name, one in judged.items()})
    _list("Not known", "why", {name: (one.outage,) for name, one in judged.items() if one.outage})
    _list("Notes", "note", {name: one.notes for name, one in judged.items()})
    flaky = {name: [f"{test}: {how}" for test, how in one.flaky.items()] for name, one in judged.items()}
    _list("Flaky tests, left out from now on (mlruns/flaky.json)", "test", flaky)
    unproven = [instance.id for instance in dataset.instances if not instance.good and not instance.gold]
    if unproven:
        print(f"{len(unproven)} without a good answer, so not proven solvable: {_some(unproven)}")
    healthy = sum(one is None or not (one.faults or one.outage) for one in found.values())
    known = len(found) - len(judged)
    before = f", {known} of them proven before: --again proves them anew" if known else ""
    answers = counted(sum(one.judged for one in judged.values()), "answer")
    print(f"{_share(healthy, dataset)} healthy ({answers} judged{before}).")


def _list(title: str, what: str, lines: Mapping[str, Sequence[str]]) -> None:
    rows = [{"id": name, what: line} for name, found in lines.items() for line in found]
    if rows:
        show(rows, {"id": "id", what: what}, title=title)


def _share(number: int, dataset: Dataset) -> str:
    whole = len(dataset.instances)
    return f"{number} of {counted(whole, 'instance')} {'is' if whole == 1 else 'are'}"


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")  # noqa: PLR2004  enough to find them


def _count(dataset: Dataset) -> None:
    counts = Counter((row(one)["kind"], one.difficulty) for one in dataset.instances)
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
