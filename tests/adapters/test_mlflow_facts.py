"""What MLflow is told: names, numbers and values within its limits."""

from dataclasses import replace
from importlib import import_module

import pytest
from hypothesis import given
from hypothesis import strategies as some

from evalkit.adapters import mlflow_facts
from evalkit.adapters.mlflow_facts import cut, finite, legal, metrics, note, progress
from evalkit.core.summary import Interval
from tests.adapters.mlflow_builders import MIXED, MadeRun, solved, unfinished

FIXED = {
    "solved_rate", "solved_rate_low", "solved_rate_high", "solved", "unsolved", "unfinished", "quarantined",
    "attempts_mean", "attempts_mean_solved", "cost_usd", "cost_usd_per_solved", "tokens_prompt",
    "tokens_completion", "seconds_mean", "seconds_p95", "wall_seconds", "solved_on.small", "solved_on.big",
    "failure.rule_violation",
}  # fmt: skip


def test_the_metrics_have_the_names_that_others_rely_on(tmp_path):
    found = metrics(MadeRun(tmp_path).end(*MIXED))

    assert set(found) == FIXED
    assert found["solved_rate"] == pytest.approx(2 / 3)
    assert (found["solved"], found["solved_on.small"], found["solved_on.big"]) == (2, 1, 1)
    assert found["cost_usd"] == 1.25


def test_what_is_unknown_or_no_number_is_left_out(tmp_path):
    summary = MadeRun(tmp_path).end(solved("a", cost=None))
    odd = replace(summary, solved_rate=Interval(float("nan"), 0.0, float("inf")))

    assert not {"cost_usd", "cost_usd_per_solved", "solved_rate", "solved_rate_high"} & set(metrics(odd))
    assert metrics(odd)["solved_rate_low"] == 0


def test_nothing_climbed_has_counts_but_no_rates(tmp_path):
    found = metrics(MadeRun(tmp_path).end(status="stopped"))

    assert found["solved"] == 0
    assert "solved_rate" not in found
    assert "attempts_mean" not in found


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ladder.rungs.small.model", "ladder.rungs.small.model"),
        ("pass@1", "pass_1"),
        ("rungs[0]=x", "rungs_0__x"),
        ("a//b", "a_b"),
        ("../up", "_up"),
        ("/root", "_root"),
        ("", "_"),
    ],
)
def test_illegal_names_are_changed_as_little_as_possible(name, said):
    assert legal(name) == said


@pytest.fixture(scope="module")
def mlflows_own():
    return import_module("mlflow.utils.validation")  # 2 s that other tests need not wait for


@given(name=some.text(max_size=300))
def test_mlflow_takes_every_legal_name(mlflows_own, name):
    mlflows_own._validate_param_name(legal(name))
    mlflows_own._validate_metric_name(legal(name))
    assert len(legal(name)) <= 250


def test_values_too_long_are_cut_visibly_and_kept_whole():
    short, whole = cut({"prompt": "x" * 7000, "fine": "y"}, mlflow_facts.PARAM_LIMIT)

    assert len(short["prompt"]) == mlflow_facts.PARAM_LIMIT
    assert "long_values.json" in short["prompt"]
    assert short["fine"] == "y"
    assert whole == {"prompt": "x" * 7000}


def test_a_cost_that_is_unknown_once_stays_unknown(tmp_path):
    rows = MadeRun(tmp_path).end(solved("a"), solved("b", cost=None), solved("c")).instances
    points = [point for _, point in progress(rows, 3)]

    assert [point.get("progress.cost_usd") for point in points] == [0.25, None, None]
    assert [point["progress.solved"] for point in points] == [1, 2, 3]


def test_booleans_text_and_none_are_no_metrics():
    assert finite({"a": 1, "b": None, "c": "2", "d": float("-inf")}) == {"a": 1.0}


def test_the_note_says_first_that_a_run_is_simulated_and_what_it_is_missing(tmp_path):
    run = MadeRun(tmp_path)
    said = note(run.record, run.end(solved("a"), unfinished("b"), status="unfinished"), {"traces": "#/there"})

    assert said.startswith("**Simulated:**")
    assert "**Solved 1 of 1**" in said
    assert "**Unfinished:**" in said
    assert "[traces](#/there)" in said
