"""evalkit simulate and evalkit plan, held to what really running comes to."""

import json
import shutil

import pytest

from evalkit.cli import main
from tests.e2e.command import Home

SYSTEMS = {"small": range(8), "middle": range(5, 14), "big": range(8, 19)}  # the instances that each one solves
PRICES = {"small": 1, "middle": 4, "big": 20}  # US dollars a million tokens of an answer
QUIET = ("tracker=none", "preflight=false", "feedback=none", "limits.concurrency=1")
COUNT = 20


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Three recorded systems, each run alone on the same instances."""
    home = Home(tmp_path_factory.mktemp("recorded"))
    rules = [{"id": "right", "kind": "regex", "pattern": "right", "message": "Say the right word."}]
    tasks = [{"id": f"i{n:02}", "prompt": f"Task {n}.", "rubric": {"rules": rules}} for n in range(COUNT)]
    home.write("tasks.jsonl", "".join(json.dumps(task) + "\n" for task in tasks))
    for name, solved in SYSTEMS.items():
        rows = [
            {"instance_id": f"i{n:02}", "text": "right" if n in solved else "wrong", "tokens_prompt": 10,
             "tokens_completion": 1000 + 10 * n}
            for n in range(COUNT)
        ]  # fmt: skip
        home.write(f"{name}.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
        _ladder(home, name, {name: {}})
        assert _run(home, name, name=name)["counts"]["solved"] == len(solved)
    return home


@pytest.fixture
def here(home, monkeypatch, capsys):
    """The command line in this process: quick, for what it refuses."""
    monkeypatch.setenv("EVALKIT_HOME", str(home.path))
    monkeypatch.chdir(home.path)

    def ask(*arguments):
        code = main(arguments)
        return code, *capsys.readouterr()

    return ask


def _ladder(home, name, rungs):
    price = {one: {"prompt": 0, "completion": PRICES[one]} for one in rungs}
    given = {one: {"model": f"replay/{one}.jsonl", "price": price[one]} | more for one, more in rungs.items()}
    home.write(f"conf/ladder/{name}.yaml", json.dumps({"rungs": given}))


def _run(home, ladder, *overrides, name):
    done = home.evalkit("run", f"ladder={ladder}", "dataset=jsonl", "dataset.path=tasks.jsonl", *QUIET, *overrides,
                        f"name={name}")  # fmt: skip
    assert done.returncode == 0, done.stderr
    (folder,) = [path for path in home.runs if json.loads((path / "record.json").read_text())["name"] == name]
    return json.loads((folder / "summary.json").read_text())


def _simulate(home, *options):
    done = home.evalkit("simulate", *SYSTEMS, *options, "--format", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(("rungs", "cap"), [("small,middle,big", 9), ("big,small", 9), ("middle,big,small", 2)])
def test_a_simulated_ladder_is_what_really_running_it_comes_to(home, rungs, cap):
    name = f"{rungs.replace(',', '_')}_{cap}"
    _ladder(home, name, {one: {} for one in rungs.split(",")})
    true = _run(home, name, f"max_attempts={cap}", name=name)
    found = _simulate(home, "--ladder", rungs, "--max-attempts", cap)
    row = next(one for one in found["ladders"] if "asked for" in one["kinds"])
    assert row["exact"] == COUNT
    assert row["solved"] == dict.fromkeys(("value", "low", "high"), true["counts"]["solved"])
    assert row["attempts_mean"] == pytest.approx(true["attempts"]["mean"])
    assert COUNT * row["cost"]["value"] == pytest.approx(true["cost_usd"])
    assert row["solved_rate"] == pytest.approx(true["solved_rate"])


def test_the_best_ladder_for_a_budget_runs_and_costs_what_was_foretold(home):
    found = _simulate(home, "--budget", "0.2", "--write", "thrifty")
    best = next(one for one in found["ladders"] if "best" in one["kinds"])
    assert [one["name"] for one in best["rungs"]] == ["small", "middle"]  # big would make it dearer than the budget
    true = _run(home, "thrifty", f"max_attempts={best['max_attempts']}", name="thrifty")
    assert true["cost_usd"] == pytest.approx(COUNT * best["cost"]["value"])
    assert true["counts"]["solved"] == best["solved"]["value"]
    assert all((home.path / one).read_bytes() for one in found["figures"])


def test_a_price_given_by_hand_goes_before_the_recorded_one(home):
    found = _simulate(home, "--price", "big=0,0.1")
    assert next(iter(found["ladders"]))["name"] == "big"  # the cheapest now
    assert found["best"]["held_out"] <= 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--ladder", "smal"], "did you mean 'small'?"),
        (["--ladder", "small,small"], "names small twice"),
        (["--rungs", "nobody"], "nothing was recorded of a rung 'nobody'"),
        (["--price", "small=1"], "write small=PROMPT,COMPLETION"),
        (["--budget", "0"], "--budget is 0.0; it must be above 0"),
        (["--budget", "0.000001"], "the cheapest, small, costs $"),
        (
            ["--cost", "attempts", "--budget", "1"],
            "--budget is in US dollars, but here costs are counted in attempts; give",
        ),
        (["--budget", "1", "--write", "small"], "evalkit simulate did not write it"),
        (["--figure", "f.gif"], "ends in .png or .svg"),
        (["nothing"], "no run 'nothing'"),
    ],
)
def test_what_cannot_be_simulated_is_said_in_a_line(here, options, said):
    code, out, err = here("simulate", "small", *options)
    assert (code, out) == (2, "")
    assert said in err


def test_runs_whose_prompts_differ_are_not_put_into_one_ladder(home, here):
    (big,) = [path for path in home.runs if '"name": "big"' in (path / "record.json").read_text()]
    other = home.path / "elsewhere"
    shutil.copytree(big, other)
    config = (other / "config.yaml").read_text()
    (other / "config.yaml").write_text(config.replace("You solve small tasks", "You solve big tasks"))
    code, out, err = here("simulate", "small", str(other))
    assert (code, out) == (2, "")
    assert "small and big differ in strategy" in err


def _plan(home, *overrides):
    done = home.evalkit("plan", "dataset=jsonl", "dataset.path=tasks.jsonl", *QUIET, *overrides, "--format", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_plan_from_earlier_runs_holds_what_the_run_then_takes(home):
    _ladder(home, "planned", {one: {} for one in SYSTEMS})
    (cell,) = _plan(home, "ladder=planned", "--uplift", "0.2")["cells"]
    assert all(one["earlier_attempts"] >= COUNT for one in cell["rungs"])
    true = _run(home, "planned", "limits.identical_errors=4", name="planned")
    made = sum(one["attempts"] for one in true["by_rung"])
    assert cell["calls"]["least"] <= made <= cell["calls"]["most"]
    assert 0 < cell["cost_usd"]["p50"] < cell["cost_usd"]["p95"] < cell["cost_usd"]["worst"]
    assert true["cost_usd"] < cell["cost_usd"]["worst"]
    (again,) = _plan(home, "ladder=planned")["cells"]
    assert (again["done"], again["calls"]["most"]) == (COUNT, 0)  # the same command makes none of them again


def test_without_earlier_runs_a_plan_gives_bounds_and_says_so(home):
    _ladder(home, "strange", {"small": {"model": "openai/of-our-own", "attempts": 3, "temperature": 0.5}})
    told = _plan(home, "ladder=strange", "--uplift", "0.3")
    (cell,) = told["cells"]
    assert cell["calls"] == {"least": COUNT, "expected": None, "p95": None, "most": 3 * COUNT}
    assert cell["cost_usd"]["worst"] == pytest.approx(3 * COUNT * 1024 * 1e-6)
    assert cell["cost_usd"]["p50"] is None
    assert "no earlier run asked these models" in cell["notes"][0]
    assert told["sample_for"]["instances"] > COUNT
    assert cell["smallest_uplift"] > 0.3  # so this sample cannot show it


def test_prompts_of_another_making_are_counted_and_not_taken_from_earlier_runs(home):
    (same,) = _plan(home, "ladder=small", "seed=1")["cells"]
    assert same["tokens"]["prompt"]["expected"] == 10 * COUNT  # as recorded
    (longer,) = _plan(home, "ladder=small", "seed=1", f"++strategy.system='{'word ' * 50}'")["cells"]
    assert longer["tokens"]["prompt"]["expected"] > 50 * COUNT


def test_a_sweep_is_planned_cell_by_cell_and_nothing_is_run(home):
    before = home.runs
    told = _plan(home, "-m", "ladder=small,big", "max_attempts=1,2")
    assert [one["climbs"] for one in told["cells"]] == [COUNT] * 4
    assert {one["seconds"]["most"] is None for one in told["cells"]} == {False}
    assert told["total"]["climbs_left"] == 4 * COUNT
    assert home.runs == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["ladder=smal"], "smal"),
        (["ladder=small", "--uplift", "much"], "--uplift 'much'"),
        (["ladder=small", "--uplift", "3"], "--uplift '3'"),
        (["ladder=small", "--format", "xml"], "--format 'xml'"),
        (["ladder=small", "max_attempts=0"], "max_attempts is 0"),
        (["ladder=small", "hydra/sweeper=optuna", "-m"], "optuna chooses its cells"),
    ],
)
def test_a_plan_of_what_cannot_run_ends_with_2(here, arguments, said):
    code, out, err = here("plan", *arguments)
    assert (code, out) == (2, "")
    assert said in err


@pytest.mark.parametrize("columns", ["80", "120"])
def test_tables_fit_and_name_what_matters(home, columns):
    shown = home.evalkit("simulate", *SYSTEMS, COLUMNS=columns).stdout
    table = [line for line in shown.splitlines() if line.startswith("  ")]
    assert max(map(len, table)) <= int(columns)
    assert "small > middle > big" in " ".join(shown.split())
    assert "[simulated: no live model answered]" in shown
