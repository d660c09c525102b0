"""evalkit sweep, as a user starts it: what it leaves behind, how it goes on, and what it says."""

import json
import signal
import sqlite3
import time

import pytest

from tests.servers.threaded import serving

LADDER = """
rungs:
  small: {model: scripted/small.yaml, price: {prompt: 1, completion: 1}}
  big: {model: scripted/big.yaml, price: {prompt: 20, completion: 20}}
"""
SMALL = """
default: {text: wrong, tokens_prompt: 100, tokens_completion: 10}
instances: {i0: {text: right, tokens_prompt: 100, tokens_completion: 10}}
"""
BIG = "{default: {text: right, tokens_prompt: 100, tokens_completion: 10}}"
OPTUNA = """# @package _global_
defaults: [{override /hydra/sweeper: optuna}]
hydra:
  mode: MULTIRUN
  sweeper: {direction: DIRECTION, n_trials: 4, n_jobs: 1, sampler: {seed: 1}, params: {max_attempts: '1,2'}}
"""


def sweep_file(**params):
    told = ", ".join(f"{key}: '{values}'" for key, values in params.items())
    return f"# @package _global_\nhydra: {{mode: MULTIRUN, sweeper: {{params: {{{told}}}}}}}\n"


@pytest.fixture
def scripted(home):
    home.write("conf/ladder/mine.yaml", LADDER)
    home.write("small.yaml", SMALL)
    home.write("big.yaml", BIG)
    home.write("sweeps/caps.yaml", sweep_file(max_attempts="1,2"))
    return [*home.dataset(4), "ladder=mine", "sandbox.seconds=5", "tracker=none"]


@pytest.fixture
def tracked(scripted):
    """With MLflow, which takes seconds to load: for what it shows."""
    return [setting for setting in scripted if setting != "tracker=none"]


def folder(home):
    (found,) = home.path.glob("mlruns/sweeps/*")
    return found


def cells(home):
    found = [json.loads(path.read_text()) for path in folder(home).glob("cells/*.json")]
    return {" ".join(cell["overrides"]): cell["state"] for cell in found}


def board(home):
    return json.loads((folder(home) / "leaderboard.json").read_text())


def test_again_skips_what_is_done_and_a_sweep_that_grew_keeps_its_cells(home, scripted):
    first = home.evalkit("sweep", "caps", *scripted)
    assert first.returncode == 0, first.stderr
    assert "2 cells: 2 complete" in first.stdout
    assert f"evalkit compare --sweep {folder(home).name}" in first.stdout
    journals = {run.name: (run / "journal.jsonl").read_bytes() for run in home.runs}
    grown = home.evalkit("sweep", "caps", *scripted, "max_attempts=1,2,3")
    assert grown.stderr.count("complete already") == 2
    assert cells(home) == {"max_attempts=1": "complete", "max_attempts=2": "complete", "max_attempts=3": "complete"}
    assert [(row["rank"], row["cell"], row["solved"]) for row in board(home)] == [
        (1, "max_attempts=2", 4),
        (1, "max_attempts=3", 4),
        (3, "max_attempts=1", 1),
    ]
    assert {run.name: (run / "journal.jsonl").read_bytes() for run in home.runs}.items() >= journals.items()
    narrowed = home.evalkit("sweep", "caps", *scripted, "max_attempts=1", "--format", "json")
    assert [row["rank"] for row in json.loads(narrowed.stdout)] == [1, 1, 3]
    assert home.evalkit("sweep", "cap").returncode == 2


def test_a_cell_that_fails_is_told_at_once_and_stops_the_others_only_if_asked(home, scripted):
    home.write(
        "sweeps/files.yaml", sweep_file(**{"ladder.rungs.small.model": "scripted/none.yaml,scripted/small.yaml"})
    )
    asked = home.evalkit("sweep", "files", *scripted, "--fail-fast")
    assert (asked.returncode, len(home.runs)) == (2, 0)
    found = home.evalkit("sweep", "files", *scripted)
    assert found.returncode == 2
    assert (
        "cell 1 of 2 failed: ladder.rungs.small.model=scripted/none.yaml: scripted/none.yaml: no such file"
        in found.stderr
    )
    assert "2 cells: 1 complete, 1 failed" in found.stdout
    home.write("none.yaml", SMALL)
    assert home.evalkit("sweep", "files", *scripted).returncode == 0
    assert set(cells(home).values()) == {"complete"}  # the failure is mended, and no longer counts
    assert [row["status"] for row in board(home)] == ["complete", "complete"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("hydra: {sweeper: {params: {max_attempts: '1,4'}}}", "the line `mode: MULTIRUN`"),
        ("hydra: {mode: MULTIRUN, sweeper: {params: {max_atempts: '1,4'}}}", "sweeps/caps.yaml: Could not override"),
        ("hydra: {mode: MULTIRUN, sweeper: {params: {limits.concurrency: '1,2'}}}", "nothing to sweep"),
        ("hydra: {mode: MULTIRUN, sweeper: {params: {feedback: 'none,lst'}}}", "Did you mean 'last'?"),
        ("hydra: {mode: MULTIRUN}\nsweep: {fail_fats: true}", "no setting 'fail_fats'"),
        ("hydra: {mode: MULTIRUN}\nsweep: {objectives: [solved_rat]}", "did you mean 'solved_rate'?"),
        (OPTUNA.replace("DIRECTION", "minimize"), "the worst solved_rate"),
        (OPTUNA.replace("DIRECTION", "[maximize, minimize, minimize]"), "3 directions for 1 objectives"),
        (OPTUNA.replace("DIRECTION", "maximize, storage: 'sqlite:///a.db'"), "evalkit keeps the record"),
    ],
)
def test_a_sweep_that_cannot_work_is_refused_before_anything_is_spent(home, scripted, content, says):
    home.write("sweeps/caps.yaml", f"# @package _global_\n{content}\n")
    found = home.evalkit("sweep", "caps", *scripted)
    assert (found.returncode, says in found.stderr, home.runs) == (2, True, []), found.stderr
    assert len(found.stderr.splitlines()) == 1, "nothing is announced that does not begin"


