"""The rubric's verifier, and rubric and tests together."""

import pytest

from evalkit.core.errors import GraderError, RubricError
from evalkit.core.failure import Failure
from evalkit.core.ports import Execution, Limits
from evalkit.core.rubric import Rubric, Rule
from evalkit.core.rules.regex import NotRegex, Regex
from evalkit.core.types import Candidate, Instance, Tests
from evalkit.run.both_verifier import BothVerifier
from evalkit.run.rubric_verifier import RubricVerifier

NO_IMPORT = Rubric("terse", (Rule("no-import", "not_regex", NotRegex("^import", "m"), "Use no imports."),))
HAS_DEF = Rubric("def", (Rule("def", "regex", Regex("^def", "m"), "Define a function."),))
TESTS = Tests("command", command=("false",))
EMPTY = Candidate("", failure=Failure.EMPTY_RESPONSE)


class Shelf:
    """One rubric by name."""

    def find(self, name):
        if name != "terse":
            raise RubricError(f"no rubric {name!r}")
        return NO_IMPORT


class BrokenSandbox:
    """Counts what it is asked to run and runs nothing, so that no test passes."""

    confined = True
    limits = Limits()

    def __init__(self):
        self.ran = 0

    async def run(self, job):
        self.ran += 1
        return Execution(1, "", "", 0.1)

    async def check(self):
        return None


def instance(**more):
    return Instance("i", "Write f.", **more)


async def test_an_instance_is_judged_by_its_own_rubric():
    verdict = await RubricVerifier(Shelf()).verify(instance(rubric=HAS_DEF), Candidate("x = 1"))
    assert (verdict.accepted, verdict.failure) == (False, Failure.RULE_VIOLATION)
    assert [finding.message for finding in verdict.findings] == ["Define a function."]


async def test_a_named_rubric_is_applied_to_every_instance_besides_its_own():
    verifier = RubricVerifier(Shelf(), rubric="terse")
    verdict = await verifier.verify(instance(rubric=HAS_DEF), Candidate("import os\nx = 1"))
    assert [finding.rule for finding in verdict.findings] == ["def", "no-import"]
    assert (verdict.rules_passed, verdict.rules_total) == (0, 2)
    assert verifier.covers(instance()) == ""
    assert (await verifier.verify(instance(), Candidate("x = 1"))).accepted


def test_an_unknown_rubric_is_found_out_before_anything_is_spent():
    with pytest.raises(RubricError, match="no rubric 'nope'"):
        RubricVerifier(Shelf(), rubric="nope")


async def test_without_a_rubric_there_is_no_verdict():
    verifier = RubricVerifier(Shelf())
    assert verifier.covers(instance()) == "has no rubric"
    with pytest.raises(GraderError, match="'i' has no rubric"):
        await verifier.verify(instance(), Candidate("x"))


@pytest.mark.parametrize("make", [RubricVerifier, lambda shelf: BothVerifier(BrokenSandbox(), shelf)])
async def test_an_empty_answer_is_rejected_as_what_it_is(make):
    verdict = await make(Shelf()).verify(instance(rubric=HAS_DEF), EMPTY)
    assert (verdict.accepted, verdict.failure) == (False, Failure.EMPTY_RESPONSE)
    assert verdict.findings[0].message == "Your answer was empty."


@pytest.mark.parametrize(("after", "ran"), [("skip", 0), ("run", 1)])
async def test_what_breaks_a_rule_costs_no_sandbox_unless_asked_for(after, ran):
    sandbox = BrokenSandbox()
    both = BothVerifier(sandbox, Shelf(), after_rejection=after)
    verdict = await both.verify(instance(rubric=HAS_DEF, tests=TESTS), Candidate("f = abs", language="python"))
    assert sandbox.ran == ran
    assert (verdict.accepted, verdict.failure) == (False, Failure.RULE_VIOLATION)


async def test_what_the_rubric_accepts_is_tested():
    sandbox = BrokenSandbox()
    verifier = BothVerifier(sandbox, Shelf(), rubric="terse")
    verdict = await verifier.verify(
        instance(rubric=HAS_DEF, tests=TESTS), Candidate("def f(x): return x", language="python")
    )
    assert sandbox.ran == 1
    assert not verdict.accepted
    assert verdict.rules_passed == 2
    assert verdict.failure is not Failure.RULE_VIOLATION


async def test_both_covers_what_either_covers_and_nothing_else():
    both = BothVerifier(BrokenSandbox(), Shelf())
    assert both.covers(instance(rubric=HAS_DEF)) == ""
    assert both.covers(instance(tests=TESTS)) == ""
    assert both.covers(instance()) == "has neither rubric nor tests"
    assert "tests of kind 'nope'" in both.covers(instance(rubric=HAS_DEF, tests=Tests("nope")))
    assert (await both.verify(instance(rubric=HAS_DEF), Candidate("def f(): ..."))).accepted
    with pytest.raises(GraderError, match="neither rubric nor tests"):
        await both.verify(instance(), Candidate("x"))


def test_an_unknown_word_for_after_rejection_is_refused():
    with pytest.raises(ValueError, match="after_rejection is 'stop'; it must be skip or run"):
        BothVerifier(BrokenSandbox(), Shelf(), after_rejection="stop")
