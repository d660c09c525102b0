"""Keys that rule kinds share which lay the candidate into a sandbox as a file, beside others."""

from collections.abc import Iterator, Mapping
from typing import Any

from evalkit.core.rules.keys import KeyFault

ARGV = {"type": "array", "minItems": 1, "items": {"type": "string"}}
KEYS: dict[str, Any] = {
    "file": {"type": "string", "minLength": 1},
    "files": {"type": "object", "additionalProperties": {"type": "string"}},
    "image": {"type": "string", "minLength": 1},
    "timeout_s": {"type": "number", "exclusiveMinimum": 0},
    "memory_mb": {"type": "integer", "exclusiveMinimum": 0},
}


def path_faults(file: str, files: Mapping[str, str]) -> Iterator[KeyFault]:
    """What lies outside of the sandbox's working folder, and a file that the candidate would overwrite."""
    for path, name in [(("file",), file), *((("files", name), name) for name in files)]:
        if name.startswith("/") or ".." in name.split("/") or "\0" in name:
            yield KeyFault(path, f"{name!r} is no path inside the sandbox's working folder; write e.g. src/lib.rs")
    if file and file in files:
        yield KeyFault(("files", file), "is where the candidate lies; name one of them otherwise")
