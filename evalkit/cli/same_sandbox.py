"""A run is judged in one sandbox: resumed where `sandbox=auto` would now choose another, it is refused.

The choice depends on the machine and on the engine that answers, so that it is no part of a run's key; without this,
verdicts of two sandboxes would stand under one key without a word.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from evalkit.core.errors import ConfigError

CHOSEN, FALLBACK = "evalkit.sandbox", "evalkit.sandbox_fallback"


def refuse_another_sandbox(folders: Iterable[Path], tags: Mapping[str, str]) -> None:
    """Compare what candidates are run in now with what the folders' verdicts were found in.

    Raises ConfigError with both ways out.
    """
    now = tags[CHOSEN]
    for folder in folders:
        was = _chosen(folder)
        if was and was != now and _has_verdicts(folder):
            why = f", since {tags[FALLBACK]}" if FALLBACK in tags else ""
            raise ConfigError(
                f"{folder}: its verdicts so far were found in {was}, and now it would be {now}{why}. Make {was} "
                f"available again, or move the folder away to judge everything anew in {now}."
            )


def _chosen(folder: Path) -> str:
    """The tag of an earlier session; empty where there was none."""
    try:
        return str(json.loads((folder / "record.json").read_text(encoding="utf-8"))["tags"].get(CHOSEN, ""))
    except (OSError, ValueError, KeyError):
        return ""


def _has_verdicts(folder: Path) -> bool:
    try:
        with (folder / "journal.jsonl").open("rb") as lines:
            return any(b'/verdict","value":' in line for line in lines)
    except FileNotFoundError:
        return False
