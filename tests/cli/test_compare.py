"""Runs beside each other: what is printed, refused and recorded."""

import csv
import json

import pytest

from evalkit.adapters.mlflow_fetch import RemoteRuns
from evalkit.adapters.mlflow_store import local_uri, open_store
from evalkit.adapters.run_folder import RunFolder
from evalkit.cli import main
from evalkit.core.ports import RunRecord
from evalkit.core.traits import Traits
from tests.core.compared import summary
from tests.e2e.command import Home

SCRIPT = "default: wrong\ninstances: {i0: right, i1: [wrong, right]}\n"
LADDER = """
rungs:
  a-rung-with-a-long-name: {model: scripted/s.yaml}
  another-rung-with-a-longer-name: {model: scripted/s.yaml, temperature: 0.5}
"""


def test_the_table_fits_80_columns(tmp_path, monkeypatch, capsys):
    home = Home(tmp_path)
    home.write("s.yaml", SCRIPT)
    home.write("conf/ladder/mine.yaml", LADDER)
    monkeypatch.setenv("EVALKIT_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")
    common = [*home.dataset(4), "ladder=mine", "tracker=none"]
    for place, name in enumerate(["alone", "both"], 1):
        assert main(["run", *common, f"max_attempts={place}", f"name=the-{name}-of-my-ladders-on-four-tasks"]) == 0
    capsys.readouterr()

    names = [json.loads((run / "record.json").read_text())["name"] for run in home.runs]
    assert main(["compare", *sorted(names)]) == 0
    said = capsys.readouterr().out
    assert max(len(line.rstrip()) for line in said.splitlines()) <= 80
    for part in (" 1/3", "1 of 4", "2 of 4", "only B: i1", "cannot show a difference: 1 instance differs"):
        assert part in said
    links = [line.split()[-1] for line in said.splitlines() if line.endswith(".txt")]
    assert len(links) == 2
    assert [(tmp_path / link).read_text() for link in links] == ["wrong", "right"]  # B's climb went on


def test_a_run_whose_prompts_knew_what_to_change_is_marked(tmp_path, monkeypatch, capsys):
    home = Home(tmp_path)
    home.write("s.yaml", SCRIPT)
    monkeypatch.setenv("EVALKIT_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")
    common = [*home.dataset(4), "ladder=scripted", "ladder.rungs.script.model=scripted/s.yaml", "tracker=none"]
    for name, context in (("fair", "files"), ("knows", "oracle_files")):
        assert main(["run", *common, f"context={context}", f"name={name}"]) == 0
    capsys.readouterr()
    assert main(["compare", "fair", "knows"]) == 0
    said = capsys.readouterr().out
    assert ("A: fair [simulated] " in said, "B: knows [simulated] [oracle]" in said) == (True, True)


