"""What evalkit simulate finds, put together: evidence, priced; the search; the ladders worth showing."""

import argparse
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from evalkit.cli.ladder_file import ladder_path, write_ladder
from evalkit.cli.pricing import Pricing
from evalkit.cli.recordings import Recorded
from evalkit.cli.tables import counted, show
from evalkit.core.errors import ConfigError
from evalkit.core.frontier import Point
from evalkit.core.simulate import Evidence, Found, Outcome, Spec, ladder_of, outcome, search, spec_name
from evalkit.places import home, mlruns

DEEPEST = 4  # attempts a rung that are tried unless asked otherwise
MOST_RUNGS = 10
MOST_SHOWN = 12  # of the frontier


@dataclass(frozen=True)
class Shown:
    """A ladder of the table. `kinds` say why it is there: frontier, best, alone, as run, asked for."""

    name: str
    kinds: tuple[str, ...]
    outcome: Outcome


class Simulation:
    """One command's work."""

    def __init__(self, runs: Sequence[Recorded], args: argparse.Namespace) -> None:
        self.runs, self._args = runs, args
        self.pricing = Pricing(runs, args.price, args.cost)
        self.evidence = self._evidence(runs, untold=args.feedback == "none")
        if not self.evidence.units:
            raise ConfigError("the runs share no instance that each of them judged, so there is nothing to simulate")
        self.max_attempts = args.max_attempts or self.evidence.recordings[0].max_attempts
        if args.budget is not None and self.pricing.unit != "usd":
            said = f"--budget is in US dollars, but here costs are counted in {self.pricing.unit}"
            raise ConfigError(f"{said}; give --price RUNG=PROMPT,COMPLETION for each rung, or leave --budget out")
        self.path = ladder_path(args.write or "simulated") if args.budget is not None or args.write else None

    def _evidence(self, runs: Sequence[Recorded], *, untold: bool = False) -> Evidence:
        return Evidence([one.recording() for one in runs], self.pricing.cost, untold=untold)

    @cached_property
    def there(self) -> list[str]:
        """The rungs of which anything is known. Raises ConfigError where nothing is."""
        found = [name for name, usual in self.evidence.usual.items() if usual.attempts]
        if not found:
            raise ConfigError("no attempt was recorded, so there is nothing to simulate")
        return found

    @cached_property
    def attempts(self) -> dict[str, int]:
        """The rungs that the search is about, with the most attempts of each."""
        names = self._asked_rungs()
        greedy = {name for name in names if self.evidence.sources[name].temperature == 0}
        alike = not self.evidence.told  # the same prompt again, which greedily is not asked twice
        found = {}
        for name in names:
            deepest = max(1, self.evidence.depth(name))
            most = self._args.attempts or min(deepest, DEEPEST)
            found[name] = 1 if alike and name in greedy else most
        return found

    def _asked_rungs(self) -> list[str]:
        wanted = self._args.rungs.split(",") if self._args.rungs else self.there
        for name in wanted:
            _known(name, self.there, "--rungs")
        if len(wanted) > MOST_RUNGS:
            raise ConfigError(
                f"{len(wanted)} rungs are more than {MOST_RUNGS}; name fewer by --rungs {','.join(wanted[:3])}"
            )
        return wanted

    @cached_property
    def found(self) -> Found:
        """The search."""
        budget = None if self._args.budget is None else self._args.budget / len(self.evidence.units)
        return search(self.evidence, self.max_attempts, self.attempts, budget=budget, seed=self._args.seed)

    @cached_property
    def best(self) -> Spec:
        """The ladder that solves most within the budget. Raises ConfigError where none does."""
        if self.found.best is None:
            cheapest = self.found.frontier[0] if self.found.frontier else ()
            cost = self._simulated(cheapest).cost.value * len(self.evidence.units)
            raise ConfigError(
                f"no ladder costs ${self._args.budget:g} or less on {counted(len(self.evidence.units), 'climb')}; "
                f"the cheapest, {spec_name(cheapest)}, costs ${cost:.4g}"
            )
        return self.found.best

    @cached_property
    def shown(self) -> tuple[Shown, ...]:
        """The ladders worth showing, cheapest first."""
        kinds: dict[Spec, list[str]] = {}
        for spec in self.frontier:
            kinds.setdefault(spec, []).append("frontier")
        kinds.setdefault(self.best, []).append("best")
        for name in self.attempts:
            kinds.setdefault(((name, 1),), []).append("alone")
        for spec in self._equal_budget():
            kinds.setdefault(spec, []).append("same budget")
        for text in self._args.ladder:
            kinds.setdefault(self._spec(text), []).append("asked for")
        as_run = []
        for one in self.as_run:
            spec = self._own(one.outcome)
            if spec in kinds and self._simulated(spec) == replace(one.outcome, ladder=self._simulated(spec).ladder):
                kinds[spec].append("as run")
            else:
                as_run.append(one)
        rows = [Shown(spec_name(spec), tuple(why), self._simulated(spec)) for spec, why in kinds.items()]
        return tuple(sorted([*rows, *as_run], key=lambda one: (one.outcome.cost.value, -one.outcome.solved)))

    def _own(self, result: Outcome) -> Spec:
        """A run's ladder in the simulation's words."""
        return tuple((self.evidence.source_of(rung), rung.attempts) for rung in result.ladder.rungs.values())

    @cached_property
    def frontier(self) -> tuple[Spec, ...]:
        """Of the frontier, ends included, as many as a table takes."""
        every = self.found.frontier
        if len(every) <= MOST_SHOWN:
            return every
        step = (len(every) - 1) / (MOST_SHOWN - 1)
        return tuple(every[round(place * step)] for place in range(MOST_SHOWN))

    def _equal_budget(self) -> list[Spec]:
        """Samples of one model alone, as many as cost no more than the best ladder."""
        limit = self._simulated(self.best).cost.value * (1 + 1e-9)
        found: list[Spec] = []
        for name, most in self.attempts.items():
            within = [((name, count),) for count in range(2, most + 1)]
            paid = [spec for spec in within if self._simulated(spec).cost.value <= limit]
            found += paid[-1:]
        return found

    @cached_property
    def as_run(self) -> tuple[Shown, ...]:
        """The runs' own ladders, climbed again over their own answers: they must come to what was recorded."""
        found = []
        for run in self.runs:
            own = self._evidence([run])
            recording = own.recordings[0]
            result = outcome(recording.ladder, recording.max_attempts, own, seed=self._args.seed)
            found.append(Shown(run.name, ("as run",), result))
        return tuple(found)

    @cached_property
    def _cache(self) -> dict[Spec, Outcome]:
        return {}

    def _simulated(self, spec: Spec) -> Outcome:
        if spec not in self._cache:
            ladder = ladder_of(self.evidence, spec)
            self._cache[spec] = outcome(ladder, self.max_attempts, self.evidence, seed=self._args.seed)
        return self._cache[spec]

    def _spec(self, text: str) -> Spec:
        """`small:2,big`. Raises ConfigError."""
        found: list[tuple[str, int]] = []
        for part in text.split(","):
            name, _, count = part.partition(":")
            _known(name, self.there, "--ladder")
            if count and (not count.isdecimal() or int(count) == 0):
                raise ConfigError(f"--ladder {text!r}: {count!r} is no number of attempts; write {name}:2")
            if name in dict(found):
                raise ConfigError(f"--ladder {text!r} names {name} twice; {name}:2 are two attempts")
            found.append((name, int(count or 1)))
        return tuple(found)

    def write(self) -> Path | None:
        """Write the best ladder, where it was asked for."""
        if self.path is None:
            return None
        result = self._simulated(self.best)
        ladder = ladder_of(self.evidence, self.best)
        ladder.rungs = {name: self.pricing.priced(name, rung) for name, rung in ladder.rungs.items()}
        write_ladder(self.path, ladder, self._reasons(result))
        return self.path

    def _reasons(self, result: Outcome) -> list[str]:
        cost = self.pricing.say(result.cost.value * result.climbs)
        sure = "exactly" if result.exact == result.climbs else f"between {result.least:g} and {result.most:g}"
        runs = ", ".join(f"{run.name} ({run.summary.key})" for run in self.runs)
        climbs = counted(result.climbs, "climb")
        return [f"From {runs}: on {climbs} it solves {result.solved:.4g} ({sure}) for {cost}.", self.command]

    @property
    def command(self) -> str:
        """How the written ladder is run, as the first run was otherwise."""
        name = "" if self.path is None else self.path.stem
        others = dict(self.runs[0].overrides)
        if self._args.feedback == "none":
            others["feedback"] = "none"
        return " ".join(
            [
                "evalkit run",
                f"ladder={name}",
                f"max_attempts={self.max_attempts}",
                *(f"{k}={v}" for k, v in others.items()),
            ]
        )

    @property
    def assumptions(self) -> list[str]:
        """What is not recorded and had to be assumed, one line each."""
        lines = []
        inexact = [one.outcome for one in self.shown if one.outcome.exact < one.outcome.climbs]
        if any(one.unrecorded for one in inexact):
            lines.append(
                "attempts that no run recorded count by their rung's rate where it was asked; "
                "bounds: all of them fail, all are accepted"
            )
        if any(one.retold for one in inexact):
            lines.append(
                "an attempt that would have been told of other failures counts as the recorded one; "
                "bounds: feedback may do anything (--feedback none simulates ladders that tell nothing)"
            )
        return lines

    @property
    def warnings(self) -> list[str]:
        """What a reader must know."""
        lines = []
        for run, own in zip(self.runs, self.as_run, strict=True):
            solved = sum(row.solved for row in run.summary.instances)
            if own.outcome.solved != solved:
                lines.append(f"{run.name} climbed again solves {own.outcome.solved:g}, and was recorded as {solved}")
        if len(self.frontier) < len(self.found.frontier):
            lines.append(f"{len(self.frontier)} of the {len(self.found.frontier)} ladders on the frontier are shown")
        if never := [name for name in self.evidence.sources if name not in self.there]:
            lines.append(f"left out: {', '.join(never)}, of which no attempt was recorded as it would be made")
        if self.evidence.left_out:
            lines.append(f"left out: {counted(len(self.evidence.left_out), 'climb')} that not every run judged")
        if self.found.held_out is not None and self.found.ladders > 1:
            best = self._simulated(self.best)
            rate = best.solved / best.climbs
            lines.append(
                f"the best of {self.found.ladders:,} ladders, chosen on these climbs, looks better than it is: "
                f"{spec_name(self.best)} solves {rate:.1%} here, and {self.found.held_out:.1%} where it is chosen "
                "on nine tenths of them and counted on the last"
            )
        return lines


