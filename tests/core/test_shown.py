"""What models wrote is only text wherever it is shown."""

import csv
import io

import pytest

from evalkit.cli.tables import show
from evalkit.core.shown import csv_cell, markdown_cell, visible
from evalkit.core.triage import Example, Lever, Triage, TriageRow, markdown

HOSTILE = "\x1b]0;mine\x07\x1b[31m | a | <script>alert(1)</script>\u202e"


def test_a_terminal_is_told_nothing_to_obey():
    assert visible(HOSTILE) == r"\x1b]0;mine\x07\x1b[31m | a | <script>alert(1)</script>\u202e"
    assert visible("é\n\tü") == "é\n\tü"


@pytest.mark.parametrize("text", ["=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "-2+3", "\t=1", "\r=1"])
def test_a_spreadsheet_is_given_no_formula(text):
    assert csv_cell(text) == f"'{text}"


@pytest.mark.parametrize("value", ["-0.5", "+3", "1e-9", "a=b", "", None, -1.5, "–"])
def test_numbers_and_plain_texts_stay_as_they_are(value):
    assert csv_cell(value) == value


def test_tables_hold_what_a_model_wrote_as_text(capsys):
    rows = [{"name": HOSTILE, "sum": "=1+1", "rate": -0.5}]
    show(rows, {"name": "name", "sum": "sum"})
    assert "\x1b" not in capsys.readouterr().out
    show(rows, {"name": "name", "sum": "sum", "rate": "rate"}, form="csv")
    (_, cells) = csv.reader(io.StringIO(capsys.readouterr().out))
    assert cells[1:] == ["'=1+1", "-0.5"]


def test_a_cell_of_markdown_stays_one_cell_without_html():
    assert markdown_cell("a | b\n<b>") == r"a \| b &lt;b>"
    row = TriageRow("rejected", Lever.PROMPT, "mend", 1, 1, Example("i", 1, 1, HOSTILE), ("i",))
    line = markdown(Triage((row,))).splitlines()[2]
    assert line.replace(r"\|", "").count("|") == 7
    assert "<script" not in line
