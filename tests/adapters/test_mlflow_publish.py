"""Publishing run folders to a real sqlite store: what arrives, and that doing it again changes nothing."""

import json
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from evalkit.adapters.mlflow_publish import is_published, publish
from evalkit.adapters.mlflow_store import local_uri, open_store
from evalkit.core.errors import ConfigError, TrackerError
from tests.adapters.mlflow_builders import (
    KEY,
    MIXED,
    MadeRun,
    dump,
    files,
    solved,
    unfinished,
    unsolved,
)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """One store for all tests here: a new one takes 2 s. Each test has an experiment of its own."""
    return tmp_path_factory.mktemp("home with a space")


@pytest.fixture
def experiment(request):
    return request.node.name


@pytest.fixture
def send(home, experiment):
    """Publish a run, and return it as the store holds it."""

    def do(run, **how):
        done = publish(str(run.path), local_uri(str(home)), experiment, home=str(home), **how)
        return open_store(local_uri(str(home)), str(home)).get_run(done.run_id)

    return do


def traces(home, run):
    client = open_store(local_uri(str(home)), str(home))
    return client.search_traces(locations=[run.info.experiment_id], run_id=run.info.run_id)


def artifacts(run) -> Path:
    return Path(unquote(urlsplit(run.info.artifact_uri).path))


def test_a_run_arrives_whole(home, send):
    made = MadeRun(home)
    made.end(*MIXED)
    run = send(made)

    assert run.info.status == "FINISHED"
    assert run.info.run_name == "local-starter"
    assert run.data.params == {"ladder": "local", "max_attempts": "10"}
    assert run.data.metrics["solved_rate"] == pytest.approx(2 / 3)
    assert run.data.metrics["progress.attempts"] == 5
    assert run.data.tags["evalkit.key"] == KEY
    assert {run.data.tags[f"evalkit.{tag}"] for tag in ("kind", "simulated", "status")} == {"run", "true", "complete"}
    (given,) = run.inputs.dataset_inputs
    assert given.dataset.name == "starter"
    assert made.record.dataset_digest.startswith(given.dataset.digest)
    sent = files(artifacts(run))
    assert set(files(made.path)) - {"record.json", "published.json"} | {"instances.json"} == set(sent)
    assert sent["instances/c/attempt_2.txt"] == b"the answer"


def test_the_evaluation_view_finds_a_table_lined_up_by_instance(home, send):
    made = MadeRun(home)
    made.end(*MIXED)
    run = send(made)

    assert json.loads(run.data.tags["mlflow.loggedArtifacts"]) == [{"path": "instances.json", "type": "table"}]
    table = json.loads((artifacts(run) / "instances.json").read_text())
    assert table["columns"][:2] == ["instance_id", "outcome"]
    assert [row[0] for row in table["data"]] == ["a", "b", "c"]
    assert [row[1] for row in table["data"]][1] == "solved by big, attempt 2"
    assert all(len(row) == len(table["columns"]) for row in table["data"])


def test_publishing_twice_changes_nothing(home, send):
    made = MadeRun(home)
    made.end(*MIXED, unfinished("d"), status="unfinished")
    run = send(made)
    before, sent = dump(home), files(artifacts(run))

    assert send(made).info.run_id == run.info.run_id
    assert dump(home) == before
    assert files(artifacts(run)) == sent


def test_a_publication_that_broke_off_is_taken_up_without_doubles(home, send):
    made = MadeRun(home)
    made.end(*MIXED)
    run = send(made)
    before = dump(home)
    open_store(local_uri(str(home)), str(home)).set_tag(run.info.run_id, "evalkit.published", "")
    send(made)

    assert dump(home) == before


def test_a_resumed_run_replaces_what_it_outdates(home, send):
    made = MadeRun(home)
    made.end(solved("a"), unfinished("b"), status="unfinished")
    first = send(made)
    made.end(solved("a"), unsolved("b"))
    run = send(made)

    assert run.info.run_id == first.info.run_id
    assert (first.info.status, run.info.status) == ("FAILED", "FINISHED")
    assert (first.data.metrics["failure.rate_limit"], run.data.metrics["failure.rate_limit"]) == (1, 0)
    assert (run.data.metrics["unsolved"], run.data.metrics["progress.unsolved"]) == (1, 1)
    assert run.data.metrics["progress.unfinished"] == 0
    (trace,) = traces(home, run)
    assert trace.info.tags["evalkit.outcome"] == "unsolved"


