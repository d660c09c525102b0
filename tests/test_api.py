"""evalkit.api: the same tables whatever there is to tell, and what is unknown stays unknown."""

import json
import subprocess
import sys

import pytest

from evalkit import api
from evalkit.adapters.mlflow_publish import publish
from evalkit.adapters.mlflow_store import local_uri
from evalkit.api import columns
from evalkit.api.folders import ramp_of
from evalkit.core.errors import ConfigError
from tests.adapters.mlflow_builders import MIXED, MadeRun, solved, unfinished, unsolved
from tests.ramp_builder import made_ramp

OTHER, RAMP = "ba9876543210", "00112233aabb"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Two runs, the first of which is published, and a ramp."""
    place = tmp_path_factory.mktemp("home")
    first = MadeRun(place, params={"dataset": "starter"})
    first.end(*MIXED, unfinished("d"))
    publish(str(first.path), local_uri(str(place)), "evalkit", home=str(place), traces="none")
    MadeRun(place, key=OTHER).end(solved("a", cost=None), solved("b"), solved("c"), solved("d"))
    for key in ("0123456789ab", OTHER):
        (place / "mlruns/runs" / key / "journal.jsonl").touch()  # runs are found by it
    made_ramp(place, RAMP, [solved("a"), unsolved("b")], [solved("a"), unsolved("b"), solved("c"), unfinished("d")])
    return place


@pytest.fixture(autouse=True)
def at_home(home, monkeypatch):
    monkeypatch.setenv("EVALKIT_HOME", str(home))


def test_importing_it_loads_nothing_heavy():
    heavy = "{'pandas', 'numpy', 'scipy', 'mlflow', 'hydra', 'litellm', 'msgspec', 'matplotlib'}"
    check = f"import sys, evalkit.api; assert not {heavy} & set(sys.modules), {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        (api.runs, columns.RUNS),
        (lambda: api.runs(kind="comparison"), columns.RUNS),
        (lambda: api.instances(OTHER), columns.INSTANCES),
        (lambda: api.attempts(OTHER), columns.ATTEMPTS),
        (lambda: api.phases(RAMP), columns.PHASES),
        (lambda: api.phase_instances(RAMP), columns.PHASE_INSTANCES),
    ],
)
def test_a_table_has_its_columns_and_types_also_without_rows(table, columns):
    found = table()
    assert {name: str(kind) for name, kind in found.dtypes.items()} == dict(columns)


def test_a_climb_that_was_not_judged_is_neither_solved_nor_unsolved(home):
    table = api.instances(home / "mlruns/runs/0123456789ab").set_index("instance_id")

    assert table.solved.dropna().to_dict() == {"a": True, "b": True, "c": False}
    assert table.solved.mean() == pytest.approx(2 / 3)
    assert table.attempts_needed.isna().to_dict() == {"a": False, "b": False, "c": True, "d": True}


def test_a_cost_that_is_unknown_is_nan_and_not_zero():
    assert api.instances(OTHER).cost_usd.isna().tolist() == [True, False, False, False]
    assert api.attempts(OTHER).cost_usd.isna().sum() == 1
    assert api.runs([OTHER]).cost_usd.isna().all()


def test_the_store_and_the_folders_tell_the_same_of_a_run(home):
    (stored,) = api.runs().to_dict("records")
    (read,) = api.runs(home / "mlruns", experiment="evalkit").to_dict("records")
    same = set(columns.RUNS) - {"started"}

    assert {name: stored[name] for name in same} == {name: read[name] for name in same}
    assert (stored["solved"], stored["unfinished"], stored["ladder"]) == (2, 1, "local")


def test_a_list_of_runs_keeps_its_order(home):
    assert api.runs([OTHER, home / "mlruns/runs/0123456789ab"]).key.tolist() == [OTHER, "0123456789ab"]


def test_an_attempt_is_found_whole_and_a_wrong_one_is_told():
    assert api.attempt(OTHER, "b", 1)["prompt"]["messages"][-1]["content"] == "Say it, 1."
    with pytest.raises(ConfigError, match=r"attempt_7\.json"):
        api.attempt(OTHER, "b", 7)


def test_phases_tell_rates_and_their_change_and_leave_unfinished_climbs_out():
    table = api.phases(RAMP)

    assert table.solved_rate.tolist() == pytest.approx([1 / 2, 2 / 3])
    assert table.improvement.isna().tolist() == [True, False]
    assert table[["judged", "unfinished"]].to_numpy().tolist() == [[2, 0], [3, 1]]
    assert api.phase_instances(RAMP).groupby("phase").solved.mean().tolist() == pytest.approx([1 / 2, 2 / 3])


def test_runs_and_tables_of_them_compare_by_what_both_judged():
    whole = api.compare("0123456789ab", OTHER)
    part = api.compare(api.instances("0123456789ab").head(2), OTHER)

    assert (whole.instances, whole.only_a, whole.only_b, whole.uplift) == (3, 0, 1, pytest.approx(1 / 3))
    assert whole.flips.to_dict("records") == [{"instance_id": "c", "a": False, "b": True}]
    assert (part.instances, part.uplift, part.conclusion) == (2, 0, "cannot_show")


def test_a_simulated_run_is_set_against_a_live_one_only_when_asked(home):
    path = home / "mlruns/runs" / OTHER / "summary.json"
    before = path.read_bytes()
    told = json.loads(before)
    try:
        path.write_text(json.dumps({**told, "simulated": not told["simulated"]}))
        with pytest.raises(ConfigError, match=r"is simulated and .* is live"):
            api.compare("0123456789ab", OTHER)
        assert api.compare("0123456789ab", OTHER, simulated=True).instances == 3
    finally:
        path.write_bytes(before)


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda: api.instances("nothing"), "no run 'nothing'"),
        (lambda: api.phases("nothing"), "no ramp 'nothing'.*local-starter"),
        (lambda: api.runs("nowhere"), "nowhere is no folder"),
        (lambda: api.runs(experiment="nowhere"), "no experiment 'nowhere'"),
        (lambda: api.attempts(ramp_of(RAMP)), "is a ramp"),
        (lambda: api.compare(OTHER, api.instances(OTHER).head(0)), "share no judged"),
    ],
)
def test_what_cannot_be_answered_is_said_in_one_line(ask, said):
    with pytest.raises(ConfigError, match=said) as found:
        ask()
    assert "\n" not in str(found.value)
