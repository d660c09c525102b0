"""The saved view of an experiment: the form that MLflow's UI stores; a user's changes to it stay."""

import json
import zlib
from base64 import b64decode

import pytest

from evalkit.adapters.mlflow_facts import metrics
from evalkit.adapters.mlflow_store import experiment_id, local_uri, open_store
from evalkit.adapters.mlflow_views import COLUMNS, TAG, provide_group
from tests.adapters.mlflow_builders import MIXED, MadeRun

NOTE = "mlflow.note.content"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    home = str(tmp_path_factory.mktemp("home"))
    return open_store(local_uri(home), home), home


def opened(store, name):
    client, home = store
    return client.get_experiment(experiment_id(client, name, local_uri(home), home))


def state(text):
    return json.loads(zlib.decompress(b64decode(json.loads(text)["state"].removeprefix("deflate;"))))


def test_an_experiment_has_a_view_whose_metrics_are_those_of_a_run(store, tmp_path):
    seen = state(opened(store, "new").tags[f"{TAG}evalkit"])
    known = set(metrics(MadeRun(tmp_path).end(*MIXED)))
    shown = {name.removeprefix("metrics.").strip("`") for name in COLUMNS if name.startswith("metrics.")}

    assert seen["selectedColumns"] == list(COLUMNS)
    assert shown <= known
    assert {chart["metricSectionId"] for chart in seen["compareRunCharts"]} == {
        section["uuid"] for section in seen["compareRunSections"]
    }


def test_what_a_user_made_of_note_and_view_stays(store):
    client, _ = store
    number = opened(store, "changed").experiment_id
    client.set_experiment_tag(number, NOTE, "mine")
    client.set_experiment_tag(number, f"{TAG}evalkit", "mine too")

    assert {opened(store, "changed").tags[name] for name in (NOTE, f"{TAG}evalkit")} == {"mine", "mine too"}


def test_a_sweeps_runs_have_a_view_of_their_own(store):
    client, _ = store
    number = opened(store, "swept").experiment_id
    places = provide_group(client, number, "sweep", "0123456789ab")
    seen = client.get_experiment(number).tags[f"{TAG}evalkit-0123456789ab"]

    assert json.loads(seen)["name"] == "sweep 0123456789ab"
    assert state(seen)["searchFilter"] == "tags.`evalkit.sweep` = '0123456789ab'"
    assert (
        places["charts"] == f"#/experiments/{number}/runs?viewStateShareKey=evalkit-0123456789ab&compareRunsMode=CHART"
    )
