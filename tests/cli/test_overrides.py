"""What a person writes on the command line and what Hydra gets."""

import pytest

from evalkit.cli.hydra_app import composed
from evalkit.cli.overrides import as_written, for_hydra
from evalkit.core.errors import ConfigError

INLINE = """
rungs:
  small: {model: scripted/a.yaml, on: {no_answer: escalate}}
  big: {model: scripted/b.yaml, price: null}
"""


@pytest.fixture(autouse=True)
def _mine(tmp_path, monkeypatch):
    monkeypatch.setenv("EVALKIT_HOME", str(tmp_path))
    folder = tmp_path / "conf" / "ladder"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text(INLINE)


def ladder(*overrides):
    return composed(["ladder=mine", *overrides]).config["ladder"]


@pytest.mark.parametrize(
    ("override", "rung", "key", "value"),
    [
        ("ladder.rungs.small.temperature=0.7", "small", "temperature", 0.7),
        ("ladder.rungs.small.model=scripted/c.yaml", "small", "model", "scripted/c.yaml"),
        ("ladder.rungs.small.params.top_p=0.9", "small", "params", {"top_p": 0.9}),
        ("ladder.rungs.small.on.truncated=skip", "small", "on", {"no_answer": "escalate", "truncated": "skip"}),
        ("ladder.rungs.small.on.no_answer=skip", "small", "on", {"no_answer": "skip"}),
        ("ladder.rungs.big.price.prompt=3", "big", "price", {"prompt": 3}),
        ("++ladder.rungs.big.attempts=3", "big", "attempts", 3),
        ("+ladder.rungs.big.attempts=3", "big", "attempts", 3),
    ],
)
def test_every_key_of_a_rung_is_overridden_by_its_plain_name_also_where_the_file_leaves_it_out(
    override, rung, key, value
):
    assert ladder(override)["rungs"][rung][key] == value


def test_the_ladders_policy_too():
    assert ladder("ladder.on.empty_response=skip")["on"] == {"empty_response": "skip"}


def test_a_rung_is_still_added_and_removed_by_its_name():
    changed = ladder("~ladder.rungs.small", "+ladder.rungs.more.model=scripted/d.yaml", "ladder.rungs.more.attempts=2")
    assert changed["rungs"]["more"] == {"model": "scripted/d.yaml", "attempts": 2}
    assert list(changed["rungs"]) == ["big", "more"]


@pytest.mark.parametrize("key", ["temperature=1", "model=x", "on.no_answer=skip"])
def test_a_rung_that_is_not_there_is_not_made_by_a_slip(key):
    with pytest.raises(ConfigError, match=r"Did you mean 'ladder\.rungs\.small\.model'|did you mean 'small'"):
        ladder(f"ladder.rungs.smal.{key}")


def test_the_recorded_overrides_are_those_that_were_written():
    written = ["ladder=mine", "ladder.rungs.small.temperature=0.7", "+seeds=1", "++max_attempts=3", "ladder.on.x=y"]
    assert as_written(for_hydra(written)) == tuple(written)
    assert composed([*written[:2]]).overrides == tuple(written[:2])
