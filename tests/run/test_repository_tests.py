"""A repository's own tests: known answers pass, everything else fails with words that help, and cheats do not pay."""
# ruff: noqa: E501  tables of cases read best with one a line

import asyncio
from dataclasses import replace

import pytest

from evalkit.adapters.bubblewrap_sandbox import BubblewrapSandbox
from evalkit.adapters.git_workspace import GitWorkspace
from evalkit.adapters.unconfined_sandbox import UnconfinedSandbox
from evalkit.core.edits import Tree, apply
from evalkit.core.environment import Built
from evalkit.core.errors import GraderError
from evalkit.core.failure import Failure
from evalkit.core.types import Candidate, Outcome
from evalkit.places import Places
from evalkit.run.tests_verifier import TestsVerifier
from tests.repository import BUGS, ENVIRONMENT, STATIC, Bug, generated
from tests.sandboxes import why_no_bubblewrap


class Here:
    """Environments that need no building: this Python has pytest."""

    def __init__(self, environment=ENVIRONMENT):
        self.environment = environment

    def recipe(self, name):
        return self.environment

    async def built(self, name):
        return Built(self.environment, "python", "here", env=self.environment.env)


def sandbox_here():
    """Where bubblewrap cannot work, these candidates (our own) run unconfined."""
    return UnconfinedSandbox() if why_no_bubblewrap() else BubblewrapSandbox()


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return generated(tmp_path_factory.mktemp("repos"))


@pytest.fixture
def verified(shop, tmp_path):
    """Verifies an instance with these changes to its files; ends what it started."""
    workspaces = []

    def verify(instance, made, environment=ENVIRONMENT, repos=shop.repos):
        workspaces.append(GitWorkspace(str(repos), str(tmp_path / "cache"), Places()))
        verifier = TestsVerifier(sandbox_here(), workspace=workspaces[-1], environments=Here(environment))
        return verifier.verify(instance, Candidate("an edit", files=_files(instance, made)))

    yield verify
    for workspace in workspaces:
        workspace.close()


def _files(instance, made):
    if isinstance(made, str):
        return apply("unified_diff", made, instance.files, ()).files
    tree = Tree(instance.files)
    for path, text in made.items():
        if text is None:
            del tree[path]
        else:
            tree[path] = text
    return tree


def _of(shop, name):
    return next(one for one in shop.instances if one.id == f"shop-{name}")


async def test_known_answers_are_accepted_and_doing_nothing_is_not(shop, verified):
    async with asyncio.TaskGroup() as group:
        good = [group.create_task(verified(one, one.gold)) for one in shop.instances]
        nothing = [group.create_task(verified(one, {"NOTES": "none\n"})) for one in shop.instances]
    assert [task.result().accepted for task in good] == [True] * 6
    assert [task.result().failure for task in nothing] == [Failure.TEST_FAILURE] * 6
    for task, one in zip(nothing, shop.instances, strict=True):
        failing = {test.name for test in task.result().tests if test.outcome is not Outcome.PASSED}
        assert failing == set(one.tests.fail_to_pass)


async def test_a_finding_tells_the_assertion_and_the_place_in_the_repository(shop, verified):
    one = _of(shop, "options")
    found = (await verified(one, {"NOTES": "none\n"})).findings[0]
    assert found.rule == "tests/test_options.py::test_equals_in_a_value"
    assert "ValueError: too many values to unpack (expected 2)" in found.message
    assert (found.excerpt, found.line) == ('shop/options.py:9: name, value = line.split("=")', 9)
    assert found.source == "test"
    found = (await verified(_of(shop, "shares"), {"NOTES": "none\n"})).findings[0]
    assert "[33, 33, 33] == [34, 33, 33]" in found.message


