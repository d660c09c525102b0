"""One small task, `f(n) = n + 1`, in each way in which a candidate can be tested."""

from evalkit.core.types import Case, Instance, Tests


def instance(tests, answer="code:python"):
    return Instance("one", "Write …", answer=answer, tests=tests)


def python(*cases, call="f", **more):
    return instance(Tests("cases", call=call, cases=cases, **more))


def suite(code, **more):
    return instance(Tests("pytest", code=code, **more))


ADDS = python(Case((1,), returns=2), Case((5,), returns=6))
ADDS_SUITE = suite(
    "import pytest\nfrom candidate import f\n\n"
    "@pytest.mark.parametrize('n', [1, 5])\ndef test_adds(n):\n    assert f(n) == n + 1\n\n"
    "class TestMore:\n    def test_zero(self):\n        assert f(0) == 1\n"
)
# As docs/sandbox.md asks of commands: what the candidate did is looked at from another process.
ADDS_COMMAND = instance(Tests("command", command=("sh", "-c", 'test "$(echo 4 | python3 candidate.py)" = 5')))
