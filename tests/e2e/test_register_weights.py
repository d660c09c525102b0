"""The proof on a real model: registered, run again from the registry, served."""

import json

import mlflow
import pytest

from evalkit.adapters.local_model.fetch import fetch
from evalkit.adapters.mlflow_store import local_uri
from evalkit.cli import main
from evalkit.core.errors import InfrastructureError
from tests.cache import USERS
from tests.e2e.command import Home

SMALLEST = "smollm2-135m"
RUN = ["ladder=smallest", "ladder.rungs.smollm.max_tokens=24", "tracker=none", "name=small"]


def facts(folder):
    """Prompt, answer and verdict of each attempt."""
    found = [json.loads(path.read_text()) for path in sorted(folder.glob("instances/*/attempt_*.json"))]
    return [(one["instance_id"], one["prompt"]["digest"], one["candidate"], one["accepted"]) for one in found]


@pytest.mark.weights
@pytest.mark.slow
def test_a_live_run_is_registered_gives_the_same_again_from_the_registry_and_answers_tasks(tmp_path, monkeypatch):
    pytest.importorskip("xllamacpp", reason="the extra `local` is not installed")
    try:
        fetch(SMALLEST, str(USERS))
    except InfrastructureError as error:
        pytest.skip(f"no weights and no way to fetch them: {error}")
    home = Home(tmp_path)
    monkeypatch.setenv("EVALKIT_HOME", str(tmp_path))
    assert main(["run", *home.dataset(2), *RUN]) == 0
    (first,) = home.runs
    assert main(["publish", "small"]) == 0
    best = ["register", "--best", "solved_rate", "--name", "small", "--alias", "champion"]
    assert main([*best, "--force"]) == 0  # so small a model may have solved nothing, which is refused otherwise

    first.rename(tmp_path / "first")
    assert main(["run", "from=models:/small@champion", "tracker=none"]) == 0
    (again,) = home.runs
    assert (again.name, facts(again)) == (first.name, facts(tmp_path / "first"))

    mlflow.set_tracking_uri(local_uri(str(tmp_path)))
    try:
        model = mlflow.pyfunc.load_model("models:/small@champion")
    finally:
        mlflow.set_tracking_uri(None)
    rules = [{"id": "says", "kind": "regex", "pattern": ".", "message": "Say something."}]
    (answer,) = model.predict([{"prompt": "Say hello.", "rubric": {"rules": rules}}])
    assert (answer["verdict"], answer["rung"], answer["model"]) == ("accepted", "smollm", SMALLEST)
