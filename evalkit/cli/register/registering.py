"""From a run to a model version: what is refused, what is compared, what is recorded."""

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from evalkit.adapters.mlflow_publish import read_record
from evalkit.adapters.mlflow_registry import Registry, Served, Version
from evalkit.adapters.run_results import read_summary
from evalkit.cli.fetched_models import bundle_of
from evalkit.cli.register.bundle import FACTS, evidence, write
from evalkit.cli.runs_of import run_folder, told
from evalkit.core.errors import ConfigError, RefusedError
from evalkit.core.pairing import Side
from evalkit.core.ports import RunRecord
from evalkit.core.promotion import NOTHING, Candidate, Ruling, best, may_move
from evalkit.core.summary import Summary
from evalkit.core.traits import traits
from evalkit.places import PACKAGE
from evalkit.service.packing import pack, pinned
from evalkit.settings import read
from evalkit.wiring import Wired

CHAMPION = "champion"  # what a version without an alias is compared with, if there is one
ORACLE = "oracle"


@dataclass(frozen=True)
class Registered:
    """What was done: `made` a version or not, which now has `alias` (None: none was asked for)."""

    version: Version
    run: str
    key: str
    made: bool
    alias: str | None
    ruling: Ruling | None
    lines: tuple[str, ...]
    tags: Mapping[str, str]

    @property
    def plain(self) -> dict[str, Any]:
        """For programs."""
        version = self.version
        found = asdict(self.ruling) if self.ruling else None
        named = {"name": version.name, "version": version.number, "uri": version.uri, "alias": self.alias}
        return {**named, "made": self.made, "run": self.run, "key": self.key, "ruling": found, "tags": dict(self.tags)}


