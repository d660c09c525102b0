"""What JSON Schema holds against a rubric, worded for whoever wrote it."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from evalkit.core.rules.keys import KeyFault, KeyPath
from evalkit.core.rules.where import short

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

PLACEHOLDERS = ("detail", "line", "excerpt")
MEANT = {"found": "detail", "match": "excerpt", "matched": "excerpt", "snippet": "excerpt", "where": "line"}
_BRACED = re.compile(r"\{([^\W\d]\w*)\}")
TYPES = {
    "string": "text",
    "object": "a mapping",
    "array": "a list",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
}


@cache
def schema() -> dict[str, Any]:
    """The JSON Schema of rubrics, less the keys of the kinds: each kind says its own, plug-ins' too."""
    text = files("evalkit").joinpath("schemas", "rubric.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    schema["$defs"] = {"rule": {key: value for key, value in schema["$defs"]["rule"].items() if key != "allOf"}}
    return schema


def faults_of(schema: Mapping[str, Any], data: object) -> Iterator[KeyFault]:
    """What a JSON Schema holds against data, worded for whoever wrote it."""
    from jsonschema import Draft202012Validator  # noqa: PLC0415  60 ms, needed only where a rubric is read

    seen: set[KeyFault] = set()
    for error in Draft202012Validator(schema).iter_errors(data):
        for fault in _worded(error):
            if fault not in seen:  # jsonschema has one error for each missing key, _worded all of them each time
                seen.add(fault)
                yield fault


def placeholder_faults(rule: Mapping[str, Any]) -> Iterator[KeyFault]:
    """Words in braces in what a rule says that look like a placeholder and are none; other braces may be JSON's."""
    key = "message" if rule.get("message") else "description"
    text = rule.get(key)
    for word in dict.fromkeys(_BRACED.findall(text if isinstance(text, str) else "")):
        meant = MEANT.get(word.lower()) or next(iter(get_close_matches(word.lower(), PLACEHOLDERS, 1, 0.7)), "")
        if meant and word not in PLACEHOLDERS:
            yield KeyFault((key,), f"{{{word}}} is no placeholder; did you mean {{{meant}}}?")


def _worded(error: "ValidationError") -> Iterator[KeyFault]:
    path = tuple(error.absolute_path)
    wanted: Any = error.validator_value
    within: Any = error.schema
    value: Any = error.instance
    match error.validator:
        case "additionalProperties":
            yield from _unknown_keys(path, value, list(within["properties"]))
        case "required":
            yield from _missing_keys(path, value, wanted, list(within.get("properties", {})))
        case "type":
            names = [wanted] if isinstance(wanted, str) else wanted
            quote = "; put it in quotes" if "string" in names and isinstance(value, bool | int | float) else ""
            yield KeyFault(path, f"is {_shown(value)}; it must be {' or '.join(TYPES[n] for n in names)}{quote}")
        case "enum":
            text = ", ".join(map(str, wanted))
            yield KeyFault(path, f"is {_shown(value)}; it must be one of {text}{near(str(value), wanted, '')}")
        case "anyOf":
            yield KeyFault(path, f"is {_shown(value)}; {within.get('description', 'no form of it fits')}")
        case "minLength" | "minItems" | "minProperties":
            yield KeyFault(path, "is empty")
        case "minimum" | "exclusiveMinimum":
            than = "at least" if error.validator == "minimum" else "more than"
            yield KeyFault(path, f"is {_shown(value)}; it must be {than} {wanted}")
        case "maximum":
            yield KeyFault(path, f"is {_shown(value)}; it must be at most {wanted}")
        case "pattern":
            yield KeyFault(path, f"is {_shown(value)}; {within.get('description', f'it must match {wanted}')}")
        case _:
            yield KeyFault(path, short(error.message))


def _unknown_keys(path: KeyPath, value: Mapping[Any, Any], known: list[str]) -> Iterator[KeyFault]:
    for key in value:
        if key not in known:
            yield KeyFault((*path, str(key)), f"unknown key{near(str(key), known)}")


def _missing_keys(path: KeyPath, value: Mapping[Any, Any], wanted: list[str], known: list[str]) -> Iterator[KeyFault]:
    strange = [str(key) for key in value if key not in known]
    for key in wanted:
        if key not in value and not get_close_matches(key, strange, 1):  # else it is misspelt, which is said
            yield KeyFault((*path, key), "is missing")


def key_text(path: KeyPath) -> str:
    """`rules[2].pattern`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


def _shown(value: object) -> str:
    return short(repr(value), 60)


def near(word: str, known: Sequence[str], otherwise: str = "; known: {}") -> str:
    """`; did you mean 'pattern'?`, or what is known where nothing is near."""
    near = get_close_matches(word, known, 1, 0.5)
    if near:
        return f"; did you mean {near[0]!r}?"
    return otherwise.format(", ".join(known)) if known else ""
