"""What is read of a journal from outside while its run goes."""

from evalkit.adapters.jsonl_journal import JsonlJournal
from evalkit.cli.watch.folder import Journal
from evalkit.core.caps import Amount, Caps
from evalkit.core.types import Completion, Grading, Verdict
from evalkit.run.spending import Spending
from evalkit.run.spent import Extra

VOTES = Grading("g", ("pass",), 1.0, 1.0, requests=2, tokens_prompt=5, tokens_completion=1, cost_usd=0.5)
RECORDS = {
    "i0/1/1/small/d/completion": Completion("a", cost_usd=1.0, tokens_prompt=10, tokens_completion=2, requests=3),
    "i0/1/1/small/d/verdict/lost/0": (VOTES,),
    "i0/1/1/small/d/verdict": Verdict(accepted=True, gradings=(VOTES, VOTES)),  # the lost one stands behind
    "i1/1/1/small/d/completion": Completion("b", cost_usd=2.0, cached=True),
    "i2/1/1/small/d/completion": Completion("c"),  # nothing is known of what it took
    "i2/1/1/small/d/verdict/lost/0": (VOTES,),
    "spent/0": Extra("i2", 1, 4.0, 40, 0),
    "health/0": (VOTES,),
    "spent/1/1/small/d/completion": Completion("d", cost_usd=8.0),  # instances may be called so
    "health/1/1/small/d/verdict": Verdict(accepted=False, gradings=(VOTES,)),
}


async def test_what_caps_count_is_told_as_the_run_itself_counts_it(tmp_path):
    journal = JsonlJournal(tmp_path / "journal.jsonl", "key")
    for key, value in RECORDS.items():

        async def given(value=value):
            return value

        await journal.once(key, tuple[Grading, ...] if isinstance(value, tuple) else type(value), given)
    spending = Spending(Caps(calls=100), Caps(), count=len, price=lambda _: None, began=0.0)
    await spending.begin(journal)
    journal.close()
    seen = Journal(tmp_path / "journal.jsonl")
    assert seen.look()
    assert Amount(**seen.charged) == spending.budget.spent == Amount(15.5, 82, 13)
    assert (seen.answers, seen.cost.value, set(seen.begun)) == (
        4,
        None,
        {("i0", 1), ("i1", 1), ("i2", 1), ("spent", 1), ("health", 1)},
    )
