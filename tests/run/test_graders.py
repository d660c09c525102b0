"""Models as graders, through litellm: votes, abstentions, what cannot be read, outages, and what it all costs."""

import contextlib

import pytest

from evalkit.adapters.litellm_model import Graders, RetrySettings, close
from evalkit.adapters.local_model import LocalGenerator
from evalkit.adapters.local_model.fetch import fetch
from evalkit.adapters.scripted_model import ScriptedGenerator
from evalkit.core.errors import (
    ConfigError,
    GraderError,
    InfrastructureError,
    ModelUnavailableError,
    ProviderServerError,
)
from evalkit.core.rules.grader import Judge
from evalkit.core.types import Instance
from evalkit.run.world import RuleWorld
from tests.cache import USERS

KIND = "Is this reply kind? {candidate}"
INSTANCE = Instance("i", "Greet me.", good=("Good morning!",))


class Graded:
    """A world whose graders answer from a script."""

    def __init__(self, folder, script):
        (folder / "grader.yaml").write_text(script)
        graders = Graders(
            generators={"scripted": ScriptedGenerator([str(folder)])},
            seed=0,
            retry=RetrySettings(attempts=1),
        )
        self.world = RuleWorld(INSTANCE, ask=graders)

    async def found(self, candidate="Hello.", **keys):
        rule = Judge("scripted/grader.yaml", **{"prompt": KIND, **keys})
        return await rule.found(candidate, self.world)


@pytest.fixture
async def graded(tmp_path):
    yield lambda script: Graded(tmp_path, script)
    await close()


def votes(*words):
    return "default: [" + ", ".join(f'"VERDICT: {word}"' for word in words) + "]"


COUNTED = [
    (votes("yes"), {}, "", (1.0, 1.0)),
    (votes("no"), {}, "VERDICT: no; 100% of 1 votes agree (no)", (0.0, 1.0)),
    (votes("yes", "no", "yes"), {"samples": 3}, "", (2 / 3, 2 / 3)),
    (votes("no", "yes", "no"), {"samples": 3}, "67% of 3 votes agree (no, yes, no)", (1 / 3, 2 / 3)),
    (votes("yes", "no", "yes"), {"samples": 3, "abstain": [0.8, 1]}, "67% of 3", (2 / 3, 2 / 3)),
    (votes("4", "2", "5"), {"samples": 3, "scale": "1..5", "pass_at": 4}, "", (2 / 3, 2 / 3)),
    (votes("4", "2", "3"), {"samples": 3, "scale": "1..5", "pass_at": 4}, "(4, 2, 3)", (1 / 3, 2 / 3)),
]


@pytest.mark.parametrize(("script", "keys", "detail", "shares"), COUNTED)
async def test_votes_are_counted_and_their_agreement_is_kept(graded, script, keys, detail, shares):
    one = graded(script)
    violations = await one.found(**keys)
    assert [detail in violation.detail for violation in violations] == ([True] if detail else []), violations
    (grading,) = one.world.gradings
    assert (grading.passing, grading.agreement) == pytest.approx(shares)
    assert grading.requests == len(grading.votes) == keys.get("samples", 1)


@pytest.mark.parametrize(("on_abstain", "broken"), [("hold", 0), ("break", 1), ("error", None)])
async def test_in_its_band_a_grader_abstains_which_by_default_is_no_verdict(graded, on_abstain, broken):
    one = graded(votes("yes", "no", "yes"))
    keys = {"samples": 3, "abstain": [0.3, 0.7], "on_abstain": on_abstain}
    if broken is None:
        with pytest.raises(GraderError, match=r"abstains: 67% of 3 votes agree \(yes, no, yes\)"):
            await one.found(**keys)
    else:
        assert len(await one.found(**keys)) == broken
    assert one.world.gradings[0].abstained


async def test_a_tie_is_an_abstention(graded):
    with pytest.raises(GraderError, match="abstains"):
        await graded(votes("yes", "no")).found(samples=2)