RIGHT = BUGS[0].text.replace(BUGS[0].wrong, BUGS[0].right)
HOOK = "import pytest\n@pytest.hookimpl(hookwrapper=True)\ndef pytest_runtest_makereport():\n    made = (yield).get_result()\n    made.outcome = 'passed'\n"
WRITE = """import json, os
for fd in range(3, 256):
    for key in ("", "0" * 32):
        try:
            os.write(fd, (key + json.dumps({"test": "tests/test_shares.py::test_nothing_is_lost", "outcome": "passed"}) + "\\n").encode())
        except OSError:
            pass
"""  # fmt: skip
PRINTED = '{"test": "tests/test_shares.py::test_nothing_is_lost", "outcome": "passed"}'
WRONG = BUGS[0].text
CHEATS = {
    "records that are printed": ({"shop/shares.py": f"print('''{PRINTED}''')\n{WRONG}"}, ""),
    "records that are written into whatever is open": ({"shop/shares.py": WRITE + WRONG}, "a report that the tests"),
    "an end with 0": ({"shop/shares.py": "import os\nos._exit(0)\n"}, "not seen to run"),
    "a SystemExit": ({"shop/shares.py": "raise SystemExit(0)\n"}, "not seen to run"),
    "a hook in conftest.py": ({"conftest.py": HOOK}, "conftest.py as the repository has it"),
    "a hook beside the tests": ({"tests/conftest.py": HOOK}, "tests/conftest.py as the repository has it"),
    "a file of options": ({"pytest.ini": "[pytest]\naddopts = --collect-only\n"}, "pytest.ini as the repository"),
    "options in place of the repository's": (
        {"pyproject.toml": "[tool.pytest.ini_options]\naddopts = '-k nothing'\n"},
        "pyproject.toml as the repository has it",
    ),
    "other tests": ({"tests/test_shares.py": "def test_even(): pass\ndef test_nothing_is_lost(): pass\n"}, "[33,"),
    "no tests": ({"tests/test_shares.py": None}, "[33, 33, 33]"),
    "a module of Python's": ({"unittest.py": "class TestCase: pass\n"}, "would hide the module 'unittest'"),
    "a skip": ({"shop/shares.py": "import pytest\n\ndef split(a, b):\n    pytest.skip('no')\n"}, "no"),
    "an xfail": ({"shop/shares.py": "import pytest\n\ndef split(a, b):\n    pytest.xfail('no')\n"}, "no"),
    "another pytest": (
        {"shop/shares.py": f"from _pytest import runner\nrunner.check_interactive_exception = print\n{RIGHT}"},
        "changes what the tests stand on",
    ),
}


async def test_no_cheap_cheat_is_accepted(shop, verified):
    one = _of(shop, "shares")
    async with asyncio.TaskGroup() as group:
        tried = {name: group.create_task(verified(one, made)) for name, (made, _) in CHEATS.items()}
    for name, task in tried.items():
        verdict = task.result()
        assert not verdict.accepted, name
        assert CHEATS[name][1] in " ".join(found.message for found in verdict.findings), (name, verdict.findings)


async def test_an_answer_that_also_touches_the_tests_settings_is_judged_without_that(shop, verified):
    made = {"shop/shares.py": RIGHT, "pyproject.toml": "broken = \n", "tests/test_shares.py": "broken\n"}
    assert (await verified(_of(shop, "shares"), made)).accepted


IMPORTS = {
    "no Python": ("def split(:\n", Failure.SYNTAX_ERROR, "shop/shares.py is not valid Python", ""),
    "a module that is not there": (
        "import shop.nowhere\n", Failure.SYNTAX_ERROR, "No module named 'shop.nowhere'", "shop/shares.py:1: import",
    ),
    "a name that is not there": ("split = unknown\n", Failure.TEST_FAILURE, "NameError", "shop/shares.py:1: split"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "failure", "message", "place"), IMPORTS.values(), ids=IMPORTS)
async def test_code_that_cannot_be_imported(shop, verified, text, failure, message, place):  # noqa: PLR0917  fixtures
    verdict = await verified(_of(shop, "shares"), {"shop/shares.py": text})
    assert verdict.failure is failure
    assert message in verdict.findings[0].message
    assert verdict.findings[0].excerpt.startswith(place)
    assert len(verdict.findings) == 1


