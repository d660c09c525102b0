"""Answers of other runs: what is the same question, who asks it, and what happens where the file is no use."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from evalkit.adapters.response_cache import AnswerCache, CachedModel, key
from evalkit.core.errors import RateLimitError
from evalkit.core.failure import Failure
from evalkit.core.ladder import Rung
from evalkit.core.types import Completion, Message, Prompt

GREEDY = Rung("openai/m", temperature=0)
SAMPLED = Rung("openai/m", temperature=0.7)
PROMPT = Prompt((Message("user", "What is two and two?"),), "sums")


class Counting:
    """Answers with the number of the request, or raises what it is given first."""

    simulated = False

    def __init__(self, *first: Exception | Completion) -> None:
        self.asked = 0
        self.first = list(first)
        self.begun = asyncio.Event()

    async def complete(self, prompt: Prompt) -> Completion:
        self.asked += 1
        self.begun.set()
        found = self.first.pop(0) if self.first else Completion(str(self.asked), cost_usd=0.5)
        await asyncio.sleep(0.001)
        if isinstance(found, Exception):
            raise found
        return found

    async def check(self) -> None:
        return None


def cached(path: Path, model: Counting, rung: Rung = GREEDY, *, sampled: bool = False) -> CachedModel:
    return CachedModel(model, rung, 0, AnswerCache(path / "answers.sqlite"), sampled)


async def test_another_run_has_the_answer_with_what_it_had_cost_and_says_that_it_is_cached(tmp_path):
    model = Counting()
    first = await cached(tmp_path, model).complete(PROMPT)
    again = await cached(tmp_path, model).complete(PROMPT)
    assert (model.asked, first.cached, again) == (1, False, replace(first, cached=True))


@pytest.mark.parametrize(
    ("rung", "seed", "prompt", "same"),
    [
        (GREEDY, 0, replace(PROMPT, instance_id="renamed"), True),  # at temperature 0 the prompt says it all
        (GREEDY, 0, replace(PROMPT, epoch=2), False),
        (GREEDY, 0, replace(PROMPT, number=2), False),
        (GREEDY, 1, PROMPT, False),
        (replace(GREEDY, max_tokens=7), 0, PROMPT, False),
        (replace(GREEDY, api_base="http://127.0.0.1:1/v1"), 0, PROMPT, False),
        (replace(GREEDY, params={"top_p": 0.5}), 0, PROMPT, False),
        (replace(GREEDY, attempts=9, timeout_s=1.0), 0, PROMPT, True),  # nothing of these reaches the model
        (GREEDY, 0, replace(PROMPT, messages=(Message("system", "What is two and two?"),)), False),
    ],
)
def test_a_question_is_the_same_only_as_the_same_draw_of_the_same_model(rung, seed, prompt, same):
    assert (key(GREEDY, 0, PROMPT) == key(rung, seed, prompt)) is same


def test_above_temperature_0_two_instances_draw_for_themselves_though_their_prompts_are_alike():
    assert key(SAMPLED, 0, PROMPT) != key(SAMPLED, 0, replace(PROMPT, instance_id="twin"))


@pytest.mark.parametrize(("sampled", "asked"), [(False, 2), (True, 1)])
async def test_sampled_answers_are_kept_only_where_that_is_asked_for(tmp_path, sampled, asked):
    model = Counting()
    for _ in range(2):
        await cached(tmp_path, model, SAMPLED, sampled=sampled).complete(PROMPT)
    assert model.asked == asked


async def test_of_many_who_ask_the_same_at_once_one_asks_the_model(tmp_path):
    model = Counting()
    one = cached(tmp_path, model)
    found = await asyncio.gather(*(one.complete(PROMPT) for _ in range(20)))
    assert (model.asked, sum(not answer.cached for answer in found)) == (1, 1)


@pytest.mark.parametrize("bad", [RateLimitError("too many"), Completion("", failure=Failure.EMPTY_RESPONSE)])
async def test_what_came_to_nothing_is_not_kept_and_who_waited_for_it_asks_again(tmp_path, bad):
    model = Counting(bad)
    one = cached(tmp_path, model)
    await asyncio.gather(*(one.complete(PROMPT) for _ in range(3)), return_exceptions=True)
    assert model.asked == 2
    assert (await one.complete(PROMPT)).text == "2"


async def test_whoever_is_cancelled_leaves_the_question_to_those_who_wait(tmp_path):
    model = Counting()
    one = cached(tmp_path, model)
    first, second = [asyncio.create_task(one.complete(PROMPT)) for _ in range(2)]
    await model.begun.wait()
    first.cancel()
    assert (await second).text == "2"


async def test_a_file_that_is_no_use_is_said_once_and_models_are_asked(tmp_path):
    (tmp_path / "answers.sqlite").write_bytes(b"this is no database, whatever its name says. " * 50)
    said, model = [], Counting()
    one = CachedModel(model, GREEDY, 0, AnswerCache(tmp_path / "answers.sqlite", said.append), sampled=False)
    for _ in range(2):
        await one.complete(PROMPT)
    assert (model.asked, len(said)) == (2, 1)
    assert "models are asked" in said[0]
