"""Which cells of a sweep count, what tells them apart, and how they rank."""

from dataclasses import fields

import pytest

from evalkit.cli.sweep.board import CSV
from evalkit.core.leaderboard import Found, Row, as_cells, leaderboard
from evalkit.core.stats import solved_rate
from evalkit.core.summary import DatasetFacts, InstanceRow, Summary
from evalkit.core.sweep import HEADINGS, Cell, State, current, factors, measured, status
from evalkit.core.types import Status
from tests.core.compared import summary as runs_summary


def cell(*overrides, state=State.COMPLETE, **more):
    return Cell(overrides, "k" + "-".join(overrides), state, **more)


def summary(solved, cost, seconds=1.0):
    rows = tuple(
        InstanceRow(
            f"i{n}", 1, one, Status.SOLVED if one else Status.UNSOLVED, 1, 1, "r", None, None, seconds, cost, 1, 1
        )
        for n, one in enumerate(solved)
    )
    right = sum(solved)
    return Summary(
        key="k", name="n", status="complete", simulated=False, dataset=DatasetFacts("d", "x", len(rows)), ladder="l",
        counts={"solved": right, "unsolved": len(rows) - right},
        solved_rate=solved_rate((row.instance_id, row.solved) for row in rows),
        attempts={"mean": 1.0}, by_rung=(), failures={}, cost_usd=cost, cost_usd_per_solved=None,
        tokens={"prompt": 1, "completion": 1}, seconds={"mean": seconds}, wall_seconds=1.0, instances=rows,
    )  # fmt: skip


def found(*overrides, solved=(True, False), cost=1.0, seconds=1.0, settings=None):
    return Found(cell(*overrides), summary(solved, cost, seconds), settings)


def test_of_cells_with_the_same_overrides_the_newest_counts_in_the_first_ones_place():
    old = cell("a=1", "b=2", number=0, started="1")
    new = Cell(("b=2", "a=1"), "other", State.COMPLETE, number=0, started="3")
    assert current([new, old, cell("a=2", number=1, started="2")]) == (new, cell("a=2", number=1, started="2"))


@pytest.mark.parametrize(
    ("overrides", "settings", "told"),
    [
        ([["x.a=1"], ["x.a=2"]], [{}, {}], [{"a": "1"}, {"a": "2"}]),
        ([["x.a=1", "y.a=1"], ["x.a=2", "y.a=3"]], [{}, {}], [{"x.a": "1", "y.a": "1"}, {"x.a": "2", "y.a": "3"}]),
        ([["b=1"], ["b=1", "c=3"]], [{"c": "2"}, {}], [{"c": "2"}, {"c": "3"}]),  # what was fixed before it grew
        ([["++x.on.no_answer=stop"], ["~x.on"]], [{}, {}], [{"no_answer": "stop"}, {"no_answer": "–"}]),
        ([["rungs.s.attempts=1"], ["rungs.s.attempts=2"]], [{}, {}], [{"s.attempts": "1"}, {"s.attempts": "2"}]),
        ([["rungs.s.price=1"], ["rungs.s.price=2"]], [{}, {}], [{"s.price": "1"}, {"s.price": "2"}]),
        ([["a=1"]], [{}], [{"a": "1"}]),
    ],
)  # fmt: skip
def test_cells_are_told_apart_by_what_differs_under_the_shortest_names(overrides, settings, told):
    assert [dict(row) for row in factors([cell(*one) for one in overrides], settings)] == told


def test_no_factor_is_called_as_a_column_of_the_leaderboard():
    assert {field.name for field in fields(Row)} | set(CSV) <= set(HEADINGS)


def test_rank_is_by_solved_rate_then_cost_and_what_nothing_beats_is_on_the_frontier():
    board = leaderboard([
        found("a=1", solved=(True, True), cost=5.0),
        found("a=2", solved=(True, True), cost=2.0),
        found("a=3", solved=(True, False), cost=1.0),
        found("a=4", solved=(False, False), cost=0.1),
        Found(cell("a=5", state=State.FAILED, why="no such file")),
    ])  # fmt: skip
    shown = [(row.rank, row.cell, row.on_frontier) for row in board.rows]
    assert shown == [(1, "a=2", True), (2, "a=1", False), (3, "a=3", True), (4, "a=4", False), (None, "a=5", False)]
    assert (board.unit, board.alike, board.factors) == ("cost_usd", True, ("a",))


def test_where_no_cell_cost_money_time_is_the_price_and_does_not_break_ties():
    board = leaderboard([found("a=1", cost=0.0, seconds=2.0), found("a=2", cost=0.0, seconds=1.0)])
    assert [(row.rank, row.cell, row.on_frontier) for row in board.rows] == [(1, "a=2", True), (1, "a=1", False)]
    assert board.unit == "seconds"


def test_cells_that_were_judged_on_different_instances_are_not_alike():
    assert not leaderboard([found("a=1"), found("a=2", solved=(True, False, True))]).alike


def test_main_effects_see_complete_cells_with_every_instances_outcome():
    cells = as_cells([found("a=1"), found("a=2", solved=(True, True)), Found(cell("a=3", state=State.UNFINISHED))])
    assert [(dict(one.choices), dict(one.outcomes), one.epochs) for one in cells] == [
        ({"a": "1"}, {"i0": 1.0, "i1": 0.0}, 1),
        ({"a": "2"}, {"i0": 1.0, "i1": 1.0}, 1),
    ]
    repeats = runs_summary({"i0": "+-", "i1": "++-"})
    (cell_of_repeats,) = as_cells([Found(cell("a=1"), repeats)])
    assert (dict(cell_of_repeats.outcomes), cell_of_repeats.epochs) == ({"i0": 1 / 2, "i1": 2 / 3}, 3)


@pytest.mark.parametrize(
    ("states", "said"),
    [
        ([], "complete"),
        ([State.COMPLETE], "complete"),
        ([State.COMPLETE, State.PAUSED], "paused"),
        ([State.COMPLETE, State.PAUSED, State.FAILED], "unfinished"),
        ([State.RUNNING], "unfinished"),
    ],
)
def test_a_sweep_is_what_its_cells_are(states, said):
    assert status([cell(state=state) for state in states]) == said


def test_a_sweeper_is_told_metrics_and_not_what_is_unknown():
    one = summary((True, False), 3.0)
    assert [measured(one, name) for name in ("solved_rate", "cost_usd", "cost_usd_per_solved")] == [0.5, 3.0, None]
