"""What comparisons group instances by."""

import pytest

from evalkit.core.traits import Traits, traits
from evalkit.core.types import Instance, Repo


@pytest.mark.parametrize(
    ("instance", "cluster"),
    [
        (Instance("a", "p", repo=Repo("django/django", "0" * 40), metadata={"repo": "other"}), "django/django"),
        (Instance("a", "p", metadata={"repo": "sympy/sympy"}), "sympy/sympy"),
        (Instance("a", "p", metadata={"cluster": "algebra", "repo": "sympy/sympy"}), "algebra"),
        (Instance("a", "p", metadata={"repo": 3}), ""),
        (Instance("a", "p"), ""),
    ],
)
def test_instances_of_one_repository_are_a_cluster(instance, cluster):
    assert [one.cluster for one in traits([instance])] == [cluster]


def test_tags_and_difficulty_are_the_instances_own():
    instance = Instance("a", "p", tags=("python", "sql"), difficulty="hard")
    assert traits([instance]) == (Traits("a", ("python", "sql"), "hard", ""),)
