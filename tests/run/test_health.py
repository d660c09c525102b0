"""An instance is healthy only if doing nothing fails and the known-good answer passes (invariant 5)."""

from dataclasses import dataclass, field, replace

import pytest

from evalkit.core.errors import GraderError, NoGradeError, SandboxError
from evalkit.core.failure import Failure
from evalkit.core.types import Candidate, Finding, Instance, Verdict
from tests.run.builders import faults_of, unhealthy


@dataclass
class Accepting:
    """Accepts the texts that it was told to; raises where it meets `broken`."""

    texts: tuple[str, ...]
    missing: str = ""
    asked: list[Candidate] = field(default_factory=list)

    def covers(self, instance: Instance) -> str:
        return self.missing

    async def verify(self, instance: Instance, candidate: Candidate) -> Verdict:
        self.asked.append(candidate)
        if candidate.text == "broken":
            raise SandboxError("the sandbox fell over")
        if candidate.text == "unjudgeable":
            raise GraderError("the tests do not load")
        if candidate.text == "puzzling":
            raise NoGradeError("the grader abstains")
        if candidate.text in self.texts:
            return Verdict(accepted=True)
        return Verdict(accepted=False, failure=Failure.RULE_VIOLATION, findings=(Finding("short", "Write\nless."),))


PALINDROME = Instance("p", "?", answer="code:python", good=("right", "also right"), bad=("wrong", "worse"))


@pytest.mark.parametrize(
    ("accepted", "thorough", "faults"),
    [
        (("right", "also right"), True, ()),
        (("right",), True, ("good answer 2 is rejected: short: Write less.",)),
        (("right",), False, ()),
        (("also right",), False, ("good answer 1 is rejected: short: Write less.",)),
        (("", "right", "also right"), True, ("the empty answer is accepted",)),
        (("", "right"), False, ("the empty answer is accepted",)),
        (("right", "also right", "worse"), True, ("bad answer 2 is accepted",)),
        (("right", "worse"), False, ()),
        (
            ("", "right", "wrong"),
            True,
            (
                "the empty answer is accepted",
                "good answer 2 is rejected: short: Write less.",
                "bad answer 1 is accepted",
            ),
        ),
    ],
)
async def test_faults_are_what_the_answers_show(accepted, thorough, faults):
    assert await faults_of(PALINDROME, Accepting(accepted), thorough=thorough) == faults


async def test_an_instance_that_cannot_be_judged_is_not_healthy():
    assert await faults_of(PALINDROME, Accepting((), missing="has no tests")) == ("has no tests",)


async def test_a_grader_that_breaks_on_the_instance_is_the_instances_fault():
    broken = replace(PALINDROME, good=("unjudgeable",), bad=())
    assert await faults_of(broken, Accepting(())) == ("good answer 1 cannot be judged: the tests do not load",)


async def test_a_model_as_grader_that_gives_no_verdict_is_no_fault_of_the_instance():
    puzzling = replace(PALINDROME, good=("puzzling",), bad=())
    with pytest.raises(NoGradeError, match="instance 'p': good answer 1: the grader abstains"):
        await unhealthy([puzzling], Accepting(()))


async def test_candidates_are_in_the_language_of_the_instance():
    verifier = Accepting(("right", "also right"))
    await faults_of(PALINDROME, verifier)
    assert {candidate.language for candidate in verifier.asked} == {"python"}


async def test_an_outage_is_no_fault_of_the_instance():
    """Invariant 2: it passes through, as itself, out of the group of workers too."""
    broken = Instance("b", "?", good=("broken",))
    with pytest.raises(SandboxError, match="fell over"):
        await faults_of(broken, Accepting(()))
    with pytest.raises(SandboxError, match="fell over"):
        await unhealthy([PALINDROME, broken], Accepting(("right", "also right")), 2)


@pytest.mark.parametrize("concurrency", [1, 3, 50])
async def test_all_instances_are_looked_at_and_the_unhealthy_told(concurrency):
    instances = [Instance(f"i{number}", "?", good=(f"right{number}",)) for number in range(20)]
    verifier = Accepting(tuple(f"right{number}" for number in range(20) if number % 7))
    faults = await unhealthy(instances, verifier, concurrency)
    assert list(faults) == ["i0", "i7", "i14"]
    assert len(verifier.asked) == 40
