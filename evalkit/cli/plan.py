"""evalkit plan: what a run or a sweep would take, before it takes anything."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from hydra.core.hydra_config import HydraConfig

from evalkit.cli.budgets import price
from evalkit.cli.earlier import Earlier, Shelf, shelf
from evalkit.cli.hydra_app import Composed, composed, launch
from evalkit.cli.own_options import take, take_form
from evalkit.cli.plan_lines import print_plan, to_json
from evalkit.cli.recordings import TELLS
from evalkit.core.errors import ConfigError, DatasetError
from evalkit.core.ladder import Price, Step
from evalkit.core.plan import Forecast, Sizes, Work, forecast
from evalkit.core.power import sample_for, smallest_uplift
from evalkit.core.summary import Summary
from evalkit.core.types import Instance
from evalkit.settings import read
from evalkit.wiring import Wired

HELP = """evalkit plan [OVERRIDE…]: what it would take, before it takes anything: calls, tokens, money, time.

At least and at most follow from the config; what is expected, from earlier runs of the same models, where there are
some. Also: the smallest uplift that the sample can show. No model is asked. The overrides are those of `evalkit run`;
`-m` and `+sweeps=NAME` plan all cells of a sweep.

  --uplift X        the sample that shows an uplift of X, e.g. 0.1, with 80 % power
  --format FORMAT   table or json