class Registering:
    """One registration. Raises RefusedError with the rule that it broke, ConfigError for bad input."""

    def __init__(self, args: argparse.Namespace, uri: str, home: str) -> None:
        self._args = args
        self._uri = uri
        self._registry = Registry(uri, home)

    def registered(self) -> Registered:
        """Register the run, unless this very run has the alias already."""
        args, wired = self._args, self._wired
        self._refuse()
        holder = self._registry.holder(args.name, args.alias or CHAMPION)
        if args.alias and holder is not None and holder.tags.get("evalkit.key") == self._summary.key:
            return self._done(holder, holder.tags, [f"it is @{args.alias} already: nothing to do"])
        ruling = may_move(self._side(holder), self._own_side, args.margin, simulated=args.allow_simulated)
        compared = f"{holder.uri} (@{args.alias or CHAMPION})" if holder else ""
        if args.alias and not ruling.allowed and not args.force:
            raise RefusedError(_refusal(ruling, compared))
        tags = self._tags(ruling, holder)
        with tempfile.TemporaryDirectory() as scratch:
            bundle = Path(scratch) / "bundle"
            facts = {"run_id": self._run_id, "registered": {"name": args.name, "alias": args.alias, "tags": tags}}
            write(bundle, self._folder, wired, self._summary, facts)
            told = evidence(ruling, holder.uri if holder else "", args.margin)
            (bundle / "evidence.json").write_text(json.dumps(told, indent=2), encoding="utf-8")
            version = self._registry.put(
                args.name,
                bundle,
                _served(wired, Path(scratch)),
                run_id=self._run_id,
                tags=tags,
                note=self._note(ruling, compared),
            )
        lines = [f"compared with {compared}: {ruling.why}"] if compared else []
        lines += [ruling.why] if not compared and not ruling.allowed else []
        if args.alias:
            self._registry.point(args.alias, version)
            forced = " (forced, recorded)" if not ruling.allowed else ""
            lines.append(
                f"@{args.alias} is version {version.number} now" + (f", was {holder.number}" if holder else "") + forced
            )
        else:
            lines.append("no alias was moved: --alias champion makes it the champion, if a comparison allows it")
        return self._done(version, tags, lines, ruling)

    def _done(
        self, version: Version, tags: Mapping[str, str], lines: Sequence[str], ruling: Ruling | None = None
    ) -> Registered:
        name, key = self._summary.name, self._summary.key
        return Registered(version, name, key, ruling is not None, self._args.alias, ruling, tuple(lines), tags)

    @cached_property
    def _folder(self) -> Path:
        return run_folder(self._args.run or self._best().run_id, self._uri)

    @cached_property
    def _summary(self) -> Summary:
        return read_summary(self._folder)

    @cached_property
    def _record(self) -> RunRecord:
        return read_record(self._folder)

    @cached_property
    def _run_id(self) -> str:
        found = told(self._folder, "published.json", "run_id") or (
            self._folder.name if self._folder.parent.name == "fetched" else ""
        )
        if not found:
            raise ConfigError(
                f"run {self._summary.name!r} is not in MLflow, where its version would point to: "
                f"evalkit publish {self._folder.name} brings it there."
            )
        return found

    @cached_property
    def _wired(self) -> Wired:
        """The run's objects, of today's files. Raises RefusedError where those are not what the run was made with."""
        try:
            config = yaml.safe_load((self._folder / "config.yaml").read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ConfigError(f"{self._folder / 'config.yaml'}: cannot be read: {error}") from error
        if not isinstance(config, dict):
            raise ConfigError(f"{self._folder / 'config.yaml'}: is no config. The run's command makes it again.")
        params = self._record.params
        choices = {name: params[name] for name in config if isinstance(config[name], dict) and name in params}
        return Wired(config, choices, read(config))

    def _refuse(self) -> None:
        summary, record, args = self._summary, self._record, self._args
        if record.kind != "run":
            raise RefusedError(f"{summary.name!r} is of kind {record.kind}; only a run's config can be registered.")
        if summary.status != "complete":
            raise RefusedError(
                f"run {summary.name!r} is {summary.status}: {summary.why}. Let it end: the same command continues it."
            )
        if summary.simulated and not args.allow_simulated:
            raise RefusedError(
                f"run {summary.name!r} is simulated: scripted or replayed answers prove nothing of a model. "
                "--allow-simulated registers it all the same, and records that."
            )
        if "evalkit.regraded" in record.tags or "evalkit.source" in record.tags:
            raise RefusedError(f"run {summary.name!r} is a regrade: run its config, and register that run.")
        if summary.tags.get("evalkit.context") == ORACLE:
            raise RefusedError(
                f"run {summary.name!r} showed models what to change (context oracle): it proves nothing."
            )
        self._refuse_changed()

    def _refuse_changed(self) -> None:
        if self._wired.key == self._summary.key:
            return
        was, now = self._summary.dataset.digest, self._wired.dataset.digest
        what = "the dataset" if was != now else "a rubric, a skill, an image's recipe or evalkit itself"
        raise RefusedError(
            f"{what} has changed since run {self._summary.name!r}: what would be registered is not what was "
            "measured. Run it again, and register that run."
        )

    @cached_property
    def _own_side(self) -> Side:
        return Side("it", self._summary, {one.instance_id: one for one in traits(self._wired.instances)})

    def _side(self, holder: Version | None) -> Side | None:
        if holder is None:
            return None
        return Side(f"version {holder.number}", read_summary(bundle_of(self._registry, holder)))

    def _tags(self, ruling: Ruling, holder: Version | None) -> dict[str, str]:
        args, summary = self._args, self._summary
        found = {
            "evalkit.key": summary.key,
            "evalkit.run_id": self._run_id,
            "evalkit.dataset": f"{summary.dataset.name} {summary.dataset.digest[:16]}",
            "evalkit.simulated": str(summary.simulated).lower(),
            "evalkit.rule": ruling.rule,
            "evalkit.why": ruling.why,
            "evalkit.margin": str(args.margin),
        }
        if holder is not None:
            found["evalkit.compared_with"] = holder.uri
        if args.force and not ruling.allowed:
            found["evalkit.forced"] = f"--force: {ruling.why}"
        if args.best:
            found["evalkit.best"] = f"{args.best} in {args.experiment}" + (f" where {args.where}" if args.where else "")
        return found

    def _note(self, ruling: Ruling, compared: str) -> str:
        summary = self._summary
        rate = summary.solved_rate
        shown = f" ({rate.value:.0%}, 95 % {rate.low:.0%} to {rate.high:.0%})" if rate else ""
        judged = summary.counts["solved"] + summary.counts["unsolved"]
        warned = "**Simulated:** scripted or replayed answers, no live model.\n\n" if summary.simulated else ""
        solved = f"solved {summary.counts['solved']} of {judged}{shown} of dataset {summary.dataset.name}"
        against = f"\n\nCompared with {compared}: {ruling.why}." if compared else ""
        return f"{warned}Run **{summary.name}** ({summary.key}): {solved}, ladder {summary.ladder}.{against}"

    def _best(self) -> Candidate:
        args = self._args
        candidates = self._registry.candidates(args.experiment, args.where)
        if not candidates:
            raise ConfigError(
                f"experiment {args.experiment!r} has no complete, live run"
                + (f" where {args.where}" if args.where else "")
            )
        _refuse_other_samples(candidates)
        found = best(candidates, args.best, useless=args.force)
        cost = "unknown" if found.cost_usd is None else f"${found.cost_usd:.4f}"
        which = f"best {args.best} of {len(candidates)} runs: {found.name} ({found.run_id[:8]})"
        print(f"{which}, {found.metrics[args.best]:.4g}, cost {cost}", file=sys.stderr)
        return found


def _refusal(ruling: Ruling, compared: str) -> str:
    against = f"against {compared}: " if compared else ""
    margin = "" if ruling.rule == NOTHING else "--margin sets how much worse it may be, "
    return (
        f"refused: {against}{ruling.why}. Nothing was registered; without --alias it is, {margin}"
        "--force moves the alias all the same, and is recorded."
    )


def _refuse_other_samples(candidates: Sequence[Candidate]) -> None:
    """A rate on five easy instances is not better than one on a hundred hard ones."""
    samples: dict[tuple[str, ...], list[Candidate]] = {}
    for one in candidates:
        samples.setdefault(one.sample, []).append(one)
    if len(samples) > 1:
        shown = "; ".join(
            f"{len(ones)} on {key[1]} climbs of {key[0]}, e.g. {ones[0].name}" for key, ones in samples.items()
        )
        raise ConfigError(
            f"these runs are not on the same instances: {shown}. Choose with --where, e.g. "
            "--where \"params.dataset = 'starter' and params.`sample.size` = '15'\"."
        )


def _served(wired: Wired, scratch: Path) -> Served:
    used = {rung.model.partition("/")[0] for rung in wired.rungs.values()}
    return Served(PACKAGE / "service" / "model.py", pack(scratch / "evalkit.zip"), pinned({"local"} & used))


__all__ = ["FACTS", "Registered", "Registering"]
