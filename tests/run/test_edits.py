"""Answers that are edits: the tests run against the edited files, and no edit reaches what they stand on."""
# ruff: noqa: E501  tables of candidates read best with one a line

import pytest

from evalkit.core.answer import candidate
from evalkit.core.edits import written
from evalkit.core.failure import Failure
from evalkit.core.types import Candidate, Completion, Instance, Tests
from evalkit.run.both_verifier import BothVerifier
from evalkit.run.tests_verifier import TestsVerifier
from tests.run.builders import faults_of
from tests.run.tasks import ADDS_SUITE
from tests.run.test_cheats import SEE_ALL, SUITE_CHEATS
from tests.run.test_tests_verifier import sandbox_here

CART = "from shop.prices import price\n\n\nclass Cart:\n    def __init__(self):\n        self.items = []\n\n    def total(self):\n        return sum(price(item) for item in self.items[1:])\n"
PRICES = "PRICES = {'apple': 3, 'pear': 4}\n\n\ndef price(item):\n    return PRICES[item]\n"
FILES = {
    "shop/cart.py": CART,
    "shop/prices.py": PRICES,
    "shop/__init__.py": "",
    "conftest.py": "import pytest\n\n@pytest.fixture\ndef fruit():\n    return ['apple', 'pear']\n",
}
CODE = "from shop.cart import Cart\n\ndef test_total(fruit):\n    cart = Cart()\n    cart.items += fruit\n    assert cart.total() == 7\n\ndef test_nothing():\n    assert Cart().total() == 0\n"
MENDED = CART.replace("self.items[1:]", "self.items")
FORMATS = ["search_replace", "unified_diff", "whole_file"]


@pytest.fixture
def verifier():
    return TestsVerifier(sandbox_here()(), timeout_s=20)


def shop(answer="search_replace", code=CODE, **more):
    return Instance("shop", "Mend it.", answer=answer, files=FILES, tests=Tests("pytest", code=code), **more)


def edits(instance, **changed):
    """The instance's files with `cart` and `prices` changed, as an answer in its own format."""
    names = {"cart": "shop/cart.py", "prices": "shop/prices.py", "init": "shop/__init__.py"}
    after = {**instance.files, **{names.get(name, name): text for name, text in changed.items()}}
    return written(instance.answer, instance.files, {path: text for path, text in after.items() if text is not None})


async def judged(verifier, instance, text):
    """As in a climb: the strategy's candidate, then the verdict."""
    return await verifier.verify(instance, candidate(instance.answer, Completion(text), instance))


@pytest.mark.parametrize("answer", FORMATS)
async def test_the_tests_run_against_the_edited_files(verifier, answer):
    one = shop(answer)
    assert (await judged(verifier, one, edits(one, cart=MENDED))).accepted
    verdict = await judged(verifier, one, edits(one, cart=MENDED + "\n# more\n", prices=PRICES.replace("3", "5")))
    assert (verdict.failure, [test.outcome for test in verdict.tests]) == (Failure.TEST_FAILURE, ["failed", "passed"])


