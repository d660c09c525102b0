"""What a price on the command line is of, where several runs have a rung of the same name."""

from dataclasses import dataclass

import pytest

from evalkit.cli.simulate.pricing import Pricing
from evalkit.core.errors import ConfigError
from evalkit.core.ladder import Ladder, Rung
from evalkit.core.results import AttemptRow


@dataclass
class Run:
    """As much of a recording as a price is about."""

    ladder: Ladder
    attempts: tuple[AttemptRow, ...]


def run(model, *, cost=None):
    row = AttemptRow(
        instance_id="i0", epoch=1, number=1, rung="big", on_rung=1, model=model, accepted=True, skipped=False,
        failure=None, cost_usd=cost, tokens_prompt=1_000_000, tokens_completion=0, seconds_model=1.0,
        seconds_verifier=0.0, prompt_digest="",
    )  # fmt: skip
    return Run(Ladder({"big": Rung(model)}, name="mine"), (row,))


@pytest.mark.parametrize(
    ("prices", "first", "second"),
    [
        (["big=3,0"], 3.0, 3.0),  # every run's rung of that name
        (["big=3,0", "big_2=5,0"], 3.0, 5.0),  # what the table calls the second run's
        (["big_2=5,0"], 2.0, 5.0),  # the first as it was recorded
    ],
)
def test_a_price_is_of_every_runs_rung_of_that_name_unless_one_has_its_own(prices, first, second):
    runs = [run("a/one", cost=2.0), run("b/two")]
    pricing = Pricing(runs, prices, "auto")
    costs = [pricing.cost(source, one.attempts[0]) for source, one in zip(("big", "big_2"), runs, strict=True)]
    assert (pricing.unit, costs) == ("usd", [first, second])
    written = pricing.priced("big_2", runs[1].ladder.rungs["big"])
    assert written.price.prompt == second


def test_a_rung_without_a_price_is_named_as_the_table_does():
    with pytest.raises(ConfigError, match="unknown for rung big_2; give --price big_2="):
        Pricing([run("a/one", cost=2.0), run("b/two")], [], "usd")
    with pytest.raises(ConfigError, match="did you mean 'big"):
        Pricing([run("a/one")], ["bigg=1,2"], "usd")


@pytest.mark.parametrize("numbers", ["-1,2", "nan,1", "1,inf", "1", "a,b"])
def test_what_is_no_price_is_refused(numbers):
    with pytest.raises(ConfigError, match="--price 'big="):
        Pricing([run("a/one")], [f"big={numbers}"], "usd")
