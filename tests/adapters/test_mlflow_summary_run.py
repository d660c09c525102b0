"""A comparison's or sweep's folder in a real sqlite store: what arrives, and that doing it again changes nothing."""

import json
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from evalkit.adapters.mlflow_store import local_uri, open_store
from evalkit.adapters.mlflow_summary_run import publish_again, publish_summary_run
from evalkit.core.errors import ConfigError, TrackerError
from tests.adapters.mlflow_builders import dump

TOLD = {
    "kind": "comparison",
    "key": "0123456789ab",
    "name": "a vs b",
    "tags": {"evalkit.sources": "one,two", "mlflow.note.content": "**B is better**"},
    "params": {"a": "one", "b": "two"},
    "metrics": {"uplift": 0.25, "p_value": float("nan")},
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """One store for all tests here: a new one takes 2 s. Each test has an experiment of its own."""
    return tmp_path_factory.mktemp("home with a space")


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "0123456789ab"
    (made / "figures").mkdir(parents=True)
    (made / "comparison.json").write_text("{}")
    (made / "figures" / "uplift.svg").write_text("<svg/>")
    return made


@pytest.fixture
def send(home, request):
    """Publish a folder, and return the run as the store holds it."""

    def do(folder, **other):
        store = {"uri": local_uri(str(home)), "home": str(home), "experiment": request.node.name}
        run_id = publish_summary_run(folder, **{**store, **TOLD, **other})
        return open_store(local_uri(str(home)), str(home)).get_run(run_id)

    return do


def files(run):
    root = Path(unquote(urlsplit(run.info.artifact_uri).path))
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}


def test_a_folder_arrives_whole(folder, send):
    run = send(folder, tables=["flips.json"])
    assert (run.info.status, run.info.run_name) == ("FINISHED", "a vs b")
    assert run.data.params == {"a": "one", "b": "two"}
    assert run.data.metrics == {"uplift": 0.25}  # what is no number is left out
    wanted = {"evalkit.kind": "comparison", "evalkit.key": "0123456789ab", "evalkit.status": "complete"}
    assert wanted.items() <= run.data.tags.items()
    assert run.data.tags["evalkit.sources"] == "one,two"
    page = f"#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}/artifacts"
    assert run.data.tags["mlflow.note.content"] == f"**B is better**\n\n[uplift]({page}/figures/uplift.svg)"
    assert json.loads(run.data.tags["mlflow.loggedArtifacts"]) == [{"path": "flips.json", "type": "table"}]
    assert not run.inputs.dataset_inputs
    assert files(run) == {"comparison.json": "{}", "figures/uplift.svg": "<svg/>"}


def test_publishing_the_same_again_changes_nothing(folder, send, home):
    first, before = send(folder), dump(home)
    assert send(folder).info.run_id == first.info.run_id
    assert dump(home) == before


def test_the_same_key_again_updates_the_run(folder, send):
    first = send(folder, status="running", metrics={})
    assert (first.info.status, first.data.tags["evalkit.status"]) == ("RUNNING", "unfinished")
    (folder / "comparison.json").write_text('{"more": 1}')
    again = send(folder, name="c", metrics={"uplift": 0.5}, tags={"mlflow.note.content": "new"}, params={"b": "other"})
    assert again.info.run_id == first.info.run_id
    assert (again.info.status, again.info.run_name) == ("FINISHED", "c")
    assert (again.data.metrics, again.data.tags["mlflow.note.content"][:4]) == ({"uplift": 0.5}, "new\n")
    assert again.data.params["b"] == "two"  # a param's first value stays
    assert files(again)["comparison.json"] == '{"more": 1}'
    assert send(folder, status="running").info.status == "RUNNING"  # a sweep that grew


def test_what_a_store_did_not_take_is_published_later(folder, home, request):
    store = {"home": str(home), "experiment": request.node.name}
    with pytest.raises(TrackerError) as away:
        publish_summary_run(folder, uri="http://127.0.0.1:9", **store, **TOLD)
    said = "http://127.0.0.1:9 did not take it: nothing answers there (connection refused)"
    assert str(away.value) == said
    run_id = publish_again(folder, uri=local_uri(str(home)), home=str(home))
    assert json.loads((folder / "published.json").read_text())["run_id"] == run_id
    with pytest.raises(ConfigError, match="makes it again"):
        publish_again(folder / "figures", uri=local_uri(str(home)), home=str(home))
