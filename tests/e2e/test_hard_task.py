"""The first climb of the hard task, replayed: near misses, empty answers, one that is right; and the wrong rule."""

import json
import shutil
from pathlib import Path

import pytest

from evalkit.cli.hydra_app import composed
from tests.sandboxes import needs_rust, rust_sandbox

ROOT = Path(__file__).parents[2]
CLIMB = ("dataset=hard_rust", "ladder=hard_task_replay", "feedback=violations", "max_attempts=6", "tracker=none")
STRICT = ("verifier.rubric=literal_backoff", "preflight=false")  # the preflight would refuse to start with that rule
MODELS = {
    "qwen35": "qwen3.5:latest",
    "qwen3": "qwen3:latest",
    "gpt_oss_20b": "gpt-oss:20b",
    "gpt_oss_120b": "gpt-oss:120b",
    "devstral": "devstral-2:123b",
    "kimi": "kimi-k2:1t",
    "mistral": "mistral-large-3:675b",
}


def climb(home, *overrides):
    """The climb's folder and what was said of it."""
    done = home.evalkit("run", *CLIMB, *overrides)
    assert done.returncode == 0, done.stderr
    (folder,) = home.path.glob("mlruns/runs/*/instances/bounded-fetch")
    return folder, done


def attempts(folder):
    paths = sorted(folder.glob("attempt_*.json"), key=lambda path: int(path.stem.removeprefix("attempt_")))
    return [json.loads(path.read_text()) for path in paths]


def told(attempt):
    """How much of the prompt is feedback, in lines."""
    return attempt["prompt"]["messages"][-1]["content"].count("\n- ")


def strict(home):
    (home.path / "rubrics").mkdir()
    shutil.copy(ROOT / "docs" / "hard_task" / "literal_backoff.yaml", home.path / "rubrics")


def test_the_climb_ends_at_the_fifth_attempt_with_all_fifteen_rules(home):
    folder, _ = climb(home, "verifier=rubric")
    made = attempts(folder)
    verdicts = [one["verdict"] for one in made]
    assert [(one["rules_passed"], one["rules_total"]) for one in verdicts[:2]] == [(11, 15), (11, 15)]
    missed = [{finding["rule"] for finding in one["findings"]} for one in made[:2]]
    assert len(missed[0]) == len(missed[1]) == 4
    assert not missed[0] & missed[1]
    assert [one["failure"] for one in made[2:4]] == ["empty_response", "empty_response"]
    assert (verdicts[4]["rules_passed"], verdicts[4]["rules_total"], made[4]["accepted"]) == (15, 15, True)
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [f"attempt_{number}.{kind}" for number in range(1, 6) for kind in ("json", "txt")] + ["summary.json"]
    )
    summary = home.summary()
    assert summary["simulated"] is True
    assert summary["instances"][0]["attempts_needed"] == 5


def test_feedback_is_long_before_the_first_empty_answer_and_short_after_it(home):
    folder, _ = climb(home, "verifier=rubric")
    lines = [told(one) for one in attempts(folder)]
    base = lines[0]
    assert lines[1] > base
    assert lines[2] > lines[3] > base


def test_with_the_rule_that_wants_literals_the_climb_ends_unsolved(home):
    strict(home)
    folder, done = climb(home, "verifier=rubric", *STRICT)
    made = attempts(folder)
    rejected = {one["rung"]: {finding["rule"] for finding in one["findings"]} for one in made}
    assert rejected["devstral"] == rejected["mistral"] == {"literal-backoff"}
    assert home.summary()["counts"]["unsolved"] == 1
    assert done.stderr.count("not part of your subscription") == 1


def test_rubric_test_points_at_that_rule_and_at_none_of_ours(home):
    found = home.evalkit("rubric", "test", ROOT / "docs" / "hard_task" / "literal_backoff.yaml", "--format", "json")
    assert found.returncode == 4
    (rubric,) = json.loads(found.stdout)["rubrics"]
    assert [(rule["id"], rule["verdict"]) for rule in rubric["rules"]] == [("literal-backoff", "wrong")]
    ours = home.evalkit("rubric", "test", "bounded_fetch", "--format", "json")
    assert ours.returncode == 0, ours.stdout
    (rubric,) = json.loads(ours.stdout)["rubrics"]
    assert {rule["verdict"] for rule in rubric["rules"]} == {"ok"}


@needs_rust
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_answers_that_pass_the_tests_make_that_rule_a_suspect_and_a_regrade_frees_them(home):
    strict(home)
    climb(home, *STRICT, "verifier.after_rejection=run", f"sandbox={rust_sandbox()}", "name=strict")
    (suspect,) = [one for one in home.summary()["suspects"] if one["why"] == "only_objection"]
    assert suspect["rule"] == "literal-backoff"
    assert [answer["attempt"] for answer in suspect["answers"]] == [5, 7]
    again = home.evalkit("regrade", "strict", "verifier=rubric", "verifier.rubric=null", "--format", "json")
    assert again.returncode == 0, again.stderr
    assert {flip["attempt"] for flip in json.loads(again.stdout)["flips"]} == {5, 7}


def test_the_ladder_names_the_models_of_the_first_climb_in_its_order(monkeypatch):
    monkeypatch.setenv("OLLAMA_API_BASE", "http://127.0.0.1:1/home")
    monkeypatch.setenv("OLLAMA_CLOUD_API_BASE", "http://127.0.0.1:1/cloud")
    rungs = composed(["ladder=hard_task"]).config["ladder"]["rungs"]
    assert {name: rung["model"].partition("/")[2] for name, rung in rungs.items()} == MODELS
    assert list(rungs) == list(MODELS)
    assert [rung["attempts"] for rung in rungs.values()] == [1] * 7
    assert [rung["api_base"].rpartition("/")[2] for rung in rungs.values()] == ["home"] * 3 + ["cloud"] * 4