UNTRACKED = "tracker: {_target_: evalkit.adapters.no_tracker.NoTracker}\n"
TRACKED = "tracker: {_target_: evalkit.adapters.mlflow_tracker.MlflowTracker, uri: null, experiment: mine}\n"


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Makes run folders in a home: a mark an instance, `+` solved."""
    monkeypatch.setenv("EVALKIT_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")

    def make(config=UNTRACKED, cells=None, **marks):
        for name, each in marks.items():
            folder = RunFolder(tmp_path / "mlruns" / "runs" / f"key-{name}")
            tags = {"evalkit.sweep": "5eed", "evalkit.cell": cells[name]} if cells else {}
            record = RunRecord(f"key-{name}", name, "run", "", "mine", {}, tags, "mine", "d", len(each), len(each))
            traits = [Traits(f"i{n:03}", ("tag",), "easy" if n % 2 else "hard") for n in range(len(each))]
            folder.begin(record, config, {}, "", traits)
            folder.finish(summary(each, name))
            (folder.path / "journal.jsonl").touch()
        return tmp_path

    return make


def compare(capsys, *arguments):
    code = main(["compare", *arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_the_json_is_what_the_interface_promises(runs, capsys):
    runs(a="+" * 6 + "-" * 14, b="-" + "+" * 13 + "-" * 6)
    code, out, _ = compare(capsys, "a", "b", "--format", "json")
    told = json.loads(out)
    (found,) = told["comparisons"]
    assert code == 0
    assert [(one["id"], one["name"], one["solved_rate"]["value"]) for one in told["runs"]] == [
        ("key-a", "a", 0.3),
        ("key-b", "b", 0.65),
    ]
    assert (found["a"], found["b"], found["instances"]) == ("key-a", "key-b", 20)
    assert [found[name] for name in ("both", "only_a", "only_b", "neither")] == [5, 1, 8, 6]
    assert found["uplift"]["value"] == pytest.approx(0.35)
    assert found["uplift"]["low"] < 0.35 < found["uplift"]["high"]
    assert found["p_value"] == found["p_adjusted"] == pytest.approx(0.0390625)
    assert (found["conclusion"], found["cost_usd"]["difference"]) == ("better", 0.0)
    assert found["flips"][0] | {"attempt_a": "", "attempt_b": ""} == {
        "instance_id": "i000", "a": True, "b": False, "attempt_a": "", "attempt_b": "",
    }  # fmt: skip
    assert {part["name"]: part["instances"] for part in found["by_difficulty"]} == {"easy": 10, "hard": 10}


def test_with_shared_only_money_is_of_the_shared_climbs_only(runs, capsys):
    runs(a="+-+-", b="++-?++++")
    for allowed, over, totals in (
        (["--shared-only"], "climbs that both judged", [1.5, 1.5, 0.0]),  # 0.5 a climb, and three shared
        ([], "whole runs", [2.0, 2.0, 0.0]),
    ):
        _, out, _ = compare(capsys, "a", "b" if allowed else "a", *allowed, "--no-track", "--format", "json")
        (found,) = json.loads(out)["comparisons"]
        cost = found["cost_usd"]
        assert ([cost[name] for name in ("a", "b", "difference")], cost["over"]) == (totals, over)
        for means in (cost["mean"], found["attempts"], found["seconds"]):
            assert (means["instances"], means["over"]) == (3 if allowed else 4, "climbs that both judged")


def test_differences_are_told_in_points_everywhere(runs, capsys):
    runs(a="+" * 12 + "-" * 8, b="+" * 5 + "-" * 15)
    _, out, _ = compare(capsys, "a", "b", "--no-track")
    assert "uplift B - A: −35 points (95 % −57 to −13), exact McNemar p = 0.016" in out
    assert "-35" not in out


def test_with_repeats_passes_are_set_against_each_other(runs, capsys):
    runs(a={f"i{n:03}": "+-" if n < 12 else "--" for n in range(20)}, b={f"i{n:03}": "++" for n in range(20)})
    _, out, _ = compare(capsys, "a", "b", "--no-track", "--format", "json")
    once, twice = json.loads(out)["comparisons"][0]["passes"]
    assert (once["k"], once["at"], once["hat"]) == (1, once["at"], once["at"])
    assert once["at"] == json.loads(out)["comparisons"][0]["uplift"]
    assert (twice["at"]["value"], twice["hat"]["value"]) == (0.4, 1.0)  # 8 of 20 never, none of 20 always
    _, out, _ = compare(capsys, "a", "b", "--no-track")
    row = next(line for line in out.splitlines() if "pass@2" in line)
    assert row.split()[-5:-1] == ["+40", "(+14", "to", "+63)"]
    assert max(len(line.rstrip()) for line in out.splitlines()) <= 80


def test_what_is_not_counted_is_told(runs, capsys):
    runs(a="+-?!", b="++++")
    _, out, _ = compare(capsys, "a", "b")
    assert "A leaves out: 1 quarantined, 1 unfinished" in out
    assert "paired on 2 instances" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a"], "1 run named; compare needs two or more"),
        (["a", "--sweep", "x"], "not both"),
        (["a", "b", "--notebook", "--no-track"], "--no-track does not write"),
        (["--sweep", "x"], "no sweep 'x'; there: none yet"),
        (["a", "small"], "on different samples; --shared-only"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_line(runs, capsys, arguments, said):
    runs(a="+-", b="++", small="+")
    code, out, err = compare(capsys, *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err


def test_several_runs_are_set_against_the_baseline_and_ranked(runs, capsys):
    home = runs(a="-" * 20, b="+" * 8 + "-" * 12, c="+" * 14 + "-" * 6)
    _, out, _ = compare(capsys, "a", "b", "--baseline", "c", "--format", "json")
    told = json.loads(out)
    assert (told["baseline"], [one["b"] for one in told["comparisons"]]) == ("key-c", ["key-a", "key-b"])
    assert [one["label"] for one in told["ranking"]] == ["A", "C", "B"]
    _, out, _ = compare(capsys, "c", "a", "b")
    assert max(len(line.rstrip()) for line in out.splitlines()) <= 80
    assert "against A c" in out
    (folder,) = (home / "mlruns" / "comparisons").iterdir()  # the same runs and baseline: the same comparison
    assert len((folder / "ranking.csv").read_text().splitlines()) == 4


def test_a_comparison_leaves_tables_figures_and_a_report(runs, capsys):
    home = runs(a="-" * 20, b="+" * 8 + "-" * 12)
    _, out, _ = compare(capsys, "a", "b")
    (folder,) = (home / "mlruns" / "comparisons").iterdir()
    assert f"all of it: mlruns/comparisons/{folder.name}/report.html\n" in out
    assert sorted(path.name for path in folder.rglob("*") if path.is_file()) == [
        "by_difficulty.csv", "by_failure.csv", "by_rung.csv", "comparison.ipynb", "comparison.json", "costs.svg",
        "flips.csv", "flips.json", "flips.svg", "rates.svg", "report.html", "report.md", "uplift.svg",
    ]  # fmt: skip
    flips = list(csv.DictReader((folder / "flips.csv").open()))
    assert (len(flips), flips[0]["attempt_b"]) == (8, "mlruns/runs/key-b/instances/i000/attempt_2.txt")
    assert "[uplift](figures/uplift.svg)" in (folder / "report.md").read_text()
    assert "is better than" in (folder / "report.html").read_text()
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert compare(capsys, "a", "b")[0] == 0
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


@pytest.mark.slow
def test_a_comparisons_notebook_is_executed_once_where_that_is_asked(runs, capsys):
    pytest.importorskip("nbclient", reason="the extra `notebook` is not installed")
    home = runs(a="-" * 20, b="+" * 8 + "-" * 12)
    assert compare(capsys, "a", "b")[0] == 0
    (path,) = (home / "mlruns" / "comparisons").glob("*/comparison.ipynb")
    assert not outputs(path)
    assert compare(capsys, "a", "b", "--notebook")[0] == 0
    assert "uplift" in json.dumps(outputs(path))
    before = path.stat().st_mtime_ns
    assert compare(capsys, "a", "b", "--notebook")[0] == 0
    assert path.stat().st_mtime_ns == before


def outputs(path):
    """What the cells of a notebook printed and drew."""
    return [out for cell in json.loads(path.read_text())["cells"] for out in cell.get("outputs", [])]


def test_only_shown_nothing_is_written(runs, capsys):
    home = runs(a="-+", b="++")
    code, out, _ = compare(capsys, "a", "b", "--no-track", "--format", "markdown")
    assert (code, out.startswith("# a and b\n")) == (0, True)
    assert not (home / "mlruns" / "comparisons").exists()


def test_a_sweep_tells_which_lever_lifted(runs, capsys):
    weak, strong = "+" * 4 + "-" * 16, "+" * 14 + "-" * 6
    cells = {f"c{n}": f"ladder={one} feedback={word}" for n, (one, word) in enumerate(
        (one, word) for one in ("weak", "strong") for word in ("none", "last"))}  # fmt: skip
    runs(cells=cells, c0=weak, c1=weak, c2=strong, c3=strong)
    _, out, _ = compare(capsys, "--sweep", "5eed")
    assert "which lever lifted: ladder weak → strong (+50 points)" in out
    assert max(len(line.rstrip()) for line in out.splitlines()) <= 80
    _, out, _ = compare(capsys, "--sweep", "5e", "--format", "json")
    assert [(one["factor"], one["level"]) for one in json.loads(out)["effects"]] == [
        ("ladder", "strong"),
        ("feedback", "last"),
    ]


@pytest.mark.slow
def test_a_comparison_is_an_mlflow_run_that_names_its_sources(runs, capsys, tmp_path):
    runs(TRACKED, a="-" * 20, b="+" * 8 + "-" * 12)
    for _ in range(2):
        assert compare(capsys, "a", "b")[0] == 0
    client = open_store(local_uri(str(tmp_path)), str(tmp_path))
    (run,) = client.search_runs([client.get_experiment_by_name("mine").experiment_id])
    assert (run.info.run_name, run.info.status, run.data.metrics["uplift"]) == ("a vs b", "FINISHED", 0.4)
    wanted = {"evalkit.kind": "comparison", "evalkit.sources": "key-a, key-b", "evalkit.conclusion": "better"}
    assert wanted.items() <= run.data.tags.items()
    assert RemoteRuns(local_uri(str(tmp_path)), str(tmp_path)).names() == []  # it is no run that one could name
    assert "no run 'a vs b'; there: a, key-a, b, key-b." in compare(capsys, "a vs b", "a")[2]
    names = {one.path for folder in ("", "figures") for one in client.list_artifacts(run.info.run_id, folder)}
    assert {"report.html", "report.md", "comparison.json", "flips.json", "figures/uplift.svg"} <= names
