"""What an example is written in: what its rubric says, else a guess by its words and its syntax."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from evalkit.core.mutation.syntax import parse
from evalkit.core.rubric import Rubric, Rule
from evalkit.core.rules.source import read_source

_NONE = object()  # what is no JSON at all; null is
OF_KIND = {"python_ast": "python", "json_schema": "json"}
MARKS = {
    "python": re.compile(
        r"^\s*(async\s+)?(def|class)\s+\w+.*:|^\s*(from\s+\S+\s+)?import\s|^\w+\s*[-+*/]?=\s|^\w+\(", re.MULTILINE
    ),
    "rust": re.compile(r"\bfn\s+\w+|\blet\s+(mut\s+)?\w+|\w+!\(|^\s*(pub\s+)?(use|struct|enum|impl)\s", re.MULTILINE),
    "go": re.compile(r"\bfunc\s|:=|^package\s", re.MULTILINE),
    "java": re.compile(r"\b(public|private|static|final)\s+\w+", re.MULTILINE),
    "typescript": re.compile(r"\b(const|let|function|interface|export)\s+\w+|=>", re.MULTILINE),
    "c": re.compile(r"^#include|\b(int|void|char|double)\s+\*?\w+\s*[(;=]", re.MULTILINE),
}


def languages(rubric: Rubric) -> list[str]:
    """The languages that a rubric's rules name, the most frequent first."""
    found = [name for rule in rubric.rules for name in named(rule)]
    return sorted(dict.fromkeys(found), key=lambda name: -found.count(name))


def named(rule: Rule) -> Iterator[str]:
    """The languages that a rule's kind, its `language` key, or its parts name."""
    yield from _of(rule.kind, rule.check)


def language_of(example: str, likely: Sequence[str]) -> str:
    """One of the likely ones if the example parses as it, else a guess; "" for plain text."""
    if isinstance(_json(example), dict | list):
        return "json"
    for language in likely:
        if language != "json" and parse(example, language):
            return language
    guesses = (language for language, mark in MARKS.items() if mark.search(example))
    return next((language for language in guesses if parse(example, language)), "")


def is_written_in(text: str, language: str) -> bool:
    """Whether a text is of a language; any text is of none."""
    if language == "json":
        return _json(text) is not _NONE
    if language == "python" and not _is_python(text):
        return False
    return not language or parse(text, language) is not None


def _of(kind: str, check: Any) -> Iterator[str]:
    language = getattr(check, "language", None) or OF_KIND.get(kind)
    if isinstance(language, str):
        yield language
    for part in getattr(check, "of", ()):
        yield from _of(getattr(part, "kind", ""), getattr(part, "check", None))


def _is_python(text: str) -> bool:
    """As Python's own parser sees it, which is stricter than the grammar."""
    try:
        read_source(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return _NONE
