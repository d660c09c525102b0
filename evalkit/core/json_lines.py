"""JSON Lines as they really come: each line with its value, or with the fault that makes it unreadable."""

import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

MAX_FAULTS = 200  # shown; a file of another kind has one a line
MAX_LINE = 32 * 2**20  # bytes; an instance is some kilobytes, so a longer line is another kind of file


@dataclass(frozen=True, slots=True)
class Line:
    """One line, counted from 1; `fault` is empty where `value` could be read."""

    number: int
    value: Any = None
    fault: str = ""


def told(faults: Sequence[str]) -> str:
    """A file's faults, one a line, cut where there is no end of them."""
    rest = len(faults) - MAX_FAULTS
    return "\n".join([*faults[:MAX_FAULTS], *([f"… and {rest} more faults"] if rest > 0 else [])])


def read(readline: Callable[[int], bytes], max_line: int = MAX_LINE) -> Iterator[Line]:
    """Every line that is not blank; never raises for what the lines hold.

    `readline` is a binary file's own (a gzip file's too): it is asked for bounded pieces only.
    """
    number = 0
    while True:
        number += 1
        try:
            raw = readline(max_line + 1)
            too_long = len(raw) > max_line
            if too_long:
                _skip_line(readline, raw, max_line)
        except (EOFError, OSError, zlib.error) as error:
            yield Line(number, fault=f"cannot be read on from here: {error}")
            return
        if not raw:
            return
        if too_long:
            yield Line(number, fault=f"is longer than {max_line:,} bytes. Write one instance a line.")
        elif raw.strip(b"\xef\xbb\xbf \t\r\n"):
            yield _line(number, raw)


def _skip_line(readline: Callable[[int], bytes], raw: bytes, max_line: int) -> None:
    while raw and not raw.endswith(b"\n"):
        raw = readline(max_line)


def _line(number: int, raw: bytes) -> Line:
    try:
        # Without its end: what is missing there is missing on this line, not at column 1 of the next.
        text = raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
        value = _DECODER.decode(text)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair fails here, not in the run
    except UnicodeDecodeError as error:
        return Line(number, fault=f"is not UTF-8 (byte {error.start + 1}). Save the file as UTF-8.")
    except UnicodeEncodeError:
        return Line(number, fault="holds half of a surrogate pair (\\ud800 to \\udfff), which is no text.")
    except json.JSONDecodeError as error:
        return Line(number, fault=f"is not JSON: {error.msg} at column {error.colno}.{_hint(text)}")
    except RecursionError:
        return Line(number, fault="is nested too deeply.")
    except ValueError as error:  # a repeated key, NaN, an integer of thousands of digits
        return Line(number, fault=f"is not usable JSON: {error}.")
    return Line(number, value)


def _hint(text: str) -> str:
    if text.lstrip().startswith(("[", "{")) and len(text.strip()) < 3:  # noqa: PLR2004  a lone bracket
        return " JSON Lines holds one whole object a line, not one spread over lines."
    return ""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"key {next(key for key in keys if keys.count(key) > 1)!r} is given twice")
    return made


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)