def _known(name: str, there: Sequence[str], option: str) -> None:
    if name not in there:
        near = get_close_matches(name, there, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there is {', '.join(there)}"
        raise ConfigError(f"{option}: nothing was recorded of a rung {name!r}; {hint}")


def figures(simulation: Simulation, where: str | None) -> list[Path]:
    """Draw the frontier. Raises ConfigError where the place cannot be written."""
    from evalkit.adapters.figures_frontier import draw_frontier  # noqa: PLC0415  matplotlib loads for it alone

    if where is not None and Path(where).suffix not in (".png", ".svg"):
        raise ConfigError(f"--figure {where!r}: give a file that ends in .png or .svg")
    folder = mlruns() / "simulations" / _key(simulation)
    paths = [Path(where)] if where else [folder / "frontier.png", folder / "frontier.svg"]
    seen: dict[str, Point] = {}
    for one in simulation.shown:
        point = Point(one.name, one.outcome.cost.value, one.outcome.solved / one.outcome.climbs)
        seen.setdefault(one.name, point)
    line = [spec_name(spec) for spec in simulation.frontier]
    try:
        draw_frontier(
            paths,
            list(seen.values()),
            frontier=line,
            cloud=simulation.found.cloud,
            unit=simulation.pricing.axis,
            title=f"{len(simulation.evidence.units)} climbs, {simulation.found.ladders:,} ladders simulated",
        )
    except OSError as error:
        raise ConfigError(f"the picture cannot be written: {error}; name a place by --figure FILE") from error
    return paths


def _key(simulation: Simulation) -> str:
    text = "/".join(run.summary.key for run in simulation.runs)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def print_table(simulation: Simulation, drawn: Sequence[Path], written: Path | None) -> None:
    """The rungs, the ladders, and what to know about them."""
    evidence = simulation.evidence
    mark = "  [simulated: no live model answered]" if any(run.summary.simulated for run in simulation.runs) else ""
    runs = ", ".join(run.name for run in simulation.runs)
    print(f"{runs}: {counted(len(evidence.units), 'climb')} that all of them judged{mark}")
    told = "prompts tell of earlier attempts" if evidence.told else "no prompt depends on earlier attempts"
    print(f"cost: {simulation.pricing.why}; {told}; max_attempts {simulation.max_attempts}")
    show([_rung(simulation, name) for name in evidence.sources], RUNGS)
    of = f"of {simulation.shown[0].outcome.climbs}"
    solved = f"solved {of}"
    cost = "attempts a climb" if simulation.pricing.unit == "attempts" else f"{simulation.pricing.head} {of}"
    heads = COLUMNS | {"solved": solved, "cost": cost}
    if simulation.pricing.unit == "attempts":
        del heads["attempts"]
    show([_row(simulation, one) for one in simulation.shown], heads)
    for line in (*simulation.assumptions, *simulation.warnings):
        print(line)
    print(f"picture: {', '.join(map(_short, drawn))}")
    if written:
        print(f"written: {_short(written)}; {simulation.command}")


RUNGS = {"name": "rung", "model": "model", "asked": "asked", "accepted": "accepted", "cost": "each"}
COLUMNS = {"name": "ladder", "solved": "solved", "rate": "95 %", "cost": "", "attempts": "attempts", "kind": ""}


def _rung(simulation: Simulation, name: str) -> dict[str, Any]:
    usual = simulation.evidence.usual[name]
    model = simulation.evidence.sources[name].model
    prefix, _, rest = model.partition("/")
    return {
        "name": name,
        "model": f"{prefix}/…/{Path(rest).name}" if prefix == "replay" and "/" in rest else model,
        "asked": usual.attempts,
        "accepted": round(usual.rate * usual.attempts),
        "cost": simulation.pricing.say(usual.cost[1]) if usual.attempts else None,
    }


def _row(simulation: Simulation, one: Shown) -> dict[str, Any]:
    found, say, bare = one.outcome, simulation.pricing.say, simulation.pricing.bare
    cost = found.cost
    total = 1 if simulation.pricing.unit == "attempts" else found.climbs
    solved = f"{round(found.solved, 1):g}"
    if (found.least, found.most) != (found.solved, found.solved):
        solved += f" ({found.least:g}–{found.most:g})"
    return {
        "name": one.name,
        "solved": solved,
        "rate": "–" if found.rate is None else f"{100 * found.rate.low:.0f}–{100 * found.rate.high:.0f}",
        "cost": f"{say(total * cost.value)} ({bare(total * cost.low, 2)}–{bare(total * cost.high, 2)})",
        "attempts": f"{found.attempts:.2f}",
        "kind": ", ".join(kind for kind in one.kinds if kind != "alone"),  # which its name says
    }


def _short(path: Path) -> str:
    try:
        return str(path.absolute().relative_to(home()))
    except ValueError:
        return str(path)


def to_json(simulation: Simulation, drawn: Sequence[Path], written: Path | None) -> None:
    """All of it, for programs."""
    best = simulation._simulated(simulation.best)  # noqa: SLF001  the module's own class
    told = {
        "runs": [{"id": run.summary.key, "name": run.name} for run in simulation.runs],
        "simulated": any(run.summary.simulated for run in simulation.runs),
        "climbs": len(simulation.evidence.units),
        "left_out": len(simulation.evidence.left_out),
        "cost_unit": simulation.pricing.unit,
        "max_attempts": simulation.max_attempts,
        "ladders_considered": simulation.found.ladders,
        "rungs": [
            _rung(simulation, name) | {"cost": simulation.evidence.usual[name].cost[1]}
            for name in simulation.evidence.sources
        ],
        "ladders": [_told(one) for one in simulation.shown],
        "best": {
            "name": spec_name(simulation.best),
            "solved_rate": best.solved / best.climbs,
            "held_out": simulation.found.held_out,
        },
        "assumptions": simulation.assumptions,
        "warnings": simulation.warnings,
        "figures": [str(path) for path in drawn],
        "written": written and str(written),
    }
    print(json.dumps(told, indent=2))


def _told(one: Shown) -> dict[str, Any]:
    found = one.outcome
    return {
        "name": one.name,
        "kinds": one.kinds,
        "rungs": [
            {"name": name, "model": rung.model, "attempts": rung.attempts} for name, rung in found.ladder.rungs.items()
        ],
        "max_attempts": found.max_attempts,
        "climbs": found.climbs,
        "exact": found.exact,
        "solved": {"value": found.solved, "low": found.least, "high": found.most},
        "solved_rate": msgspec.to_builtins(found.rate),
        "cost": msgspec.to_builtins(found.cost)
        | {"if_all_fail": found.cost_bounds[1], "if_all_accepted": found.cost_bounds[0]},
        "attempts_mean": found.attempts,
        "seconds_mean": found.seconds,
    }