def test_a_sweep_for_no_package_is_told_its_first_line(home, scripted):
    home.write("sweeps/caps.yaml", "hydra: {mode: MULTIRUN, sweeper: {params: {max_attempts: '1,2'}}}\n")
    found = home.evalkit("sweep", "caps", *scripted)
    assert (found.returncode, "First line: # @package _global_" in found.stderr) == (2, True), found.stderr


@pytest.mark.slow
def test_a_sweep_that_was_killed_goes_on_where_it_was(home):
    with serving(latency_s=0.05) as server:
        home.write(
            "conf/ladder/remote.yaml",
            f"rungs: {{one: {{model: openai/served, attempts: 1, api_base: '{server.url}/v1'}}}}\n",
        )
        home.write("sweeps/feedbacks.yaml", sweep_file(feedback="none,last,violations"))
        arguments = ["feedbacks", *home.dataset(20), "ladder=remote", "tracker=none", "limits.concurrency=2"]
        process = home.start("sweep", *arguments)
        while sum(server.answered.values()) < 30:
            time.sleep(0.01)
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert cells(home) == {"feedback=none": "complete", "feedback=last": "running"}
        again = home.evalkit("sweep", *arguments)
        assert again.returncode == 0, again.stderr
        assert again.stderr.count("complete already") == 1
        assert list(cells(home).values()) == ["complete"] * 3
        assert sum(server.answered.values()) <= 3 * 20 + 2


@pytest.mark.slow
def test_cells_in_two_processes_share_one_store_and_name_the_sweeps_run(home, tracked):
    found = home.evalkit("sweep", "caps", *tracked, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    assert found.returncode == 0, found.stderr
    assert found.stderr.count("cell complete: max_attempts=") == 2
    home.evalkit("publish")  # where a busy machine kept the store from answering in time
    with sqlite3.connect(home.path / "mlruns/mlflow.db") as store:
        tags = dict(store.execute("SELECT run_uuid, value FROM tags WHERE key = 'evalkit.kind'").fetchall())
        named = store.execute("SELECT value FROM tags WHERE key = 'evalkit.sweep'").fetchall()
        status = dict(store.execute("SELECT run_uuid, status FROM runs").fetchall())
    (summary,) = [run for run, kind in tags.items() if kind == "sweep"]
    assert named == [(summary,)] * 2
    assert set(status.values()) == {"FINISHED"}
    with sqlite3.connect(home.path / "mlruns/mlflow.db") as store:
        told = dict(store.execute("SELECT key, value FROM tags WHERE run_uuid = ?", (summary,)).fetchall())
    assert "Sweep caps**: 2 cells: 2 complete. Best: `max_attempts=2`" in told["mlflow.note.content"]
    assert f"{summary}/artifacts/leaderboard_table.json" in told["mlflow.note.content"]
    assert "evalkit.commit" not in told  # this home is not under git
    artifacts = {path.name for path in home.path.glob(f"mlruns/artifacts/**/{summary}/artifacts/*")}
    assert artifacts >= {"leaderboard.csv", "leaderboard.json", "effects.json", "frontier.png", "sweep.json"}


@pytest.mark.slow
def test_cells_of_a_sweep_whose_store_was_away_are_named_as_its_own_later(home, tracked):
    place = home.write("store", "in the way")
    arguments = [*tracked, f"tracker.uri=sqlite:///{place}/mlflow.db"]
    found = home.evalkit("sweep", "caps", *arguments)
    assert (found.returncode, "MLflow did not get the sweep's summary" in found.stderr) == (0, True), found.stderr
    place.unlink()
    again = home.evalkit("sweep", "caps", *arguments)
    assert again.returncode == 0, again.stderr
    with sqlite3.connect(place / "mlflow.db") as store:
        kinds = store.execute("SELECT run_uuid, value FROM tags WHERE key = 'evalkit.kind'").fetchall()
        named = store.execute("SELECT value FROM tags WHERE key = 'evalkit.sweep'").fetchall()
    (summary,) = [run for run, kind in kinds if kind == "sweep"]
    assert named == [(summary,)] * 2
    assert {row["run_id"] for row in board(home)} == {run for run, kind in kinds if kind == "run"}


@pytest.mark.slow
def test_submitit_runs_cells_too_and_brings_their_failures_home(home, scripted):
    home.write(
        "sweeps/files.yaml", sweep_file(**{"ladder.rungs.small.model": "scripted/none.yaml,scripted/small.yaml"})
    )
    found = home.evalkit("sweep", "files", *scripted, "hydra/launcher=submitit_local")
    assert found.returncode == 2
    assert "cell failed: ladder.rungs.small.model=scripted/none.yaml" in found.stderr
    assert sorted(cells(home).values()) == ["complete", "failed"]


def test_optuna_finds_what_solves_most_and_what_costs_least(home, scripted):
    home.write("sweeps/search.yaml", OPTUNA.replace("DIRECTION", "[maximize, minimize]"))
    found = home.evalkit("sweep", "search", *scripted)
    assert found.returncode == 0, found.stderr
    assert len(home.runs) == 2  # four trials of two cells
    told = (folder(home) / "optuna.yaml").read_text()
    assert "values:\n  - 1.0\n" in told
    assert "values:\n  - 0.25\n" in told
    assert [row["on_frontier"] for row in board(home)] == [True, True]
