"""Answers and errors from a YAML file instead of a model: for tests, docs, and trying a ladder out."""

import asyncio
import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from evalkit.core.errors import MODEL_ERRORS, BadRequestError, ConfigError
from evalkit.core.failure import Failure
from evalkit.core.ports import Reply
from evalkit.core.types import Message, Prompt

SHORTER = {Failure.PROVIDER_TIMEOUT: "timeout", Failure.PROVIDER_ERROR: "server_error"}
ERRORS = {SHORTER.get(failure, str(failure)): kind for failure, kind in MODEL_ERRORS.items()}
PLACEHOLDER = re.compile(r"\{\{\s*(instance_id|attempt|epoch)\s*\}\}")

Entry = Mapping[str, Any]
Turn = tuple[Entry, ...]  # errors with `times`, then what answers the attempt in the end


class ScriptedGenerator:
    """`scripted/FILE`: a file of evalkit/schemas/script.json, found as a path or in one of `folders`.

    The k-th answer goes to the climb's k-th attempt, whatever rung it is made on, and the last one repeats: that
    number is known when a climb is resumed, unlike how often this process has asked. So one file can script a
    whole ladder. An instance without answers is an error of the script, never an empty answer.
    """

    simulated: bool = True
    free: bool = True

    def __init__(self, folders: Sequence[str] = ()) -> None:
        self._folders = folders
        self._scripts: dict[str, Mapping[str, tuple[Turn, ...]]] = {}
        self._requests: Counter[tuple[str, str, int, int]] = Counter()

    async def generate(
        self,
        name: str,
        messages: Sequence[Message],  # noqa: ARG002  a script answers without reading
        params: Mapping[str, object],  # noqa: ARG002
        asked: Prompt,
    ) -> Reply:
        """The answer of this attempt. Raises the scripted error, or BadRequestError where the script has none."""
        entry = self._entry(name, asked)
        await asyncio.sleep(entry.get("delay_s", 0))
        if "error" in entry:
            kind = entry["error"]
            text = f"scripted/{name}: {entry.get('message', kind)}"
            raise ERRORS[kind](text, retry_after_s=entry.get("retry_after_s"))
        return Reply(
            _filled(entry["text"], asked),
            entry.get("finish_reason", "stop"),
            entry.get("tokens_prompt"),
            entry.get("tokens_completion"),
        )

    async def check(self, name: str) -> None:
        """Read the file. Raises ConfigError with all its faults."""
        self._script(name)

    def digest(self, name: str) -> str:
        """sha256 (hex) of the file: other answers make another run. Raises ConfigError if it is not there."""
        return hashlib.sha256(_find(name, self._folders).read_bytes()).hexdigest()

    def _entry(self, name: str, asked: Prompt) -> Entry:
        script = self._script(name)
        turns = script.get(asked.instance_id) or script.get("")
        if not turns:
            raise BadRequestError(
                f"scripted/{name} has no answer for instance {asked.instance_id!r}; add it or a default"
            )
        turn = turns[min(asked.number, len(turns)) - 1]
        if len(turn) == 1:
            return turn[0]
        request = (name, asked.instance_id, asked.epoch, asked.number)
        self._requests[request] += 1
        return _nth(turn, self._requests[request])

    def _script(self, name: str) -> Mapping[str, tuple[Turn, ...]]:
        if name not in self._scripts:
            self._scripts[name] = _read(_find(name, self._folders))
        return self._scripts[name]


def _nth(turn: Turn, request: int) -> Entry:
    """What the attempt's request number `request` gets."""
    for entry in turn[:-1]:
        if request <= entry["times"]:
            return entry
        request -= entry["times"]
    return turn[-1]


def _filled(text: str, asked: Prompt) -> str:
    values = {"instance_id": asked.instance_id, "attempt": str(asked.number), "epoch": str(asked.epoch)}
    return PLACEHOLDER.sub(lambda found: values[found[1]], text)


def _find(name: str, folders: Sequence[str]) -> Path:
    """The script's file. Raises ConfigError with the nearest names."""
    places = [Path(), *(Path(folder) for folder in folders)]
    for place in places:
        for path in (place / name, place / "scripted" / name):
            if path.is_file():
                return path
    there = [path.name for place in places for path in (*place.glob("*.yaml"), *place.glob("scripted/*.yaml"))]
    near = get_close_matches(Path(name).name, there, 3)
    hint = f"did you mean {', '.join(near)}?" if near else "give a path from the current folder or EVALKIT_HOME"
    raise ConfigError(f"scripted/{name}: no such file; {hint}")


def _read(path: Path) -> Mapping[str, tuple[Turn, ...]]:
    """Turns by instance id; "" is the default. Raises ConfigError, one line a fault."""
    import yaml  # noqa: PLC0415  only needed where a script is read

    try:
        script = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    if faults := _faults(script):
        raise ConfigError("\n".join(f"{path}: {fault}" for fault in faults))
    answers = {str(key): value for key, value in (script.get("instances") or {}).items()}
    if "default" in script:
        answers[""] = script["default"]
    return {key: _turns(path, key, value) for key, value in answers.items()}


def _turns(path: Path, key: str, answers: Any) -> tuple[Turn, ...]:
    """Group errors with `times` with what comes after them."""
    turns: list[Turn] = []
    waiting: list[Entry] = []
    for answer in answers if isinstance(answers, list) else [answers]:
        entry = {"text": answer} if isinstance(answer, str) else answer
        waiting.append(entry)
        if "times" not in entry:
            turns.append(tuple(waiting))
            waiting = []
    if waiting:
        where = f"instances.{key}" if key else "default"
        raise ConfigError(f"{path}: {where}: an error with times needs a next entry, which answers after it")
    return tuple(turns)


@cache
def _schema() -> dict[str, Any]:
    text = files("evalkit").joinpath("schemas", "script.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def _faults(script: object) -> list[str]:
    from jsonschema import Draft202012Validator  # noqa: PLC0415  60 ms, needed only where a script is read

    faults = []
    for error in Draft202012Validator(_schema()).iter_errors(script):
        where = ".".join(str(part) for part in error.absolute_path) or "the file"
        faults.append(f"{where}: {error.message}{_nearest(error)}")
    return faults


def _nearest(error: Any) -> str:
    """A hint for a misspelt key or error name."""
    if error.validator == "additionalProperties":
        known = list(error.schema["properties"])
        wrong = [key for key in error.instance if key not in known]
    elif error.validator == "enum":
        known, wrong = error.validator_value, [error.instance]
    else:
        return ""
    near = [match for word in wrong for match in get_close_matches(str(word), known, 1)]
    return f"; did you mean {', '.join(map(repr, near))}?" if near else f"; known: {', '.join(known)}"
