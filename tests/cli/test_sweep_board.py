"""The leaderboard's columns on a terminal."""

import pytest

from evalkit.cli.sweep.board import fitting
from evalkit.cli.tables import show

COLUMNS = {
    "rank": "#", "feedback": "feedback", "script.attempts": "script.attempts", "solved": "solved", "rate": "rate, 95 %",
    "attempts": "attempts", "cost": "cost", "seconds": "s each", "run": "run",
}  # fmt: skip
ROW = {
    "rank": "1 ◆", "feedback": "last", "script.attempts": "2", "solved": "11/30", "rate": "37 % (22–54)",
    "attempts": "2.00", "cost": "$0.0123", "seconds": "12.2", "run": "08462fd0",
}  # fmt: skip


@pytest.mark.parametrize(
    ("width", "free", "left_out"),
    [
        ("120", False, set()),
        ("80", False, set()),
        ("80", True, set()),
        ("72", True, {"cost"}),
        ("70", False, {"seconds"}),
    ],
)
def test_headings_are_broken_before_a_column_is_left_out_and_a_cost_of_nothing_goes_first(
    monkeypatch, capsys, width, free, left_out
):
    monkeypatch.setenv("COLUMNS", width)
    kept = fitting(COLUMNS, [ROW], free=free)
    assert set(COLUMNS) - set(kept) <= left_out | {"attempts"}
    assert left_out <= set(COLUMNS) - set(kept)
    show([ROW], kept, tight=True)
    said = capsys.readouterr().out
    assert max(len(line.rstrip()) for line in said.splitlines()) <= int(width)
    assert all(value in said for name, value in ROW.items() if name in kept)  # none is folded
