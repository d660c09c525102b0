"""Finished runs as recordings: their ladders, attempts and what an attempt cost, from their folders."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import yaml

from evalkit.adapters.run_results import climb_folder, read_attempts, read_summary
from evalkit.core.errors import ConfigError
from evalkit.core.ladder import Ladder
from evalkit.core.results import AttemptRow
from evalkit.core.simulate import Recording
from evalkit.core.summary import Summary
from evalkit.core.types import JUDGED

USUAL = {"dataset": "starter", "strategy": "direct", "context": "files", "feedback": "last", "verifier": "both"}
USUAL |= {"sample.size": "null", "seed": "0", "epochs": "1"}
NEEDED = ("ladder", "strategy", "feedback")  # groups that every run's config has
NEED_A_PATH = ("jsonl", "humaneval", "swebench", "repo")
# A template that shows one of these tells of earlier attempts whatever the feedback.
TELLS = re.compile(r"\{[{%][^}]*\b(previous|attempt)\b")


@dataclass(frozen=True)
class Recorded:
    """A finished run. Raises ConfigError where its folder is not whole."""

    folder: Path

    @cached_property
    def summary(self) -> Summary:
        """What it came to."""
        return read_summary(self.folder)

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """Its resolved config."""
        path = self.folder / "config.yaml"
        try:
            config = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ConfigError(f"{path}: cannot be read: {error}") from error
        if not isinstance(config, dict) or not all(isinstance(config.get(one), dict) for one in NEEDED):
            raise ConfigError(f"{path}: is no run's config. The command that made the run makes it again.")
        return {str(key): _words(value) for key, value in config.items()}

    @cached_property
    def ladder(self) -> Ladder:
        """The ladder that was climbed."""
        try:
            return msgspec.convert(self.config["ladder"], Ladder)
        except msgspec.ValidationError as error:
            raise ConfigError(f"{self.folder / 'config.yaml'}: ladder: {error}") from error

    @cached_property
    def attempts(self) -> tuple[AttemptRow, ...]:
        """Every attempt of the climbs that came to an end."""
        return tuple(read_attempts(self.folder, tuple(row for row in self.summary.instances if row.status in JUDGED)))

    @property
    def name(self) -> str:
        """What the run is called, else its key."""
        return self.summary.name or self.summary.key

    @property
    def told(self) -> str:
        """A digest of how prompts tell of earlier attempts; empty where they do not."""
        strategy, feedback = self.config["strategy"], self.config["feedback"]
        shown = any(TELLS.search(str(strategy.get(part) or "")) for part in ("system", "user"))
        if feedback.get("kind") == "none" and not shown and {"user"} <= set(strategy):
            return ""
        return hashlib.sha256(json.dumps([strategy, feedback], sort_keys=True).encode()).hexdigest()[:12]

    @property
    def overrides(self) -> Mapping[str, str]:
        """The choices of its groups and sample that are not the default ones, as they were made."""
        try:
            params = json.loads((self.folder / "record.json").read_bytes())["params"]
        except (OSError, ValueError, KeyError, TypeError):  # a hint is lost, no more
            return {}
        found = {name: str(params[name]) for name, usual in USUAL.items() if params.get(name, usual) != usual}
        if found.get("dataset") in NEED_A_PATH:
            found["dataset.path"] = str(params.get("dataset.path", ""))
        return found

    def recording(self) -> Recording:
        """For simulating."""
        return Recording(
            name=self.name,
            ladder=self.ladder,
            max_attempts=self._number("max_attempts", 10),
            told=self.told,
            seed=self._number("seed", 0),
            attempts=self.attempts,
            judged=frozenset((row.instance_id, row.epoch) for row in self.summary.instances if row.status in JUDGED),
        )

    def _number(self, name: str, usual: int) -> int:
        found = self.config.get(name, usual)
        if not isinstance(found, int):
            raise ConfigError(f"{self.folder / 'config.yaml'}: {name} is {found!r}; it must be a whole number")
        return found

    def counted(self, row: AttemptRow, count: Callable[[str], int]) -> tuple[int, int]:
        """Tokens of an attempt's prompt and answer, counted from its files. Raises ConfigError without them."""
        climb = next(
            one for one in self.summary.instances if (one.instance_id, one.epoch) == (row.instance_id, row.epoch)
        )
        path = climb_folder(self.folder, climb) / f"attempt_{row.number}.json"
        try:
            messages = json.loads(path.read_bytes())["prompt"]["messages"]
            answer = path.with_suffix(".txt").read_text(encoding="utf-8", errors="replace")
        except (OSError, ValueError, KeyError) as error:
            raise ConfigError(f"{path}: cannot be read: {error}") from error
        return sum(count(one["content"]) for one in messages), count(answer)


def refuse_unlike(runs: Sequence[Recorded], *, shared_only: bool, simulated: bool) -> None:
    """Raise ConfigError where the runs' attempts cannot stand in one ladder."""
    first = runs[0]
    for other in runs[1:]:
        pair = f"{first.name} and {other.name}"
        for part in ("strategy", "context", "skills", "verifier"):
            if first.config.get(part) != other.config.get(part):
                raise ConfigError(f"{pair} differ in {part}, which a ladder has one of; simulate them apart")
        if first.summary.dataset.digest != other.summary.dataset.digest and not shared_only:
            raise ConfigError(f"{pair} are on different datasets; --shared-only takes the instances they share")
        if first.summary.simulated != other.summary.simulated and not simulated:
            raise ConfigError(f"{pair}: one is simulated, the other live; --allow-simulated mixes them all the same")


def _words(data: object) -> Any:
    """Keys as a person wrote them: YAML 1.1 reads an unquoted `on:` as true."""
    if isinstance(data, list):
        return [_words(one) for one in data]
    if not isinstance(data, dict):
        return data
    return {"on" if key is True else key: _words(value) for key, value in data.items()}
