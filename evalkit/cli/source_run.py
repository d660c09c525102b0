"""A run's folder as the source of another judgement: what it recorded, and its config under today's overrides."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import yaml

from evalkit.adapters.jsonl_journal import JsonlJournal
from evalkit.adapters.mlflow_publish import read_record
from evalkit.adapters.run_folder import RunFolder
from evalkit.core.errors import ConfigError
from evalkit.core.ports import RunRecord
from evalkit.core.types import Message, Prompt, Status
from evalkit.run.recorded import Recorded, recorded
from evalkit.wiring import Wired

# What another judgement of the same answers may change; all else made the answers, and is as it was.
MAY_CHANGE = ("verifier", "sandbox", "dataset", "tracker", "limits", "name")
_GROUP = re.compile(r"[+~]*(?P<where>[^=]+)")


@dataclass(frozen=True)
class SourceRun:
    """A recorded run. Raises ConfigError where its folder is not whole."""

    folder: Path

    @cached_property
    def record(self) -> RunRecord:
        """What the run is."""
        return read_record(self.folder)

    @cached_property
    def config(self) -> dict[str, Any]:
        """Its resolved config."""
        path = self.folder / "config.yaml"
        try:
            config = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ConfigError(f"{path}: cannot be read: {error}") from error
        if not isinstance(config, dict):
            raise ConfigError(f"{path}: is no config. The command that made the run makes it again.")
        return config

    @cached_property
    def statuses(self) -> dict[tuple[str, int], Status]:
        """How each climb ended, by instance and epoch, as the run's summary says."""
        summary = RunFolder(self.folder).summary()
        return {(row.instance_id, row.epoch): row.status for row in summary.instances} if summary else {}

    async def answers(self) -> list[Recorded]:
        """All recorded completions. Raises JournalError where the journal is damaged or in use."""
        journal = JsonlJournal(self.folder / "journal.jsonl", self.record.key)
        try:
            return await recorded(journal)
        finally:
            journal.close()

    def prompt(self, instance: str, epoch: int, number: int) -> Prompt:
        """What was asked, as the attempt's file has it; empty where there is no such file."""
        folder = self.folder / "instances" / instance / (f"epoch_{epoch}" if epoch > 1 else ".")
        try:
            said = json.loads((folder / f"attempt_{number}.json").read_text(encoding="utf-8"))["prompt"]
            messages = tuple(msgspec.convert(said["messages"], list[Message]))
        except (OSError, ValueError, KeyError, TypeError, msgspec.ValidationError):
            return Prompt((), instance, epoch, number)
        dropped, files, skills = (tuple(said.get(name, ())) for name in ("dropped", "files", "skills"))
        return Prompt(messages, instance, epoch, number, dropped, files, skills)

    def wired(self, overrides: Sequence[str]) -> Wired:
        """Its objects, judging as today's files and these overrides say. Raises ConfigError."""
        from evalkit.cli.hydra_app import composed, groups  # noqa: PLC0415  Hydra loads when it is needed
        from evalkit.settings import read  # noqa: PLC0415

        params = self.record.params
        config, choices = self.config, {name: params[name] for name in groups() if name in params}
        if changed := [_changed(override) for override in overrides]:
            today = composed([*self._overrides(), *overrides])
            config = {**config, **{name: today.config[name] for name in changed}}
            choices = {**choices, **{name: today.choices[name] for name in changed if name in today.choices}}
        return Wired(config, choices, read(config))

    def _overrides(self) -> list[str]:
        """Those that the run was started with."""
        try:
            found = json.loads((self.folder / "lock.json").read_text(encoding="utf-8"))["overrides"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(f"{self.folder / 'lock.json'}: cannot be read: {error}") from error
        return [str(one) for one in found]


def _changed(override: str) -> str:
    """The group or key that an override changes. Raises ConfigError where it has no effect on verdicts."""
    match = _GROUP.match(override)
    where = match["where"].rpartition("@")[2] if match else override
    name = re.split(r"[./]", where)[0]
    if name not in MAY_CHANGE:
        raise ConfigError(
            f"{override!r}: recorded answers stay as they are; a regrade may change {', '.join(MAY_CHANGE)}. "
            "Another ladder or strategy needs a run of its own."
        )
    return name


def without_graders(wired: Wired) -> Any:
    """The verifier without the port to grader models: a rule that needs one is an error of the world."""
    verifier: Any = wired.verifier
    return replace(verifier, ask=None) if getattr(verifier, "ask", None) is not None else verifier