WRONG = {
    "a syntax error": ({"cart": MENDED.replace("total(self):", "total(self)"), "prices": "def"}, Failure.SYNTAX_ERROR, ["shop/cart.py is not valid Python", "shop/prices.py is not valid Python"]),
    "raises": ({"prices": PRICES.replace("[item]", "[item + 's']"), "cart": MENDED}, Failure.TEST_FAILURE, ["KeyError: 'apples' (shop/prices.py, line 5: `return PRICES[item + 's']`)"]),
    "takes away what the tests import": ({"cart": MENDED.replace("Cart", "Basket")}, Failure.SYNTAX_ERROR, ["cannot import", "Cart"]),
    "deletes what the tests import": ({"cart": None}, Failure.SYNTAX_ERROR, ["cannot import", "shop.cart"]),
    "takes away what another file imports": ({"prices": PRICES.replace("def price", "def cost")}, Failure.SYNTAX_ERROR, ["cannot import", "price"]),
    "fails at import": ({"init": "raise RuntimeError('no')\n"}, Failure.SYNTAX_ERROR, ["RuntimeError: no"]),
    "ends the process": ({"prices": PRICES + "import os\nos._exit(0)\n"}, Failure.TEST_FAILURE, ["ended the process"]),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
async def test_what_an_edit_breaks_is_the_edits_fault_and_says_where(verifier, name):
    changed, failure, said = WRONG[name]
    one = shop()
    verdict = await judged(verifier, one, edits(one, **changed))
    told = "\n".join(found.message for found in verdict.findings)
    assert (verdict.accepted, verdict.failure) == (False, failure), told
    assert all(words in told for words in said), told


async def test_invariant_4_what_does_not_apply_is_never_tested_by_any_verifier():
    class NoSandbox:
        limits = None

        async def run(self, job):
            raise AssertionError("an edit that does not apply was run")

    one = shop()
    answers = {
        "I would sum all of them.": Failure.NO_EDITS,
        edits(one, cart=MENDED).replace("self.items = []", "self.items = ()"): Failure.APPLY_FAILED,
        edits(one, cart=MENDED).replace(MENDED, CART): Failure.NO_CHANGE,
        "": Failure.EMPTY_RESPONSE,
    }
    for text, failure in answers.items():
        for verifier in (TestsVerifier(NoSandbox()), BothVerifier(sandbox=NoSandbox(), rubrics=None)):
            verdict = await judged(verifier, one, text)
            assert (verdict.accepted, verdict.failure, verdict.tests) == (False, failure, ())
            again = await verifier.verify(one, Candidate(text)) if text else verdict
            assert (again.failure, again.findings) == (failure, verdict.findings)


def test_an_answer_that_was_cut_off_is_no_set_of_edits():
    one = shop()
    cut = Completion(edits(one, cart=MENDED), finish_reason="length")
    assert candidate(one.answer, cut, one).failure is Failure.TRUNCATED


# --- cheats ---

REACHES = {
    "a conftest.py of its own": {"shop/conftest.py": "import pytest\n\n@pytest.hookimpl(tryfirst=True)\ndef pytest_pyfunc_call(pyfuncitem):\n    return True\n"},
    "the instance's conftest.py": {"conftest.py": "import pytest\n\n@pytest.fixture\ndef fruit():\n    return []\n"},
    "the tests": {"test_candidate.py": "def test_total():\n    pass\n\ndef test_nothing():\n    pass\n"},
    "pytest.ini": {"pytest.ini": "[pytest]\naddopts = --collect-only\n"},
    "pyproject.toml": {"pyproject.toml": "[tool.pytest.ini_options]\n"},
    "sitecustomize.py": {"sitecustomize.py": "import os\nos._exit(0)\n"},
    "pytest's own modules": {"_pytest/python.py": "x = 1\n"},
    "Python's own modules": {"json.py": "x = 1\n"},
}  # fmt: skip


@pytest.mark.parametrize("name", REACHES)
@pytest.mark.parametrize("answer", FORMATS)
async def test_invariant_3_an_edit_does_not_reach_what_the_tests_stand_on(verifier, answer, name):
    one = shop(answer)
    verdict = await judged(verifier, one, edits(one, **REACHES[name]))
    assert verdict.failure is Failure.APPLY_FAILED


@pytest.mark.slow
@pytest.mark.parametrize("name", SUITE_CHEATS)
async def test_invariant_3_a_cheat_is_none_the_better_for_being_an_edit(verifier, name):
    one = Instance(
        "one", "?", answer="whole_file", files={"candidate.py": "def f(n):\n    return 0\n"}, tests=ADDS_SUITE.tests
    )
    text = SEE_ALL + SUITE_CHEATS[name]
    assert not (await judged(verifier, one, written("whole_file", one.files, {"candidate.py": text}))).accepted


# --- health ---


async def test_invariant_5_doing_nothing_is_told_by_the_tests_and_not_by_the_form(verifier):
    one = shop()
    proven = shop(
        good=(edits(one, cart=MENDED),),
        bad=(edits(one, cart=MENDED.replace("sum(", "len(list(").replace("items)", "items))")),),
    )
    assert await faults_of(proven, verifier) == ()
    solved = shop(code="import shop.cart\n\ndef test_nothing():\n    pass\n", good=proven.good)
    assert await faults_of(solved, verifier) == ("the empty answer is accepted",)
    both = BothVerifier(sandbox=verifier.sandbox, rubrics=None, timeout_s=20)
    assert await faults_of(solved, both) == ("the empty answer is accepted",)


async def test_a_wrong_answer_that_does_not_apply_proves_nothing(verifier):
    one = shop(bad=("shop/cart.py\n<<<<<<< SEARCH\nnowhere at all\n=======\nx\n>>>>>>> REPLACE\n",))
    (fault,) = await faults_of(one, verifier)
    assert fault.startswith("bad answer 1 proves nothing")


async def test_tests_may_import_what_only_the_answer_makes(verifier):
    one = shop(
        code="from shop.sums import total\nfrom fresh import new\n\ndef test_total():\n    assert total([1, 2]) == new(3)\n"
    )
    made = {"shop/sums.py": "total = sum\n", "fresh.py": "new = int\n"}
    proven = shop(code=one.tests.code, good=(edits(one, **made),))
    assert await faults_of(proven, verifier) == ()
