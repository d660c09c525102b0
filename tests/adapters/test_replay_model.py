"""Recorded answers: fields as people publish them, attempts and epochs, and what was not recorded."""

import json
from pathlib import Path
from typing import Any

import pytest

from evalkit.adapters.litellm_model import LitellmModel, RetrySettings
from evalkit.adapters.replay_model import INSTANCE, TEXT, ReplayGenerator
from evalkit.core.errors import BadRequestError, ConfigError
from evalkit.core.ladder import Rung
from evalkit.core.types import Message, Prompt

SHARED = Path(__file__).parents[3] / "shared" / "data" / "humaneval"


def asked(instance: str, number: int = 1, epoch: int = 1) -> Prompt:
    return Prompt((Message("user", "hello"),), instance, epoch, number)


def recorded(folder: Path, *rows: Any) -> ReplayGenerator:
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return ReplayGenerator([str(folder)])


async def answer(replay: ReplayGenerator, prompt: Prompt) -> str:
    return (await replay.generate("rows.jsonl", prompt.messages, {}, prompt)).text


@pytest.mark.parametrize("instance", INSTANCE)
@pytest.mark.parametrize("text", TEXT)
async def test_fields_are_found_by_the_names_that_people_use(tmp_path: Path, instance: str, text: str) -> None:
    replay = recorded(tmp_path, {instance: "a", text: "ümlaut"}, {instance: "b", text: ""})
    assert replay.simulated
    assert await answer(replay, asked("a")) == "ümlaut"
    assert await answer(replay, asked("b")) == ""


async def test_a_published_name_with_a_slash_is_the_instances(tmp_path: Path) -> None:
    replay = recorded(tmp_path, {"task_id": "HumanEval/0", "completion": "x"})
    assert await answer(replay, asked("HumanEval_0")) == "x"


async def test_rows_without_attempt_are_the_attempts_in_order(tmp_path: Path) -> None:
    replay = recorded(tmp_path, *({"id": "a", "text": text} for text in ("first", "second")))
    assert [await answer(replay, asked("a", number)) for number in (1, 2, 3)] == ["first", "second", "second"]


async def test_attempts_and_epochs_are_matched(tmp_path: Path) -> None:
    keys = [(1, 1), (2, 1), (1, 2)]
    replay = recorded(tmp_path, *({"id": "a", "attempt": k, "epoch": e, "text": f"{k} {e}"} for k, e in keys))
    for number, epoch in keys:
        assert await answer(replay, asked("a", number, epoch)) == f"{number} {epoch}"
    for missing in (asked("a", 3, 1), asked("a", 2, 2), asked("a", 1, 3), asked("b")):
        with pytest.raises(BadRequestError, match="no recorded answer"):
            await answer(replay, missing)


async def test_an_unrecorded_answer_is_an_outage_through_litellm(tmp_path: Path) -> None:
    replay = recorded(tmp_path, {"id": "a", "text": "x", "prompt_tokens": 3, "completion_tokens": 4})
    rung = Rung("replay/rows.jsonl")
    model = LitellmModel("r", rung, generators={"replay": replay}, seed=1, retry=RetrySettings())
    await model.check()
    found = await model.complete(asked("a"))
    assert (found.text, found.tokens_prompt, found.tokens_completion, found.cost_usd) == ("x", 3, 4, 0.0)
    with pytest.raises(BadRequestError, match="'b'"):
        await model.complete(asked("b"))


async def test_all_faults_of_a_file_are_told_with_their_lines(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"id": "a", "text": "x"}\n\n{"id": "b"}\n[]\n{\n{"text": "x"}\n')
    with pytest.raises(ConfigError) as caught:
        await ReplayGenerator([str(tmp_path)]).check("rows.jsonl")
    lines = str(caught.value).splitlines()
    assert [line.split("rows.jsonl:")[1].split(":")[0] for line in lines] == ["3", "4", "5", "6"]


@pytest.mark.parametrize("content", ["", "\n\n"])
async def test_an_empty_recording_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "rows.jsonl").write_text(content)
    with pytest.raises(ConfigError, match="no recorded answer in it"):
        await ReplayGenerator([str(tmp_path)]).check("rows.jsonl")


async def test_a_missing_recording_offers_the_nearest(tmp_path: Path) -> None:
    replay = recorded(tmp_path, {"id": "a", "text": "x"})
    with pytest.raises(ConfigError, match=r"did you mean rows\.jsonl"):
        await replay.check("row.jsonl")


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared HumanEval answers are not on this machine")
async def test_published_humaneval_answers_are_read() -> None:
    replay = ReplayGenerator([str(SHARED)])
    for path in SHARED.glob("answers_*.jsonl"):
        row = json.loads(path.read_text().splitlines()[-1])
        found = await replay.generate(path.name, (), {}, asked(row["task_id"]))
        assert found.text == row["completion"]
