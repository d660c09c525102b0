"""What evalkit simulate finds, put together: evidence, priced; the search; the ladders worth showing."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path

from evalkit.cli.recordings import Recorded
from evalkit.cli.simulate.ladder_file import ladder_path, write_ladder
from evalkit.cli.simulate.pricing import Pricing
from evalkit.cli.tables import counted
from evalkit.core.errors import ConfigError
from evalkit.core.simulate import Evidence, Found, Outcome, Spec, ladder_of, outcome, search, spec_name

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
            cost = self.outcome_of(cheapest).cost.value * len(self.evidence.units)
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
            if spec in kinds and self.outcome_of(spec) == replace(one.outcome, ladder=self.outcome_of(spec).ladder):
                kinds[spec].append("as run")
            else:
                as_run.append(one)
        rows = [Shown(spec_name(spec), tuple(why), self.outcome_of(spec)) for spec, why in kinds.items()]
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
        limit = self.outcome_of(self.best).cost.value * (1 + 1e-9)
        found: list[Spec] = []
        for name, most in self.attempts.items():
            within = [((name, count),) for count in range(2, most + 1)]
            paid = [spec for spec in within if self.outcome_of(spec).cost.value <= limit]
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

    def outcome_of(self, spec: Spec) -> Outcome:
        """What comes of a ladder, reckoned once."""
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
        result = self.outcome_of(self.best)
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


def _known(name: str, there: Sequence[str], option: str) -> None:
    if name not in there:
        near = get_close_matches(name, there, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there is {', '.join(there)}"
        raise ConfigError(f"{option}: nothing was recorded of a rung {name!r}; {hint}")
