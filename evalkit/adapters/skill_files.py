"""Skills from Markdown files with front matter, the user's own folder first."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import msgspec
import yaml

from evalkit.core.errors import ConfigError
from evalkit.core.skills import Skill, Skills, Skillset

FENCE = "---"


class _Head(msgspec.Struct, forbid_unknown_fields=True):
    """The front matter."""

    name: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    always: bool = False


def read(folders: Sequence[str], settings: Skills) -> Skillset:
    """The skills in these folders; of two with one name, the first counts. Reads none where none may go in.

    Raises ConfigError for a file that is no skill, and where `only` names one that is not there.
    """
    if not settings.most:
        return Skillset(settings)
    found: dict[str, Skill] = {}
    for folder in folders:
        for path in sorted(Path(folder).glob("*.md")):
            skill = _skill(path)
            found.setdefault(skill.name, skill)
    wanted = settings.only if settings.only is not None else found
    return Skillset(settings, tuple(_named(name, found, folders) for name in dict.fromkeys(wanted)))


def _skill(path: Path) -> Skill:
    """One file: YAML between two lines `---`, then the text."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    stripped = [line.rstrip() for line in lines]
    if stripped[:1] != [FENCE] or FENCE not in stripped[1:]:
        raise ConfigError(f"{path}: no front matter. Begin with a line {FENCE}, then tags: […], then a line {FENCE}.")
    end = stripped.index(FENCE, 1)
    try:
        head = msgspec.convert(_mapping("\n".join(lines[1:end])), _Head)
        text = "\n".join(lines[end + 1 :]).strip()
        return Skill(head.name or path.stem, text, head.description, head.tags, head.keywords, head.always)
    except (yaml.YAMLError, msgspec.ValidationError, ValueError) as error:
        raise ConfigError(f"{path}: {error}{_hint(str(error))}") from error


def _mapping(text: str) -> Mapping[str, Any]:
    return yaml.safe_load(text) or {}


def _hint(error: str) -> str:
    """The key that was meant, where the error is about one that is unknown."""
    wrong = error.partition("unknown field `")[2].partition("`")[0]
    known = [one.name for one in msgspec.structs.fields(_Head)]
    near = get_close_matches(wrong, known, 1) if wrong else []
    return f"; did you mean {near[0]!r}?" if near else f"; there is {', '.join(known)}" if wrong else ""


def _named(name: str, found: Mapping[str, Skill], folders: Sequence[str]) -> Skill:
    if name in found:
        return found[name]
    near = get_close_matches(name, found, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"there is {', '.join(sorted(found)) or 'none'}."
    raise ConfigError(f"skills.only: no skill {name!r} in {', '.join(folders)}; {hint}")
