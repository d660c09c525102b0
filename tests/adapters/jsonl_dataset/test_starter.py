"""The starter dataset that comes with evalkit."""

from collections import Counter

import pytest

from evalkit.adapters.bubblewrap_sandbox import BubblewrapSandbox
from evalkit.adapters.jsonl_dataset import JsonlDataset
from evalkit.adapters.rubric_files import RubricFolder
from evalkit.core.judge import judge
from evalkit.places import Places, installed
from evalkit.run.both_verifier import BothVerifier
from tests.run.builders import unhealthy


@pytest.fixture(scope="module")
def starter():
    path = str(installed("conf") / "dataset" / "starter.jsonl")
    return JsonlDataset(path, rubrics=RubricFolder([]), places=Places(), name="starter").load()


def test_the_starter_has_four_kinds_in_three_difficulties(starter):
    counts = Counter((instance.tags[0], instance.difficulty) for instance in starter.instances)
    levels = ("easy", "medium", "hard")
    assert set(counts) == {(kind, level) for kind in ("python", "sql", "json", "text") for level in levels}
    assert len(starter.instances) >= 24
    assert min(counts.values()) >= 2


def test_each_starter_instance_has_a_good_and_two_bad_answers(starter):
    assert [one.id for one in starter.instances if not one.good or len(one.bad) < 2] == []


def test_the_examples_of_the_starters_rules_are_right(starter):
    wrong = []
    for instance in starter.instances:
        for rule in instance.rubric.rules if instance.rubric else ():
            assert rule.accept, f"{instance.id}: {rule.id} has no accept example"
            assert rule.reject, f"{instance.id}: {rule.id} has no reject example"
            wrong += [(instance.id, rule.id, text) for text in rule.accept if rule.check.violations(text)]
            wrong += [(instance.id, rule.id, text) for text in rule.reject if not rule.check.violations(text)]
    assert wrong == []


def test_the_starters_rubrics_tell_good_answers_from_bad_ones(starter):
    for instance in starter.instances:
        if instance.rubric:
            assert all(judge(instance.rubric, text).accepted for text in instance.good), instance.id
        if instance.rubric and not instance.tests:
            assert not any(judge(instance.rubric, text).accepted for text in ("", *instance.bad)), instance.id


@pytest.mark.slow
async def test_the_starter_is_healthy_in_the_real_sandbox(starter):
    verifier = BothVerifier(sandbox=BubblewrapSandbox(), rubrics=RubricFolder([]))
    assert await unhealthy(starter.instances, verifier, 2) == {}
