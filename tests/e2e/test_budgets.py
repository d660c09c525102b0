"""Budgets through the command line: over a cap a run pauses with exit 5, and with a higher one it goes on."""

import pytest

from tests.servers.threaded import serving

LADDER = "rungs:\n  only: {{model: openai/m, attempts: 3, max_tokens: 10, api_base: '{url}/v1'{more}}}\n"
PRICE = ", price: {prompt: 1000000, completion: 1000000}"  # a dollar a token


def command(home, state, *limits, count=6, more=PRICE):
    home.write("conf/ladder/mine.yaml", LADDER.format(url=state.url, more=more))
    fixed = ["ladder=mine", "sandbox.seconds=5", "tracker=none", "limits.concurrency=3", "report_up_to=0"]
    return ["run", *home.dataset(count), *fixed, *limits]


@pytest.fixture
def server():
    with serving() as state:
        yield state


@pytest.mark.parametrize(
    ("cap", "raised", "at_most"),
    [
        ("limits.calls=4", "limits.calls=100", 4),
        ("limits.tokens=60", "limits.tokens=10000", 10),
        ("limits.cost_usd=60", "limits.cost_usd=null", 10),
        ("limits.seconds=0", "limits.seconds=600", 0),
    ],
)
def test_over_a_cap_a_run_pauses_and_a_higher_one_lets_the_same_run_go_on(home, server, cap, raised, at_most):
    first = home.evalkit(*command(home, server, cap))
    assert first.returncode == 5, first.stderr
    last = first.stderr.strip().splitlines()[-1]
    assert last.startswith(f"evalkit: paused: {cap} "), last
    assert last.endswith(" raises it; then the same command continues")
    paid = sum(server.answered.values())
    assert paid <= at_most
    summary = home.summary()
    assert (summary["status"], summary["counts"]["unsolved"]) == ("paused", 0)
    assert summary["counts"]["solved"] == paid

    again = home.evalkit(*command(home, server, cap))  # what the journal holds counts as spent
    assert (again.returncode, sum(server.answered.values())) == (5, paid)

    end = home.evalkit(*command(home, server, raised))
    assert (end.returncode, len(home.runs)) == (0, 1), end.stderr
    assert home.summary()["counts"]["solved"] == 6
    assert max(server.answered.values()) == 1
