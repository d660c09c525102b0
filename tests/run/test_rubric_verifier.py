"""The rubric's verifier, and rubric and tests together."""

from dataclasses import dataclass, replace

import pytest

from evalkit.core.errors import GraderError, RubricError, SandboxError
from evalkit.core.failure import Failure
from evalkit.core.ports import Execution, Limits
from evalkit.core.rubric import Rubric, Rule, Violation
from evalkit.core.rules.compiles import Compiles
from evalkit.core.rules.composite import AnyOf, Part
from evalkit.core.rules.grader import Judge
from evalkit.core.rules.instance_tests import InstanceTests
from evalkit.core.rules.regex import NotRegex, Regex
from evalkit.core.types import Candidate, Completion, Grading, Instance, Tests
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


async def test_a_finding_says_which_rubric_its_rule_stands_in():
    same = replace(NO_IMPORT, name="", rules=(replace(NO_IMPORT.rules[0], message="Import nothing."),))
    both = RubricVerifier(Shelf(), rubric="terse")
    verdict = await both.verify(instance(rubric=same), Candidate("import os"))
    assert [(one.rule, one.rubric) for one in verdict.findings] == [("no-import", ""), ("no-import", "terse")]


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


@dataclass(frozen=True)
class Scripted:
    """A check of some stage that notes when it is its turn, and finds what it is told to."""

    name: str
    stage: int
    answer: object = ()
    image: str = ""

    async def found(self, candidate, world):
        LOG.append(self.name)
        if isinstance(self.answer, Exception):
            raise self.answer
        return list(self.answer)


LOG = []
BROKEN = (Violation("it breaks"),)


@pytest.fixture(autouse=True)
def log():
    LOG.clear()
    return LOG


def rule(name, check, **more):
    return Rule(name, "scripted", check, f"Mend {name}.", **more)


def rubric(*rules, **more):
    return instance(rubric=Rubric("r", rules, **more))


TEXT = rule("text", Regex("^def", "m"))
STAGED = [  # rules in file order, the candidate, after_rejection; what was asked, passed, unjudged, score
    ((("grade", 2, ()), ("run", 1, ())), "def", "skip", ["run", "grade"], 3, 0, 1.0),
    ((("grade", 2, ()), ("run", 1, ())), "x", "skip", [], 0, 2, 0.0),
    ((("grade", 2, ()), ("run", 1, ())), "x", "run", ["run", "grade"], 2, 0, 2 / 3),
    ((("grade", 2, ()), ("run", 1, BROKEN)), "def", "skip", ["run"], 1, 1, 1 / 3),
    ((("grade", 2, BROKEN), ("run", 1, ())), "def", "skip", ["run", "grade"], 2, 0, 2 / 3),
]


@pytest.mark.parametrize("case", STAGED)
async def test_what_costs_more_waits_until_it_can_matter(case):
    told, text, after, asked, passed, unjudged, score = case
    judged = rubric(*(rule(name, Scripted(name, stage, answer)) for name, stage, answer in told), TEXT)
    verdict = await RubricVerifier(Shelf(), after_rejection=after).verify(judged, Candidate(text))
    assert asked == LOG
    assert (verdict.rules_passed, verdict.rules_unjudged, verdict.rules_total) == (passed, unjudged, 3)
    assert (verdict.score, verdict.accepted) == (pytest.approx(score), passed == 3)


async def test_optional_rules_do_not_keep_later_ones_from_their_turn():
    optional = replace(TEXT, required=False)
    verdict = await RubricVerifier(Shelf()).verify(rubric(optional, rule("run", Scripted("run", 1))), Candidate("x"))
    assert (LOG, verdict.accepted, verdict.rules_passed) == (["run"], True, 1)


@pytest.mark.parametrize(("threshold", "asked"), [(0.5, ["run"]), (0.9, [])])
async def test_what_cannot_reach_the_threshold_any_more_is_rejected_without_the_rest(threshold, asked):
    rules = (replace(TEXT, required=False), rule("run", Scripted("run", 1), required=False))
    verdict = await RubricVerifier(Shelf()).verify(rubric(*rules, threshold=threshold), Candidate("x"))
    assert (asked, verdict.accepted) == (LOG, bool(asked))


async def test_a_rubric_for_all_and_an_instance_s_own_are_one_question():
    verifier = RubricVerifier(Shelf(), rubric="terse")
    verdict = await verifier.verify(rubric(rule("run", Scripted("run", 1))), Candidate("import os"))
    assert (LOG, verdict.rules_unjudged, verdict.rules_total) == ([], 1, 2)


@pytest.mark.parametrize("error", [GraderError, SandboxError])
async def test_invariant_2_an_error_of_a_rule_is_no_verdict_and_names_the_rule(error):
    judged = rubric(rule("run", Scripted("run", 1, error("it broke"))))
    with pytest.raises(error, match="rule 'run': it broke"):
        await RubricVerifier(Shelf()).verify(judged, Candidate("x"))


