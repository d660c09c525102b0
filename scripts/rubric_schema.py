"""Writes the keys of every rule kind into evalkit/schemas/rubric.json, for editors: run it after changing a kind.

python scripts/rubric_schema.py [--check]
"""

import json
import sys
from pathlib import Path
from typing import Any

from evalkit.core.rules import KINDS

WIDTH = 100
FILE = Path(__file__).resolve().parent.parent / "evalkit" / "schemas" / "rubric.json"


def main() -> int:
    text = FILE.read_text(encoding="utf-8")
    made = described(json.loads(text))
    if "--check" in sys.argv:
        return int(made != json.loads(text))
    FILE.write_text(_text(made) + "\n", encoding="utf-8")
    return 0


def described(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with the keys of each kind, which rules and parts of rules have to keep to."""
    rule = {**schema["$defs"]["rule"], "allOf": [{"$ref": "#/$defs/of_its_kind"}]}
    part = {
        "description": "What any_of, all_of and not are made of.",
        "type": "object",
        "required": ["kind"],
        "properties": {"kind": {"type": "string"}, "description": {"type": "string"}},
        "allOf": rule["allOf"],
    }
    kinds = {name: _kind(KINDS[name]) for name in sorted(KINDS)}
    when = [{"if": _has_kind(name), "then": {"$ref": f"#/$defs/kinds/{name}"}} for name in kinds]
    common = {"enum": list(rule["properties"])}
    return {
        **schema,
        "$defs": {"rule": rule, "part": part, "common_keys": common, "of_its_kind": {"allOf": when}, "kinds": kinds},
    }


def _has_kind(name: str) -> dict[str, Any]:
    return {"required": ["kind"], "properties": {"kind": {"const": name}}}


def _kind(kind: Any) -> dict[str, Any]:
    keys = dict(kind.SCHEMA["properties"])
    nested = getattr(kind, "NESTED", None)
    if nested:
        part = {"$ref": "#/$defs/part"}
        keys["of"] = part if nested == "one" else {**keys["of"], "items": part}
    description = " ".join((kind.__doc__ or "").split())
    names = {"anyOf": [{"$ref": "#/$defs/common_keys"}, {"enum": list(keys)}]}
    return {"description": description, **kind.SCHEMA, "properties": keys, "propertyNames": names}


def _text(value: Any, indent: str = "") -> str:
    """JSON with what is short on one line, so that people can read it."""
    flat = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(flat) <= WIDTH or not isinstance(value, dict | list):
        return flat
    inner = indent + "  "
    if isinstance(value, list):
        return "[\n" + ",\n".join(inner + _text(one, inner) for one in value) + f"\n{indent}]"
    members = (f"{inner}{json.dumps(key)}: {_text(one, inner)}" for key, one in value.items())
    return "{\n" + ",\n".join(members) + f"\n{indent}}}"


if __name__ == "__main__":
    sys.exit(main())