example: evalkit plan ladder=local dataset=starter sample.size=20 --uplift 0.1"""

MOST_PROMPTS = 200  # that are written and counted


def main(argv: Sequence[str]) -> int:
    """Plan what the overrides describe; 0, or 2 for a config that cannot be run."""
    if {"-h", "--help"} & set(argv):
        print(HELP)
        return 0
    overrides, form, uplift = _options(list(argv))
    job = Planning(shelf())
    if any(one.startswith(("+sweeps=", "hydra.mode=")) for one in overrides) or {"-m", "--multirun"} & set(overrides):
        _refuse_optuna(overrides)
        # The flag goes first: behind some overrides, Hydra would take none behind it.
        given = [one for one in overrides if not one.startswith(("hydra/launcher=", "-m", "--multirun"))]
        overrides = ["-m", *given, "hydra/launcher=basic"]  # cells are only looked at, and here
    code = launch(overrides, "evalkit plan", job)
    if job.cells:
        wanted = None if uplift is None else (uplift, sample_for(uplift))
        (to_json if form == "json" else print_plan)(job.cells, wanted)
    return code


def _refuse_optuna(overrides: Sequence[str]) -> None:
    """Raise ConfigError for a sweep whose cells follow from the results of others."""
    sweeps = [one for one in overrides if one.startswith("+sweeps=")]
    if sweeps:
        composed(sweeps)
        chosen = str(HydraConfig.get().sweeper.get("_target_"))
    else:
        chosen = next((one for one in overrides if one.startswith("hydra/sweeper=")), "")
    if "optuna" in chosen:
        raise ConfigError(
            "optuna chooses its cells as results come in; plan one of them by its overrides, and take it times n_trials"
        )


def _options(argv: list[str]) -> tuple[list[str], str, float | None]:
    """The overrides, the format and the uplift. Raises ConfigError."""
    form = take_form(argv)
    text = take(argv, "--uplift")
    try:
        uplift = None if text is None else float(text)
        if uplift is not None:
            sample_for(uplift)
    except ValueError as error:
        raise ConfigError(f"--uplift {text!r}: {error}") from error
    return argv, form, uplift


@dataclass
class Planning:
    """The job of each cell: look, and keep what was found."""

    shelf: Shelf

    def __post_init__(self) -> None:
        self.cells: list[Cell] = []

    def __call__(self, composed: Composed) -> int:
        """One cell."""
        wired = Wired(composed.config, composed.choices, read(composed.config))
        name = " ".join(one for one in composed.overrides if not one.startswith("+sweeps=")) or wired.name
        cell = Cell(name, wired, self.shelf)
        cell.look()
        self.cells.append(cell)
        return 0


class Cell:
    """One run that might be made."""

    def __init__(self, name: str, wired: Wired, past: Shelf) -> None:
        self.name, self.wired, self._shelf = name, wired, past
        self.settings = wired.settings

    def look(self) -> None:
        """Find all of it out, so that what is wrong is told before anything is printed."""
        _ = self.forecast, self.smallest_uplift

    @cached_property
    def instances(self) -> tuple[Instance, ...]:
        """The sample. Raises DatasetError where it is empty."""
        if not self.wired.instances:
            raise DatasetError("the sample holds no instance")
        return self.wired.instances

    @cached_property
    def done(self) -> int:
        """Climbs that this very run has made already: the same command does not make them again."""
        summary = self._summary
        return sum(row.status in ("solved", "unsolved") for row in summary.instances) if summary else 0

    @cached_property
    def _summary(self) -> Summary | None:
        from evalkit.adapters.run_folder import RunFolder  # noqa: PLC0415  read here only

        return RunFolder(self.wired.folder).summary()

    @property
    def climbs(self) -> int:
        """All of the run."""
        return len(self.instances) * self.settings.epochs

    @property
    def told(self) -> bool:
        """Whether prompts tell of earlier attempts."""
        strategy = self.wired.config["strategy"]
        shows = any(TELLS.search(str(strategy.get(part) or "")) for part in ("system", "user"))
        return self.settings.feedback.kind != "none" or shows or "user" not in strategy

    @cached_property
    def earlier(self) -> dict[str, Earlier]:
        """Earlier attempts by rung."""
        wired = self.wired
        return self._shelf.of(self.settings.ladder, wired.config, wired.dataset.digest, wired.key)

    @cached_property
    def prices(self) -> dict[str, Price | None]:
        """US dollars a million tokens by rung; None where unknown."""
        return {name: price(rung, self.wired.generators) for name, rung in self.wired.rungs.items()}

    @cached_property
    def sizes(self) -> Sizes:
        """First prompts in tokens, written and counted; of a repository's, the budget that they may fill."""
        step = max(1, -(-len(self.instances) // MOST_PROMPTS))
        return Sizes(tuple(map(self._prompt, self.instances[::step])), self._retold())

    def _prompt(self, instance: Instance) -> int:
        from evalkit.adapters.litellm_model import count_tokens  # noqa: PLC0415  reads an encoding

        name, rung = next(iter(self.wired.rungs.items()))
        if instance.repo is not None:
            strategy = self.wired.config["strategy"]
            words = [instance.prompt, *(str(strategy.get(part) or "") for part in ("system", "user"))]
            return sum(map(count_tokens, words)) + self.settings.context.tokens
        prompt = self.wired.strategy.prompt(instance, [], 1, Step(name, 1, 1, rung))
        return sum(count_tokens(message.content) for message in prompt.messages)

    def _retold(self) -> int:
        if not self.told:
            return 0
        strategy = self.wired.config["strategy"]
        quoted = "previous" in f"{strategy.get('system')} {strategy.get('user')}"
        longest = max(rung.max_tokens for rung in self.wired.rungs.values())
        told = self.settings.feedback.tokens if self.settings.feedback.kind != "none" else 0
        return told + (longest if quoted else 0)

    @cached_property
    def forecast(self) -> Forecast:
        """What is left of it."""
        work = Work(
            self.settings.ladder,
            self.settings.max_attempts,
            max(0, self.climbs - self.done),
            sizes=self.sizes,
            told=self.told,
            prices=self.prices,
            concurrency=self._at_once,
            surely=self._surely,
        )
        return forecast(work, {name: one.past for name, one in self.earlier.items()}, self.settings.seed)

    @property
    def _at_once(self) -> float:
        """How many climbs are expected to go at once: where that is found out while running, as many as before."""
        found = [one.at_once for one in self.earlier.values() if one.past.rows]
        return sum(found) / len(found) if self.wired.road and found else self._surely

    @property
    def _surely(self) -> int:
        """As many as go at once whatever the providers answer."""
        return self.settings.limits.concurrency_least if self.wired.road else self.wired.concurrency

    @cached_property
    def smallest_uplift(self) -> float:
        """That a comparison with another run on this sample would show with 80 % power."""
        return smallest_uplift(len(self.instances))
