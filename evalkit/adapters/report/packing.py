"""Climbs packed for a page: compressed chunks as text that cannot end a script, up to a size."""

import base64
import zlib
from dataclasses import dataclass, field
from typing import Any

import msgspec

CHUNK = 256 * 1024  # bytes before compressing: opening one climb unpacks so much, some 5 ms
LEVEL = 5
GZIP = 31  # zlib's window bits with a gzip header, which browsers' DecompressionStream reads


@dataclass
class Packing:
    """Takes climbs until `most_bytes` of the page are full, and says where each lies."""

    most_bytes: int
    chunks: list[str] = field(default_factory=list)
    size: int = 0
    _waiting: list[bytes] = field(default_factory=list)
    _waits: int = 0

    @property
    def full(self) -> bool:
        """Whether no further climb fits."""
        return self.size >= self.most_bytes

    def add(self, climb: Any) -> tuple[int, int]:
        """Take a climb; its chunk, and its place there."""
        place = (len(self.chunks), len(self._waiting))
        packed = msgspec.json.encode(climb)
        self._waiting.append(packed)
        self._waits += len(packed)
        if self._waits >= CHUNK:
            self.close()
        return place

    def close(self) -> None:
        """Compress what waits."""
        if not self._waiting:
            return
        packer = zlib.compressobj(LEVEL, wbits=GZIP)
        data = packer.compress(b"[" + b",".join(self._waiting) + b"]") + packer.flush()
        self.chunks.append(base64.b64encode(data).decode("ascii"))
        self.size += len(self.chunks[-1])
        self._waiting, self._waits = [], 0


def script_json(value: Any) -> str:
    """JSON that may stand inside a script element: nothing in it ends the element or opens a comment.

    U+2028 and U+2029 are escaped too, which older readers take for line ends.
    """
    text = msgspec.json.encode(value).decode("utf-8")
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text
