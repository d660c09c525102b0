"""What a dataset holds, as one number: sha256 over the canonical JSON of its instances, rubrics resolved."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass, replace
from hashlib import sha256
from typing import Any

import msgspec

from evalkit.core.rubric import Rubric
from evalkit.core.types import Instance

_encoder = msgspec.json.Encoder(order="sorted")


def digest(instances: Iterable[Instance], rubrics: dict[int, str] | None = None) -> str:
    """64 hex digits. Changes with any content, and with the order; not with how the file is written.

    `rubrics` keeps the digests of rubrics for further calls, by identity, while the instances live.
    """
    total = sha256()
    rubrics = {} if rubrics is None else rubrics  # thousands of instances share a few
    for instance in instances:
        total.update(_encoder.encode(_content(instance)))
        rubric = instance.rubric
        if rubric is not None:
            known = rubrics.get(id(rubric)) or rubrics.setdefault(id(rubric), rubric_digest(rubric))
            total.update(known.encode())
        total.update(b"\n")
    return total.hexdigest()


def _content(instance: Instance) -> Instance:
    """Without what is counted otherwise: a rubric by its digest, a repository's files by its commit."""
    return replace(instance, rubric=None, files={} if instance.repo else instance.files)


def canonical(content: Any) -> str:
    """The one way to write a JSON value: sorted keys, no spaces."""
    return json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def rubric_digest(rubric: Rubric) -> str:
    """64 hex digits over all that a rubric says."""
    return sha256(canonical(_plain(rubric)).encode()).hexdigest()


def _plain(value: Any) -> Any:
    """As JSON. A rule's check is an object of any class, plug-ins' own too, hence no library's encoder."""
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value) if field.init}
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(part) for part in value]
    if isinstance(value, re.Pattern):
        return [value.pattern, value.flags]
    if value is None or isinstance(value, str | int | float):
        return value
    return {"class": type(value).__qualname__, "state": _plain(vars(value))}