@pytest.mark.parametrize("first", ["perhaps", '""', '"VERDICT: yes, or VERDICT: no"'])
async def test_an_answer_that_cannot_be_read_is_asked_for_once_more(graded, first):
    one = graded(f'default: [{first}, "VERDICT: yes"]')
    assert await one.found() == []
    assert one.world.gradings[0].requests == 2


@pytest.mark.parametrize("answer", ["perhaps", '""'])
async def test_invariant_2_a_grader_that_gives_no_verdict_twice_is_an_error_and_never_a_fail(graded, answer):
    one = graded(f"default: [{answer}, {answer}, 'VERDICT: no']")
    with pytest.raises(GraderError, match="no verdict that can be read, asked twice"):
        await one.found()
    assert len(one.world.asked) == 2


@pytest.mark.parametrize(
    ("error", "raised"), [("server_error", ProviderServerError), ("model_unavailable", ModelUnavailableError)]
)
async def test_invariant_1_a_grader_s_outage_is_an_outage(graded, error, raised):
    with pytest.raises(raised):
        await graded(f"default: [{{error: {error}}}]").found()


async def test_what_is_not_known_of_a_grader_s_cost_is_not_made_up(graded):
    script = "default: [{text: 'VERDICT: yes', tokens_prompt: 7, tokens_completion: 3}, 'VERDICT: yes']"
    one = graded(script)
    await one.found()
    assert (one.world.gradings[0].tokens_prompt, one.world.gradings[0].cost_usd) == (7, 0.0)
    await one.found(samples=2)
    assert one.world.gradings[1].tokens_prompt is None
    await one.found(params={"price": {"prompt": 1e6, "completion": 0}})
    assert one.world.gradings[2].cost_usd == 7.0


async def test_the_reasons_of_a_grader_that_saw_the_reference_stay_with_it(graded):
    one = graded('default: ["It is not Good morning!\\nVERDICT: no"]')
    assert "Good morning" in (await one.found())[0].detail
    (violation,) = await one.found(prompt="Is it like {reference}? {candidate}")
    assert violation.detail == "100% of 1 votes agree (no)"
    assert "no good answer" in Judge("m", "{reference}{candidate}").missing(Instance("i", "p"))


async def test_nothing_is_nobody_s_question(graded):
    one = graded(votes("yes"))
    assert len(await one.found("  \n")) == 1
    assert one.world.asked == []


REFUSED = [
    ({"api_key": "x"}, "secret"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"temperature": "hot"}, "temperature"),
    ({"num_retries": 3}, "not for a rung to set"),
]


@pytest.mark.parametrize(("params", "text"), REFUSED)
def test_what_no_rung_may_set_no_grader_may_either(params, text):
    graders = Graders(generators={}, seed=0, retry=RetrySettings())
    with pytest.raises(ConfigError, match=text):
        graders.model("openai/gpt", params)


async def test_a_world_without_graders_says_so():
    with pytest.raises(GraderError, match="nothing here can ask the grader m"):
        await Judge("m", KIND).found("x", RuleWorld(INSTANCE))


@pytest.mark.weights
@pytest.mark.slow
async def test_a_real_model_grades():
    """The smallest model's opinion is worth little: what counts is that it is a vote, or said to be none."""
    pytest.importorskip("xllamacpp", reason="the extra `local` is not installed")
    try:
        fetch("smollm2-135m", str(USERS))
    except InfrastructureError as error:
        pytest.skip(f"no weights and no way to fetch them: {error}")
    local = LocalGenerator()
    world = RuleWorld(INSTANCE, ask=Graders(generators={"local": local}, seed=0, retry=RetrySettings(attempts=1)))
    rule = Judge("local/smollm2-135m", KIND, params={"max_tokens": 24})
    with contextlib.suppress(GraderError):  # no verdict that can be read
        await rule.found("Good morning, dear friend!", world)
    await close()
    local.close()
    assert {vote for grading in world.gradings for vote in grading.votes} <= {"yes", "no"}
    assert world.asked
    assert all(answer.tokens_prompt and answer.tokens_completion for answer in world.asked)