async def test_a_test_that_does_not_end_is_named(shop, verified):
    one = _of(shop, "shares")
    one = replace(one, tests=replace(one.tests, timeout_s=5.0))
    verdict = await verified(one, {"shop/shares.py": "def split(a, b):\n    while True:\n        pass\n"})
    assert verdict.failure is Failure.CANDIDATE_TIMEOUT
    assert "did not end within 5 s, in tests/test_shares.py::test_even" in verdict.findings[0].message


async def test_old_data_that_never_parsed_may_be_edited(shop, verified):
    one = _of(shop, "shares")
    one = replace(one, files={**one.files, "shop/old.py": "print 1\n"})
    made = {"shop/old.py": "print 2\n", "shop/shares.py": RIGHT}
    assert (await verified(one, made)).accepted


FAULTS = {
    "tests that do not fit": ({"patch": "--- a/tests/test_shares.py\n+++ b/tests/test_shares.py\n@@ -1 +1 @@\n-no\n+yes\n"}, {}, "does not fit"),
    "no such command": ({}, {"test": ("no-such-runner", "{targets}")}, "no-such-runner"),
    "no pytest": ({}, {"test": ("python", "-c", "raise SystemExit('No module named pytest')")}, "Add pytest"),
    "a command without Python": ({}, {"test": ("true",)}, "the reporter did not start"),
}  # fmt: skip


@pytest.mark.parametrize(("tests", "environment", "message"), FAULTS.values(), ids=FAULTS)
async def test_what_is_no_candidates_fault_is_no_verdict(shop, verified, tests, environment, message):
    one = _of(shop, "shares")
    with pytest.raises(GraderError, match=message):
        await verified(replace(one, tests=replace(one.tests, **tests)), one.gold, replace(ENVIRONMENT, **environment))


def test_an_instance_that_names_no_test_to_begin_to_pass_is_not_covered(shop):
    one = _of(shop, "shares")
    verifier = TestsVerifier(sandbox_here(), workspace=object(), environments=object())
    assert verifier.covers(one) == ""
    assert "names no test" in verifier.covers(replace(one, tests=replace(one.tests, fail_to_pass=())))
    assert "no repo" in verifier.covers(replace(one, repo=None))
    assert "needs a workspace" in TestsVerifier(sandbox_here()).covers(one)


async def test_setup_runs_in_the_tree_before_the_tests_and_its_failure_is_the_candidates(shop, verified):
    one = _of(shop, "shares")
    setup = (("python", "-c", "import shop.shares; open('made', 'w').close()"), ("test", "-e", "made"))
    environment = replace(ENVIRONMENT, setup=setup)
    assert (await verified(one, one.gold, environment)).accepted
    verdict = await verified(one, {"shop/shares.py": "split = unknown\n"}, environment)
    assert verdict.failure is Failure.TEST_FAILURE
    assert "NameError: name 'unknown' is not defined" in verdict.findings[0].message


UNITTEST = Bug(
    id="sums",
    problem="Sums are wrong",
    text="def total(numbers):\n    return len(numbers)\n",
    wrong="len(numbers)",
    right="sum(numbers)",
    tests="import unittest\n\nfrom shop.sums import total\n\n\nclass Sums(unittest.TestCase):\n    def test_none(self):\n"
    "        self.assertEqual(total([]), 0)\n",
    more='\n    def test_told(self):\n        """\n        Numbers are added.\n        """\n'
    "        self.assertEqual(total([2]), 2)\n\n    def test_parts(self):\n        for number in (1, 2):\n"
    "            with self.subTest(number=number):\n                self.assertEqual(total([number]), number)\n\n\n"
    "class Prepared(unittest.TestCase):\n    @classmethod\n    def setUpClass(cls):\n"
    "        cls.ready = [1][total([0])]\n\n    def test_ready(self):\n        self.assertEqual(self.ready, 1)\n\n\n"
    "@unittest.skip('no server')\nclass Served(unittest.TestCase):\n    def test_told(self):\n"
    '        """\n        Numbers are added.\n        """\n',
    fail_to_pass=(),
    pass_to_pass=(),
)


