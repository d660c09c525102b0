"""Tests that go both ways on the same files: found by repeating, and left out by name."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from evalkit.core.types import Instance, Outcome, TestResult


def flaky(runs: Sequence[Iterable[TestResult]]) -> dict[str, str]:
    """The tests that passed in some runs of the same files and not in others, by name: `passed in 2 of 3`.

    A run in which nothing was seen to end (a time-out) says nothing of any test.
    """
    seen = [list(run) for run in runs]
    counted = [run for run in seen if any(test.outcome is not Outcome.MISSING for test in run)]
    passed: dict[str, int] = defaultdict(int)
    for run in counted:
        for test in run:
            passed[test.name] += test.outcome is Outcome.PASSED
    return {name: f"passed in {count} of {len(counted)}" for name, count in passed.items() if 0 < count < len(counted)}


def without(instance: Instance, names: Iterable[str]) -> Instance:
    """The instance with these tests neither asked to pass nor to go on passing."""
    tests, left_out = instance.tests, frozenset(names)
    if tests is None or not left_out & {*tests.fail_to_pass, *tests.pass_to_pass}:
        return instance
    failing = tuple(name for name in tests.fail_to_pass if name not in left_out)
    passing = tuple(name for name in tests.pass_to_pass if name not in left_out)
    return replace(instance, tests=replace(tests, fail_to_pass=failing, pass_to_pass=passing))
