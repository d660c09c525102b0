"""Scripted answers: by attempt, with errors on the way, and faults of the file all at once."""

from pathlib import Path

import pytest

from evalkit.adapters.litellm_model import LitellmModel, RetrySettings
from evalkit.adapters.scripted_model import ERRORS, ScriptedGenerator
from evalkit.core.errors import BadRequestError, ConfigError, ModelError
from evalkit.core.failure import Failure
from evalkit.core.ladder import Rung
from evalkit.core.types import Message, Prompt

SCRIPT = """
default: "{{ instance_id }} {{attempt}} {{ epoch }}"
instances:
  list: [first, {text: second, finish_reason: length, tokens_prompt: 3, tokens_completion: 4, delay_s: 0.001}]
  one: alone
  7: a number as id
  flaky: [{error: rate_limit, times: 2, retry_after_s: 0.01}, {error: timeout, times: 1}, fine, later]
  broken: {error: connection, message: cable cut}
  long: {error: context_window}
  gone: {error: model_unavailable, message: not here}
"""


def asked(instance: str, number: int = 1, epoch: int = 1) -> Prompt:
    return Prompt((Message("user", "hello"),), instance, epoch, number)


@pytest.fixture
def script(tmp_path: Path) -> ScriptedGenerator:
    (tmp_path / "script.yaml").write_text(SCRIPT)
    return ScriptedGenerator([str(tmp_path)])


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        (asked("list", 1), "first"),
        (asked("list", 2), "second"),
        (asked("list", 9), "second"),
        (asked("one", 3), "alone"),
        (asked("7"), "a number as id"),
        (asked("other", 2, 3), "other 2 3"),
    ],
)
async def test_the_climbs_kth_attempt_gets_the_kth_answer(script: ScriptedGenerator, prompt: Prompt, text: str) -> None:
    assert script.simulated
    assert (await script.generate("script.yaml", prompt.messages, {}, prompt)).text == text


async def test_a_resumed_climb_gets_the_answer_of_its_attempt(tmp_path: Path) -> None:
    (tmp_path / "script.yaml").write_text(SCRIPT)
    for number, text in ((2, "second"), (1, "first"), (2, "second")):
        fresh = ScriptedGenerator([str(tmp_path)])
        assert (await fresh.generate("script.yaml", (), {}, asked("list", number))).text == text


def through_litellm(script: ScriptedGenerator) -> LitellmModel:
    retry = RetrySettings(attempts=4, wait_initial_s=0.01, wait_max_s=0.02)
    return LitellmModel("r", Rung("scripted/script.yaml"), generators={"scripted": script}, seed=1, retry=retry)


async def test_errors_are_retried_and_the_next_entry_answers_the_same_attempt(script: ScriptedGenerator) -> None:
    model = through_litellm(script)
    assert model.simulated
    first, second = await model.complete(asked("flaky", 1)), await model.complete(asked("flaky", 2))
    assert (first.text, first.requests, first.cost_usd) == ("fine", 4, 0.0)  # a scripted time-out bills nobody
    assert (second.text, second.requests) == ("later", 1)


async def test_what_the_script_says_of_an_answer_is_kept(script: ScriptedGenerator) -> None:
    found = await through_litellm(script).complete(asked("list", 2))
    assert (found.finish_reason, found.tokens_prompt, found.tokens_completion) == ("length", 3, 4)
    assert (await through_litellm(script).complete(asked("one"))).tokens_prompt is None


async def test_lasting_errors_end_as_real_ones_do(script: ScriptedGenerator) -> None:
    model = through_litellm(script)
    assert (await model.complete(asked("long"))).failure is Failure.CONTEXT_WINDOW
    with pytest.raises(ModelError, match="cable cut") as caught:
        await model.complete(asked("broken"))
    assert caught.value.requests == 4
    assert (await model.complete(asked("gone"))).detail == "scripted/script.yaml: not here"
    assert (await model.complete(asked("one"))).failure is Failure.MODEL_UNAVAILABLE


async def test_every_error_of_the_schema_is_one_of_ours(tmp_path: Path) -> None:
    lines = "".join(f"  {name}: {{error: {name}}}\n" for name in ERRORS)
    (tmp_path / "all.yaml").write_text(f"instances:\n{lines}")
    script = ScriptedGenerator([str(tmp_path)])
    await script.check("all.yaml")
    for name, kind in ERRORS.items():
        with pytest.raises(kind):
            await script.generate("all.yaml", (), {}, asked(name))


async def test_an_instance_without_answers_is_never_an_empty_answer(tmp_path: Path) -> None:
    (tmp_path / "few.yaml").write_text("instances: {a: x}")
    with pytest.raises(BadRequestError, match="no answer for instance 'b'"):
        await ScriptedGenerator([str(tmp_path)]).generate("few.yaml", (), {}, asked("b"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("instances: {a: {txt: x}}", "did you mean 'text'"),
        ("instances: {a: {error: ratelimit}}", "did you mean 'rate_limit'"),
        ("instanzes: {}", "did you mean 'instances'"),
        ("instances: {a: []}", "instances.a"),
        ("instances: {a: [{error: timeout, times: 1}]}", "needs a next entry"),
        ("a: [", "not YAML"),
        ("just text", "the file"),
    ],
)
async def test_a_faulty_script_says_where_and_what(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"bad\.yaml") as caught:
        await ScriptedGenerator([str(tmp_path)]).check("bad.yaml")
    assert says in str(caught.value)


async def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("instances: {a: {txt: x}, b: {error: nope}, c: 3}")
    with pytest.raises(ConfigError) as caught:
        await ScriptedGenerator([str(tmp_path)]).check("bad.yaml")
    assert all(f"instances.{name}" in str(caught.value) for name in "abc")


async def test_a_missing_script_offers_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "script.yaml").write_text(SCRIPT)
    with pytest.raises(ConfigError, match=r"did you mean script\.yaml"):
        await ScriptedGenerator([str(tmp_path)]).check("scrip.yaml")


def test_other_answers_have_another_digest(tmp_path: Path) -> None:
    script = ScriptedGenerator([str(tmp_path)])
    (tmp_path / "a.yaml").write_text("default: x")
    before = script.digest("a.yaml")
    (tmp_path / "a.yaml").write_text("default: y")
    assert script.digest("a.yaml") != before