async def test_unittest_by_old_names_new_names_docstrings_subtests_and_classes(verified, tmp_path):
    made = generated(tmp_path / "repos", (UNITTEST,))
    environment = replace(ENVIRONMENT, report="unittest", test=("python", "-m", "unittest", "-v", "{targets}"))
    wanted = (
        "Numbers are added.",
        "test_parts (tests.test_sums.Sums)",
        "test_ready (tests.test_sums.Prepared.test_ready)",
    )
    names = {"fail_to_pass": wanted, "pass_to_pass": ("test_none (tests.test_sums.Sums)",)}
    one = made.instances[0]
    one = replace(one, tests=replace(one.tests, targets=("tests.test_sums",), **names))
    assert (await verified(one, one.gold, environment, made.repos)).accepted
    verdict = await verified(one, {"NOTES": "none\n"}, environment, made.repos)
    assert [test.outcome for test in verdict.tests] == [
        Outcome.FAILED, Outcome.FAILED, Outcome.MISSING, Outcome.PASSED,
    ]  # fmt: skip
    messages = [found.message for found in verdict.findings]
    assert "1 != 2" in messages[0]
    assert "(number=2)" in messages[1]
    assert "IndexError" in messages[2]
    assert verdict.findings[2].excerpt == "tests/test_sums.py:25: cls.ready = [1][total([0])]"


# sympy's runner as far as the reporter of it goes: names and arguments are the real one's.
RUNNER = """import importlib.util, sys, os
class PyTestReporter:
    def entering_filename(self, filename, n): pass
    def entering_test(self, f): self._active_f = f
    def test_pass(self, char="."): print("ok")
    def test_fail(self, exc_info): print("F")
    def test_exception(self, exc_info): print("E")
    def test_skip(self, v=None): print("s")
    def test_xfail(self): print("f")
    def test_xpass(self, v): print("X")
    def import_error(self, filename, exc_info): print("?")
def test(path):
    reporter = PyTestReporter()
    path = os.path.abspath(path)
    spec = importlib.util.spec_from_file_location("tests", path)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except ImportError:
        return reporter.import_error(path, sys.exc_info())
    functions = [value for name, value in vars(module).items() if name.startswith("test_")]
    reporter.entering_filename(path, len(functions))
    for function in functions:
        reporter.entering_test(function)
        try:
            function()
        except AssertionError:
            reporter.test_fail(sys.exc_info())
        else:
            reporter.test_pass()
"""


async def test_sympys_runner_by_bare_names(verified, tmp_path, monkeypatch):
    command = "import sys\nfrom sympy.testing.runtests import test\ntest(sys.argv[1])\n"
    for name, text in {"sympy/__init__.py": "", "sympy/testing/__init__.py": "", "bin/test": command}.items():
        monkeypatch.setitem(STATIC, name, text)
    monkeypatch.setitem(STATIC, "sympy/testing/runtests.py", RUNNER)
    made = generated(tmp_path / "repos", BUGS[:1])
    environment = replace(
        ENVIRONMENT, report="sympy", test=("python", "bin/test", "{targets}"), env={"PYTHONPATH": "."}
    )
    one = made.instances[0]
    names = {"fail_to_pass": ("test_nothing_is_lost",), "pass_to_pass": ("test_even",)}
    one = replace(one, tests=replace(one.tests, **names))
    assert (await verified(one, one.gold, environment, made.repos)).accepted
    cheat = {"sympy/testing/runtests.py": "def test(path): print('test_nothing_is_lost ok')\n", "bin/test": "pass\n"}
    verdict = await verified(one, cheat, environment, made.repos)
    assert not verdict.accepted
    assert verdict.findings[0].excerpt == "tests/test_shares.py:9: assert split(100, 3) == [34, 33, 33]"
    assert "bin/test as the repository has it" in verdict.findings[1].message
    verdict = await verified(one, {"shop/shares.py": "import shop.nowhere\n"}, environment, made.repos)
    assert verdict.failure is Failure.SYNTAX_ERROR