@pytest.mark.parametrize("text", ["", " \n"])
async def test_an_answer_without_text_goes_to_no_sandbox_and_no_grader(text):
    verdict = await RubricVerifier(Shelf()).verify(rubric(rule("run", Scripted("run", 1))), Candidate(text))
    assert (LOG, verdict.failure, verdict.rules_total) == ([], Failure.EMPTY_RESPONSE, 1)


async def test_an_endless_answer_goes_to_no_sandbox_either():
    verdict = await RubricVerifier(Shelf(), after_rejection="run").verify(
        rubric(rule("run", Scripted("run", 1))), Candidate("x" * 1_000_001)
    )
    assert (LOG, verdict.accepted) == ([], False)


ALTERNATIVES = [
    (("grade", 2, ()), ("run", 1, ()), ["run"], True),
    (("grade", 2, ()), ("run", 1, BROKEN), ["run", "grade"], True),
    (("grade", 2, BROKEN), ("run", 1, (Violation("it stops"),)), ["run", "grade"], False),
]


@pytest.mark.parametrize(("first", "second", "asked", "accepted"), ALTERNATIVES)
async def test_of_alternatives_the_cheapest_is_asked_first_and_none_behind_one_that_holds(
    first, second, asked, accepted
):
    parts = tuple(Part("scripted", Scripted(*one), one[0]) for one in (first, second))
    verdict = await RubricVerifier(Shelf()).verify(rubric(rule("either", AnyOf(parts))), Candidate("x"))
    assert (LOG, verdict.accepted) == (asked, accepted)
    if not accepted:
        assert "grade: it breaks; run: it stops" in verdict.findings[0].message


def test_a_rubric_of_text_rules_demands_no_sandbox():
    both, alone = BothVerifier(BrokenSandbox(), Shelf()), RubricVerifier(Shelf())
    assert (both.images(instance(rubric=HAS_DEF)), alone.images(instance(rubric=HAS_DEF, tests=TESTS))) == (
        set(),
        set(),
    )
    assert both.images(instance(tests=TESTS, image="mine")) == {"mine"}
    compiled = Rubric("c", (rule("c", Compiles("c", image="gcc")), rule("r", Compiles("rust"))))
    assert alone.images(instance(rubric=compiled)) == {"gcc", ""}
    assert alone.images(rubric(rule("j", Judge("m", "{candidate}")))) == set()


def test_what_a_rule_needs_of_its_instance_is_known_before_anything_is_spent():
    tested = Rubric("t", (rule("t", AnyOf((Part("tests", InstanceTests()),))),))
    for verifier in (RubricVerifier(Shelf(), sandbox=BrokenSandbox()), BothVerifier(BrokenSandbox(), Shelf())):
        assert "has no tests" in verifier.covers(instance(rubric=tested))
        assert verifier.covers(instance(rubric=tested, tests=TESTS)) == ""


@pytest.mark.parametrize("after", ["skip", "run"])
async def test_tests_run_once_though_rule_and_verifier_ask_and_their_outcome_is_hidden_information(after):
    sandbox = BrokenSandbox()
    tested = Rubric("t", (rule("t", InstanceTests()), rule("again", InstanceTests())))
    both = BothVerifier(sandbox, Shelf(), after_rejection=after)
    verdict = await both.verify(instance(rubric=tested, tests=TESTS), Candidate("x", language="python"))
    assert (sandbox.ran, verdict.accepted) == (1, False)
    assert {finding.source for finding in verdict.findings} == {"test"}
    assert len(verdict.findings) == 2


@dataclass(frozen=True)
class Voting:
    """Asks a grader once, notes its vote, and then breaks where it is told to."""

    error: Exception | None = None
    stage: int = 2

    async def found(self, candidate, world):
        await world.ask("m", (), {})
        if self.error:
            raise self.error
        world.note(Grading("m", ("yes",), 1.0, 1.0, requests=1, cost_usd=0.5))
        return []


async def answered(model, messages, params, *, instance_id, number):
    return Completion("VERDICT: yes", model=model, cost_usd=0.5)


async def test_votes_stand_in_the_verdict_under_their_rule_s_name():
    judged = rubric(rule("kind", Voting()), rule("wise", Voting()))
    verdict = await RubricVerifier(Shelf(), ask=answered).verify(judged, Candidate("x"))
    assert [(grading.rule, grading.cost_usd) for grading in verdict.gradings] == [("kind", 0.5), ("wise", 0.5)]


async def test_what_graders_were_paid_is_known_also_where_no_verdict_came_of_it():
    judged = replace(rubric(rule("kind", Voting()), rule("wise", Voting(GraderError("mumbles")))), tests=TESTS)
    for verifier in (RubricVerifier(Shelf(), ask=answered), BothVerifier(BrokenSandbox(), Shelf(), ask=answered)):
        with pytest.raises(GraderError, match="rule 'wise': mumbles") as caught:
            await verifier.verify(judged, Candidate("x"))
        assert [(grading.requests, grading.cost_usd) for grading in caught.value.spent] == [(2, 1.0)]
