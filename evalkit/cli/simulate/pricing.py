"""In which unit a simulated ladder is priced, and what an attempt costs in it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from difflib import get_close_matches
from functools import cached_property

from evalkit.cli.recordings import Recorded
from evalkit.core.errors import ConfigError
from evalkit.core.ladder import Price, Rung, asks_alike
from evalkit.core.results import AttemptRow
from evalkit.core.simulate import sources

MILLION = 1_000_000
HUNDRED = 100  # above, no decimals
HEADS = {"usd": "US dollars", "tokens": "tokens", "seconds": "seconds of model and verifier", "attempts": "attempts"}
RECORDED = ("replay/", "scripted/")  # their seconds say nothing of a model's


class Pricing:
    """What attempts cost: as recorded, or by `--price`. `unit` is usd, tokens, seconds or attempts.

    A price is of every run's rung of that name; where several runs have one and they ask differently, the later are
    called `name_2` and so on, and a price under that name is theirs alone.

    Raises ConfigError for a price that cannot be read, or a unit in which an attempt's cost is unknown.
    """

    def __init__(self, runs: Sequence[Recorded], prices: Sequence[str], wanted: str) -> None:
        self._runs = runs
        self._sources = sources(run.ladder for run in runs)
        self._prices = dict(self._read(text) for text in prices)
        self.counted = False  # whether tokens had to be counted
        self._wanted = wanted
        self.unit = wanted if wanted != "auto" else self._auto()
        if missing := self._unknown(self.unit):
            raise ConfigError(f"--cost {self.unit}: unknown for rung {missing[0]}; {self._mend(missing[0])}")

    @property
    def why(self) -> str:
        """What the costs are, in words."""
        if self.unit == "usd":
            given = ", ".join(self._prices)
            by_us = ", tokens counted by cl100k where no provider told them" if self.counted else ""
            return "US dollars" + (f", by --price for {given}{by_us}" if given else "")
        if self.unit == self._wanted:
            return self.unit
        if unpriced := self._unknown("usd"):
            return f"{self.unit}, since what {', '.join(unpriced)} cost is unknown (--price RUNG=PROMPT,COMPLETION)"
        return f"{self.unit}, since the recorded attempts cost nothing (--price RUNG=PROMPT,COMPLETION)"

    @property
    def head(self) -> str:
        """The unit as a column's heading."""
        return "cost" if self.unit == "usd" else self.unit

    @property
    def axis(self) -> str:
        """The unit as an axis' label."""
        return f"{HEADS[self.unit]} a climb"

    def say(self, cost: float) -> str:
        """A cost as a person reads it."""
        return f"${self.bare(cost)}" if self.unit == "usd" else self.bare(cost)

    def bare(self, cost: float, digits: int = 3) -> str:
        """The same without its sign."""
        return f"{cost:,.0f}" if cost >= HUNDRED else f"{cost:.{digits}g}"

    def cost(self, source: str, row: AttemptRow) -> float:
        """What an attempt costs."""
        if self.unit == "usd":
            price = self._price(source, row.rung)
            if price is None:
                return row.cost_usd or 0.0
            prompt, completion = self._tokens(row)
            return (prompt * price.prompt + completion * price.completion) / MILLION
        if self.unit == "tokens":
            return float(sum(self._tokens(row)))
        return row.seconds if self.unit == "seconds" else 1.0

    def priced(self, name: str, rung: Rung) -> Rung:
        """The rung with the price that was given for it."""
        called = {source: mine for run in reversed(self._runs) for mine, source in self._named(run).items()}
        price = self._price(name, called[name])
        return rung if price is None else replace(rung, price=price)

    def _price(self, source: str, rung: str) -> Price | None:
        return self._prices.get(source) or self._prices.get(rung)

    def _named(self, run: Recorded) -> dict[str, str]:
        """What each of a run's rungs is called here."""
        rungs = run.ladder.rungs.items()
        return {
            name: next(one for one, known in self._sources.items() if asks_alike(known, rung)) for name, rung in rungs
        }

    def _tokens(self, row: AttemptRow) -> tuple[int, int]:
        """As the provider told, else counted."""
        if row.tokens_prompt is not None and row.tokens_completion is not None:
            return row.tokens_prompt, row.tokens_completion
        return self._counted[id(row)]

    @cached_property
    def _counted(self) -> dict[int, tuple[int, int]]:
        from evalkit.adapters.litellm_model import count_tokens  # noqa: PLC0415  needed where providers told none

        self.counted = True
        return {
            id(row): run.counted(row, count_tokens)
            for run in self._runs
            for row in run.attempts
            if row.tokens_prompt is None or row.tokens_completion is None
        }

    def _auto(self) -> str:
        if not self._unknown("usd") and (self._paid or self._prices):
            return "usd"
        if not self._unknown("tokens"):
            return "tokens"
        models = [rung.model for run in self._runs for rung in run.ladder.rungs.values()]
        return "attempts" if all(model.startswith(RECORDED) for model in models) else "seconds"

    @property
    def _paid(self) -> bool:
        return any(row.cost_usd for _, row in self._rows())

    def _unknown(self, unit: str) -> list[str]:
        """The rungs of which some attempt's cost is unknown."""
        if unit == "usd":
            found = (name for name, row in self._rows() if row.cost_usd is None and self._price(name, row.rung) is None)
        elif unit == "tokens":
            found = (name for name, row in self._rows() if row.tokens_prompt is None or row.tokens_completion is None)
        else:
            return []
        return list(dict.fromkeys(found))

    def _mend(self, rung: str) -> str:
        return f"give --price {rung}=PROMPT,COMPLETION, or another --cost"

    def _rows(self) -> Iterator[tuple[str, AttemptRow]]:
        """What was asked, under the rungs' names here."""
        for run in self._runs:
            named = self._named(run)
            yield from ((named[row.rung], row) for row in run.attempts if not row.skipped)

    def _read(self, text: str) -> tuple[str, Price]:
        rung, _, numbers = text.partition("=")
        there = [*self._sources, *(name for run in self._runs for name in run.ladder.rungs)]
        if rung not in there:
            near = get_close_matches(rung, there, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there is {', '.join(dict.fromkeys(there))}"
            raise ConfigError(f"--price {text!r}: no rung {rung!r} in the runs; {hint}")
        try:
            prompt, completion = (float(number) for number in numbers.split(","))
            return rung, Price(prompt, completion)
        except ValueError:
            said = f"--price {text!r}: write {rung}=PROMPT,COMPLETION in US dollars a million tokens, at least 0"
            raise ConfigError(said) from None
