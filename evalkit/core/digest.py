"""What a dataset holds, as one number: sha256 over the canonical JSON of its instances, rubrics resolved."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from hashlib import sha256
from typing import Any

from evalkit.core.types import Instance


def digest(instances: Iterable[Instance]) -> str:
    """64 hex digits. Changes with any content, and with the order; not with how the file is written."""
    total = sha256()
    rubrics: dict[int, str] = {}  # by identity: thousands of instances share a few rubrics
    for instance in instances:
        content = _plain(instance, skip="rubric")
        if instance.rubric is not None:
            known = rubrics.get(id(instance.rubric))
            content["rubric"] = known or rubrics.setdefault(id(instance.rubric), _hash(instance.rubric))
        total.update(canonical(content).encode() + b"\n")
    return total.hexdigest()


def canonical(content: Any) -> str:
    """The one way to write a JSON value: sorted keys, no spaces."""
    return json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _hash(value: Any) -> str:
    return sha256(canonical(_plain(value)).encode()).hexdigest()


def _plain(value: Any, skip: str = "") -> Any:
    if is_dataclass(value):
        named = {field.name: getattr(value, field.name) for field in fields(value) if field.init}
        return {name: _plain(part) for name, part in named.items() if name != skip}
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(part) for part in value]
    if isinstance(value, re.Pattern):
        return [value.pattern, value.flags]
    if value is None or isinstance(value, str | int | float):
        return value
    return {"class": type(value).__qualname__, "state": _plain(vars(value))}
