"""The climb of one instance, and how it goes on after a break."""

import pytest

from evalkit.adapters.jsonl_journal import JsonlJournal
from evalkit.core.errors import GraderError, ProviderServerError, SandboxError
from evalkit.core.failure import Failure
from evalkit.core.types import Completion, Instance, Status
from evalkit.run.solve import solve
from tests.run.builders import FunctionModel, Memory, PlainStrategy, WordVerifier, rungs

TASK = Instance("i", "say the right word")


async def climb(ladder, models, *, verifier=None, journal=None, max_attempts=10, history=None):
    return await solve(
        TASK,
        1,
        [] if history is None else history,
        ladder,
        max_attempts,
        models=models,
        strategy=PlainStrategy(),
        verifier=verifier or WordVerifier(),
        journal=journal or Memory(),
    )


async def test_a_climb_ends_on_the_rung_that_solves_it():
    models = {"small": FunctionModel(lambda _: "wrong"), "big": FunctionModel(lambda _: "right")}
    solution = await climb(rungs(small=2, big=2), models)
    assert (solution.status, solution.reason) == (Status.SOLVED, "accepted")
    assert [one.rung for one in solution.attempts] == ["small", "small", "big"]
    assert [one.number for one in solution.attempts] == [1, 2, 3]


async def test_a_climb_that_nothing_solves_is_unsolved():
    solution = await climb(rungs(small=2), {"small": FunctionModel(lambda _: "wrong")})
    assert (solution.status, solution.reason) == (Status.UNSOLVED, "ladder_exhausted")


async def test_a_model_outside_the_subscription_is_skipped_and_is_no_attempt():
    gone = Completion("", requests=0, failure=Failure.MODEL_UNAVAILABLE, detail="requires a subscription")
    models = {"kimi": FunctionModel(lambda _: gone), "big": FunctionModel(lambda _: "right")}
    solution = await climb(rungs(kimi=3, big=1), models, max_attempts=1)
    assert solution.status is Status.SOLVED
    assert [one.rung for one in solution.asked] == ["big"]


async def test_a_climb_on_which_no_model_could_be_asked_is_unfinished_not_unsolved():
    gone = Completion("", requests=0, failure=Failure.MODEL_UNAVAILABLE)
    solution = await climb(rungs(kimi=3), {"kimi": FunctionModel(lambda _: gone)})
    assert (solution.status, solution.reason) == (Status.UNFINISHED, "no_model")


async def test_invariant_1_an_outage_is_raised_and_leaves_the_attempts_that_were_made():
    models = {
        "small": FunctionModel(lambda _: "wrong"),
        "big": FunctionModel(lambda _: ProviderServerError("500")),
    }
    history = []
    with pytest.raises(ProviderServerError):
        await climb(rungs(small=1, big=1), models, history=history)
    assert [one.rung for one in history] == ["small"]


async def test_invariant_2_a_grader_that_fails_gives_no_verdict():
    with pytest.raises(GraderError):
        await climb(
            rungs(small=1),
            {"small": FunctionModel(lambda _: "x")},
            verifier=WordVerifier(fault=lambda _: GraderError("broken")),
        )


async def test_resume_after_a_broken_sandbox_pays_for_no_completion_twice(tmp_path):
    broken = [SandboxError("gone")]
    verifier = WordVerifier(fault=lambda _: broken[0] if broken else None)
    model = FunctionModel(lambda _: "right")
    for expected in (SandboxError, None):
        journal = JsonlJournal(tmp_path / "journal.jsonl", "r")
        try:
            if expected:
                with pytest.raises(expected):
                    await climb(rungs(small=1), {"small": model}, verifier=verifier, journal=journal)
            else:
                assert (
                    await climb(rungs(small=1), {"small": model}, verifier=verifier, journal=journal)
                ).status is Status.SOLVED
        finally:
            journal.close()
        broken.clear()
    assert (model.calls, verifier.calls) == (1, 2)


async def test_a_resumed_climb_is_the_climb_again_without_a_call(tmp_path):
    models = {"small": FunctionModel(lambda _: "wrong"), "big": FunctionModel(lambda _: "right")}
    found = []
    for _ in range(2):
        journal = JsonlJournal(tmp_path / "journal.jsonl", "r")
        found.append(await climb(rungs(small=2, big=2), models, journal=journal))
        journal.close()
    assert found[0] == found[1]
    assert (models["small"].calls, models["big"].calls) == (2, 1)
