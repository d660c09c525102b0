"""What is read back of a run's and a ramp's folder, and what is said of files that are not there or torn."""

import pytest

from evalkit.adapters.run_results import read_attempts, read_phases, read_summary
from evalkit.core.errors import ConfigError
from tests.adapters.mlflow_builders import MIXED, MadeRun, solved


def test_every_attempt_comes_back_in_the_order_in_which_it_was_made(tmp_path):
    made = MadeRun(tmp_path)
    summary = made.end(*MIXED)
    rows = list(read_attempts(made.path, read_summary(made.path).instances))

    assert read_summary(made.path) == summary
    assert [(row.instance_id, row.number, row.rung, row.accepted) for row in rows] == [
        ("a", 1, "small", True),
        ("b", 1, "small", False),
        ("b", 2, "big", True),
        ("c", 1, "small", False),
        ("c", 2, "big", False),
    ]
    assert (rows[1].failure, rows[1].tokens_prompt, rows[1].seconds) == ("rule_violation", 12, 0.75)


def test_a_cost_that_is_unknown_is_none(tmp_path):
    made = MadeRun(tmp_path)
    made.end(solved("a", cost=None))

    assert [row.cost_usd for row in read_attempts(made.path, read_summary(made.path).instances)] == [None]


@pytest.mark.parametrize("content", [None, "", '{"key": ', "[]", '{"key": 1}'])
def test_a_summary_that_is_absent_or_torn_is_named(tmp_path, content):
    path = tmp_path / "summary.json"
    if content is not None:
        path.write_text(content)

    with pytest.raises(ConfigError, match=r"summary\.json.*continues it"):
        read_summary(tmp_path)


@pytest.mark.parametrize("content", ["", '{"instance_id": "a", ', '{"instance_id": "a"}', '{"attempt": 0}'])
def test_an_attempt_that_is_torn_is_named(tmp_path, content):
    made = MadeRun(tmp_path)
    summary = made.end(*MIXED)
    (made.path / "instances/b/attempt_2.json").write_text(content)

    with pytest.raises(ConfigError, match=r"b/attempt_2\.json"):
        list(read_attempts(made.path, summary.instances))


@pytest.mark.parametrize(("files", "said"), [({}, "goes on"), ({"phase_1_results.json": "{"}, "phase_1_results")])
def test_phases_that_are_absent_or_torn_are_named(tmp_path, files, said):
    for name, content in files.items():
        (tmp_path / name).write_text(content)

    with pytest.raises(ConfigError, match=said):
        read_phases(tmp_path)