@pytest.mark.parametrize(
    ("which", "most", "expected"),
    [
        ("failed", 100, ["c", "d"]),
        ("all", 100, ["a", "b", "c", "d"]),
        ("none", 100, []),
        ("all", 2, ["c", "d"]),
    ],
)
def test_traces_are_of_the_climbs_asked_for_failures_first(home, send, which, most, expected):
    made = MadeRun(home)
    made.end(*MIXED, unfinished("d"), status="unfinished")
    run = send(made, traces=which, traces_at_most=most)

    assert sorted(trace.info.tags["evalkit.instance"] for trace in traces(home, run)) == expected


@pytest.mark.parametrize(("most", "noted"), [(100, {"a": (True, 1), "b": (True, 2), "c": (False, 2)}), (2, {})])
def test_traces_that_are_the_whole_run_note_what_was_solved_and_others_nothing(home, send, most, noted):
    made = MadeRun(home)
    made.end(*MIXED)
    found = [trace.info for trace in traces(home, send(made, traces="all", traces_at_most=most))]
    values = {
        info.tags["evalkit.instance"]: tuple(one.value for one in sorted(info.assessments, key=lambda one: one.name))
        for info in found
    }

    assert {name: each[::-1] for name, each in values.items() if each} == noted


def test_a_trace_shows_the_prompt_the_outcome_the_answer_and_the_findings(home, send):
    made = MadeRun(home)
    made.end(unsolved("c"))
    (trace,) = traces(home, send(made))
    ended = json.loads(trace.data.response)

    assert trace.info.request_preview == "Say it, 1."
    assert trace.info.response_preview.startswith("unsolved after 2 attempts: rule_violation")
    assert (ended["answer"], ended["findings"]) == ("```\nanswer\n```", ["Say the word."])


def test_a_trace_has_a_span_an_attempt_with_call_and_verification_under_it(home, send):
    made = MadeRun(home)
    made.end(unsolved("c"))
    (trace,) = traces(home, send(made))

    spans = {span.span_id: span for span in trace.data.spans}
    tree = sorted((spans[span.parent_id].name if span.parent_id else "", span.name) for span in spans.values())
    assert tree == [
        ("", "c"),
        ("attempt 1: small", "scripted/small"),
        ("attempt 1: small", "verification"),
        ("attempt 2: big", "scripted/big"),
        ("attempt 2: big", "verification"),
        ("c", "attempt 1: small"),
        ("c", "attempt 2: big"),
    ]
    assert trace.info.execution_duration == 1500
    assert trace.info.token_usage["total_tokens"] == 30


def test_long_values_are_whole_in_an_artifact(home, send):
    made = MadeRun(home, params={"strategy.template": "x" * 9000}, tags={"evalkit.note": "y" * 9000})
    made.end(*MIXED)
    run = send(made)

    whole = json.loads((artifacts(run) / "long_values.json").read_text())
    assert whole == {"strategy.template": "x" * 9000, "evalkit.note": "y" * 9000}
    assert run.data.params["strategy.template"].endswith("long_values.json)")


def test_more_params_than_mlflow_takes_at_once_all_arrive(home, send):
    made = MadeRun(home, params={f"ladder.rungs.small.params.p{number}": "1" for number in range(250)})
    made.end(*MIXED)

    assert len(send(made).data.params) == 252


def test_a_run_deleted_in_the_ui_is_published_anew(home, send):
    made = MadeRun(home)
    made.end(*MIXED)
    run = send(made)
    open_store(local_uri(str(home)), str(home)).delete_run(run.info.run_id)

    assert send(made).info.run_id != run.info.run_id


def test_the_marker_holds_for_this_store_and_this_summary(home, send):
    made = MadeRun(home)
    made.end(unfinished("a"), status="unfinished")
    send(made)

    assert is_published(made.path, local_uri(str(home)))
    assert not is_published(made.path, "http://127.0.0.1:9")
    made.end(solved("a"))
    assert not is_published(made.path, local_uri(str(home)))


def test_a_folder_that_is_no_ended_run_is_refused(home, send):
    made = MadeRun(home, key="feedfeedfeed")
    with pytest.raises(ConfigError, match="has not ended"):
        send(made)
    (made.path / "summary.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"summary\.json"):
        send(made)
    (made.path / "record.json").unlink()
    with pytest.raises(ConfigError, match="not a run folder"):
        send(made)


def test_a_deleted_experiment_and_a_moved_project_are_said(home, experiment, send, tmp_path):
    client = open_store(local_uri(str(home)), str(home))
    made = MadeRun(home)
    made.end(*MIXED)
    client.delete_experiment(client.create_experiment(experiment))
    with pytest.raises(TrackerError, match="was deleted"):
        send(made)
    client.create_experiment("moved", artifact_location=(tmp_path / "gone" / "artifacts").as_uri())
    with pytest.raises(TrackerError, match="was the project moved"):
        publish(str(made.path), local_uri(str(home)), "moved", home=str(home))
