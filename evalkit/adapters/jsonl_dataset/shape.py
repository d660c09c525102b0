"""What the schema holds against a line, worded for whoever wrote it."""

import json
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Any

PATTERNS = {
    "id": "must start with a letter or digit and hold only letters, digits, '.', '_' and '-', at most 120:"
    " it names a folder",
    "answer": "must be 'text', 'json', 'code:LANGUAGE' or 'completion:LANGUAGE', such as 'code:python', or an edit:"
    " 'search_replace', 'unified_diff' or 'whole_file'",
    "commit": "must be the full hash of a commit, 40 hexadecimal digits",
}
TYPES = {
    "object": "an object",
    "array": "a list",
    "string": "a text",
    "number": "a number",
    "boolean": "a boolean",
}


@cache
def _schemas() -> dict[str, Any]:
    """The schema, cut by the kind of the tests ("" for the rest): `if` and `$ref` would triple the time of a line."""
    schema = json.loads(files("evalkit").joinpath("schemas", "dataset.json").read_text(encoding="utf-8"))
    parts = _inlined(schema, schema["$defs"])
    tests = parts["properties"]["tests"]
    kinds = {kind: parts["$defs"][kind] for kind in tests["properties"]["kind"]["enum"]}
    del tests["allOf"], parts["$defs"]
    return {"": parts, **kinds}


@cache
def _checkers() -> dict[str, Any]:
    from jsonschema import Draft202012Validator  # noqa: PLC0415  60 ms, needed only where a file is read

    return {kind: Draft202012Validator(part) for kind, part in _schemas().items()}


@cache
def _quick() -> dict[str, Callable[[Any], Any]]:
    from fastjsonschema import compile as compiled  # noqa: PLC0415  for large files only

    return {kind: compiled(part, detailed_exceptions=False) for kind, part in _schemas().items()}


def is_sound(value: Any) -> bool:
    """Whether the schema holds nothing against a line: says no more than that, in a twentieth of the time."""
    from fastjsonschema import JsonSchemaValueException  # noqa: PLC0415  as above

    try:
        _quick()[""](value)
        if "tests" in value:
            _quick()[value["tests"]["kind"]](value["tests"])
    except JsonSchemaValueException:
        return False
    return True


def _inlined(part: Any, named: Mapping[str, Any]) -> Any:
    if isinstance(part, dict) and "$ref" in part:
        return _inlined(named[part["$ref"].removeprefix("#/$defs/")], named)
    if isinstance(part, dict):
        return {key: _inlined(value, named) for key, value in part.items()}
    return part


def shape_faults(value: Any) -> Iterator[str]:
    """What the schema holds against a line, worded for whoever wrote it."""
    checkers = _checkers()
    yield from _worded(checkers[""].iter_errors(value), "")
    tests = value.get("tests") if isinstance(value, dict) else None
    kind = tests.get("kind") if isinstance(tests, dict) else None
    if isinstance(kind, str) and kind and kind in checkers:
        yield from _worded(checkers[kind].iter_errors(tests), "tests")


def _worded(errors: Iterator[Any], under: str) -> Iterator[str]:
    for error in errors:
        key = _key([under, *error.absolute_path] if under else error.absolute_path)
        if error.validator == "additionalProperties":
            yield from _unknown_keys(key, error)
        elif error.validator == "required":
            missing = [name for name in error.validator_value if name not in error.instance]
            yield from (f"{_joined(key, name)}: is missing" for name in missing)
        else:
            yield f"{key or 'the line'}: {_wording(error)}"


def _key(path: Any) -> str:
    key = ""
    for part in path:
        key = f"{key}[{part}]" if isinstance(part, int) else _joined(key, part)
    return key


def _joined(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name


def _unknown_keys(key: str, error: Any) -> Iterator[str]:
    known = list(error.schema["properties"])
    for name in error.instance:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
            yield f"{_joined(key, name)}: unknown key; {hint}"


def _wording(error: Any) -> str:
    match error.validator:
        case "type":
            kinds = [error.validator_value] if isinstance(error.validator_value, str) else error.validator_value
            return f"must be {' or '.join(TYPES[kind] for kind in kinds)}, not {short(error.instance)}"
        case "pattern":
            return f"{PATTERNS.get(error.absolute_path[-1], 'must not be empty')}, not {short(error.instance)}"
        case "enum":
            near = get_close_matches(str(error.instance), error.validator_value, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            return f"must be one of {', '.join(error.validator_value)}, not {short(error.instance)}{hint}"
        case "minItems":
            return "must hold at least one entry"
        case "uniqueItems":
            return f"holds an entry twice: {short(error.instance)}"
    return str(error.message)


def short(value: Any) -> str:
    """A value as a message may quote it."""
    text = repr(value)
    return text if len(text) < 60 else f"{text[:56]}…"  # noqa: PLR2004  a message stays one line
