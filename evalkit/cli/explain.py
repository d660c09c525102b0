"""Hydra's errors in one line: what is wrong, the nearest names, and what to do."""

import re
from collections.abc import Callable, Sequence
from difflib import get_close_matches

NOISE = re.compile(r"^\s*(full_key:|object_type=|See https?:).*$", re.MULTILINE)
OVERRIDE = re.compile(r"Could not override '([^']+)'")
ADDED = re.compile(r"To append to your config use \+([^=\s]+)")
OPTION = re.compile(r"Could not (?:find|load) '([\w./@-]*)'")
DELETE = re.compile(r"Could not delete from config\. '([^']+)'")
VARIABLE = re.compile(r"Environment variable '([^']+)' not found.*?full_key: ([\w.]+)", re.DOTALL)
GRAMMAR = re.compile(r"no viable alternative|Error parsing override|mismatched input|extraneous input|missing \w+ at")
ALL = "`--cfg job` shows all settings"


def explain(text: str, options: Callable[[str], Sequence[str]], names: Callable[[], Sequence[str]]) -> str:
    """Hydra's own first words, and what helps.

    `options` gives the options of a group, `names` all groups and settings; each is asked only where needed.
    """
    if found := OVERRIDE.search(text):
        near = _near(found[1], names(), "")
        deep = found[1].count(".") > 1  # in a mapping, such as params, on, hints: what may be added lies there
        more = near + (ALL if near and not deep else _add(text))
        return f"Could not override {found[1]!r}: there is no such setting. {more}"
    if found := OPTION.search(text):
        return f"Could not find {found[1]!r}. {_option(found[1], options, names)}"
    if found := DELETE.search(text):
        return f"Could not delete {found[1]!r}: it is not there. {_near(found[1], names(), ALL)}"
    if found := VARIABLE.search(text):
        where = "" if found[2].startswith("hydra.") else f"{found[2]}: "  # Hydra's copy of the overrides
        return f"{where}the environment variable {found[1]!r} is not set. Set it, or give a value in its place."
    line = " ".join(NOISE.sub("", text).split())
    if GRAMMAR.search(line):
        return f"{line}. An override is key=value; quote what holds [ ] {{ }} , or =, such as key='\"a,b\"'"
    return line


def _add(text: str) -> str:
    """How a setting is added that is not there, also in a sweep's params."""
    return (
        f"{ALL}; what may be added, such as a rung's params, is written ++{found[1]}"
        if (found := ADDED.search(text))
        else ALL
    )


def _option(found: str, options: Callable[[str], Sequence[str]], names: Callable[[], Sequence[str]]) -> str:
    group, _, wanted = found.rpartition("/")
    known = options(group) if group else []
    if not known:
        return _near(found, names(), ALL)
    there = f"The {group} options: {', '.join(sorted(known))}"
    return _near(wanted, known, "") + there if wanted else there


def _near(wanted: str, known: Sequence[str], otherwise: str) -> str:
    near = get_close_matches(wanted, known, 3)
    return f"Did you mean {' or '.join(repr(name) for name in near)}? " + otherwise if near else otherwise
