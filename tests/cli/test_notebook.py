"""The executed notebook: it shows old against new, moves with its folders, and never hides a cell that failed."""

import shutil
import subprocess
import sys

import nbformat
import pytest

from evalkit.adapters import notebook as pages
from evalkit.cli.notebook import write
from evalkit.core.errors import ConfigError
from tests.adapters.mlflow_builders import MIXED, MadeRun, solved, unfinished, unsolved
from tests.ramp_builder import made_ramp

AGAIN = (
    "import nbclient, nbformat, sys; nbclient.NotebookClient(nbformat.read(sys.argv[1], 4)).execute(cwd=sys.argv[2])"
)


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


def outputs(path):
    """What the cells printed and drew: (kind, content)s."""
    book = nbformat.read(path, 4)
    nbformat.validate(book)
    found = [output for cell in book.cells if cell.cell_type == "code" for output in cell.outputs]
    assert not [output for output in found if output.output_type == "error"]
    return [(kind, content) for output in found for kind, content in output.get("data", {}).items()]


@pytest.mark.slow
def test_runs_are_compared_and_the_notebook_runs_again_where_it_was_moved_to(home, tmp_path):
    old, new = MadeRun(home, key="aa"), MadeRun(home, key="bb")
    old.end(*MIXED, unfinished("d"))
    new.end(solved("a"), solved("b"), solved("c", cost=None), solved("d"))
    made = write([old.path, new.path], home / "mlruns" / "reports" / "ab.ipynb")
    shown = outputs(made)
    said = "\n".join(content for kind, content in shown if kind in ("text/plain", "text/markdown"))

    assert len([kind for kind, _ in shown if kind == "image/png"]) == 3
    assert "**local-starter aa → local-starter bb**: 1 gained, 0 lost" in said
    assert "(../runs/bb/instances/c/attempt_1.txt)" in said
    assert "3 pairs, 1 of which differ" in said
    assert str(tmp_path) not in made.read_text()

    moved = tmp_path / "elsewhere"
    shutil.move(home, moved)
    place = moved / "mlruns" / "reports"
    subprocess.run([sys.executable, "-c", AGAIN, str(place / "ab.ipynb"), str(place)], check=True, cwd=place)


@pytest.mark.slow
def test_ramps_are_compared_phase_by_phase(home, tmp_path):
    old = made_ramp(
        home, "aa", [solved("a"), unsolved("b")], [solved("a"), unsolved("b"), unsolved("c"), unsolved("d")]
    )
    new = made_ramp(
        home, "bb", [solved("a"), solved("b")], [solved("a"), solved("b"), solved("c", on="big"), unfinished("d")]
    )
    shown = outputs(write([old, new], tmp_path / "ramps.ipynb"))
    said = "\n".join(content for kind, content in shown if kind in ("text/plain", "text/markdown"))

    assert len([kind for kind, _ in shown if kind == "image/png"]) == 3
    assert "phase 2: 3 pairs, 2 of which differ" in said
    assert "+66.7" in said


@pytest.mark.parametrize(
    ("cell", "error", "said"),
    [
        ("1 / 0", RuntimeError, "ZeroDivisionError"),
        ("from evalkit import api\napi.instances('nowhere')", ConfigError, "no run 'nowhere'"),
    ],
)
def test_a_cell_that_fails_is_an_error_and_leaves_no_notebook(tmp_path, monkeypatch, cell, error, said):
    (tmp_path / "page.md").write_text(f"# Title\n\n```python\n{cell}\n```\n")
    monkeypatch.setattr(pages, "PAGES", tmp_path)

    with pytest.raises(error, match=said):
        pages.write("page", {}, tmp_path / "out.ipynb")
    assert not (tmp_path / "out.ipynb").exists()


def test_without_the_extra_one_line_says_how_to_get_it(home, tmp_path, monkeypatch):
    made = MadeRun(home)
    made.end(*MIXED)
    monkeypatch.setitem(sys.modules, "nbclient", None)

    with pytest.raises(ConfigError, match=r"pip install 'evalkit\[notebook\]'"):
        write([made.path], tmp_path / "out.ipynb")


def test_what_does_not_belong_together_is_refused(home, tmp_path):
    run, ramp = MadeRun(home, key="aa"), made_ramp(home, "bb", [solved("a")])
    run.end(*MIXED)

    for folders, said in (([run.path, ramp], "bb is a ramp"), ([run.path, run.path], "twice"), ([], "at least one")):
        with pytest.raises(ConfigError, match=said):
            write(folders, tmp_path / "out.ipynb")
