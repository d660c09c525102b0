"""A run is judged in one sandbox: resumed where `sandbox=auto` would now choose another, it is refused.

The choice depends on the machine and on the engine that answers, so that it is no part of a run's key; without this,
verdicts of two sandboxes would stand under one key without a word.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from evalkit.core.errors import ConfigError

CHOSEN, IMAGES, FALLBACK = "evalkit.sandbox", "evalkit.sandbox_images", "evalkit.sandbox_fallback"


def refuse_another_sandbox(folders: Iterable[Path], tags: Mapping[str, str]) -> None:
    """Compare what candidates are run in now with what the folders' verdicts were found in.

    Folders of a ramp's other phases may have other images; those that both have must be where they were.
    Raises ConfigError with both ways out.
    """
    for folder in folders:
        was, now = _moved(_tags(folder), tags)
        if was != now and _has_verdicts(folder):
            why = f", since {tags[FALLBACK].rstrip('.')}" if FALLBACK in tags else ""
            raise ConfigError(
                f"{folder}: its verdicts so far were found in {was}, and now it would be {now}{why}. Make {was} "
                f"available again, or move the folder away to judge everything anew in {now}."
            )


def _moved(was: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, str]:
    """What it was and is, where that matters; twice the same where it does not."""
    before, after = _images(was), _images(now)
    for image in before.keys() & after.keys():
        if before[image] != after[image]:
            return before[image], after[image]
    chosen = was.get(CHOSEN, now[CHOSEN])
    if set(chosen.split("+")) & set(now[CHOSEN].split("+")) or (before and after):
        return "", ""
    return chosen, now[CHOSEN]


def _images(tags: Mapping[str, str]) -> dict[str, str]:
    """Where jobs with each image were run."""
    pairs = (one.rpartition(": ") for one in tags.get(IMAGES, "").split(", ") if one)
    return {image: where for image, _, where in pairs}


def _tags(folder: Path) -> dict[str, str]:
    """The tags of an earlier session; none where there was none."""
    try:
        return dict(json.loads((folder / "record.json").read_text(encoding="utf-8"))["tags"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _has_verdicts(folder: Path) -> bool:
    try:
        with (folder / "journal.jsonl").open("rb") as lines:
            return any(b'/verdict","value":' in line for line in lines)
    except FileNotFoundError:
        return False
