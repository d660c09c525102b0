"""A run as JUnit XML, which CI systems show: each climb a test case.

Solved is passed; unsolved is a failure with the findings of its last attempt; what the world failed at is an error,
never a failure (invariant 1); quarantined is skipped. Elements and attributes are those of the Ant JUnit task, which
GitLab, Jenkins and the usual GitHub actions read.
"""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, indent, tostring

import msgspec

from evalkit.adapters.run_results import climb_folder
from evalkit.core.errors import StorageError
from evalkit.core.summary import InstanceRow, Summary
from evalkit.core.types import Status

# XML 1.0, section 2.2: no other character may stand in a document, escaped or not.
FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
COUNTED = {"failures": Status.UNSOLVED, "errors": Status.UNFINISHED, "skipped": Status.QUARANTINED}


class _Finding(msgspec.Struct):
    rule: str = ""
    message: str = ""
    line: int | None = None
    excerpt: str = ""


class _Attempt(msgspec.Struct):
    """What is read of an attempt's file."""

    rung: str = ""
    model: str = ""
    skipped: bool = False
    failure: str | None = None
    detail: str = ""
    findings: list[_Finding] = []


def write_junit(path: Path, folder: Path, summary: Summary) -> None:
    """Write the run in `folder` to `path`, whole or not at all. Raises StorageError."""
    new = path.with_name(f"{path.name}.new")
    try:
        with new.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(_lines(folder, summary))
        os.replace(new, path)  # noqa: PTH105  both are fine
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}. The run is recorded; the same command writes it.") from error


def _lines(folder: Path, summary: Summary) -> Iterator[str]:
    """The document in pieces: a run of many instances is not held in memory."""
    counts = {name: str(summary.counts.get(status, 0)) for name, status in COUNTED.items()}
    told = {"tests": str(len(summary.instances)), **counts, "time": f"{summary.wall_seconds:.3f}"}
    suite = Element("testsuite", {"name": _clean(summary.name), **told})
    properties = SubElement(suite, "properties")
    for name, value in _properties(summary):
        SubElement(properties, "property", name=name, value=_clean(value))
    head, _, tail = _text(suite).rpartition("</testsuite>")
    yield '<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n'
    yield head
    for row in summary.instances:
        yield _text(_case(folder, summary, row))
    yield f"</testsuite>{tail}</testsuites>\n"


def _properties(summary: Summary) -> Iterator[tuple[str, str]]:
    rate = summary.solved_rate
    yield "evalkit.key", summary.key
    yield "evalkit.status", summary.status
    yield "evalkit.simulated", str(summary.simulated).lower()
    yield "ladder", summary.ladder
    yield "dataset", f"{summary.dataset.name} {summary.dataset.digest[:12]}"
    if rate is not None:
        yield "solved_rate", f"{rate.value:.4f} ({rate.low:.4f} to {rate.high:.4f})"
    yield "cost_usd", "unknown" if summary.cost_usd is None else f"{summary.cost_usd:.6f}"


def _case(folder: Path, summary: Summary, row: InstanceRow) -> Element:
    name = row.instance_id if row.epoch == 1 else f"{row.instance_id} (epoch {row.epoch})"
    case = Element(
        "testcase", classname=_clean(summary.dataset.name), name=_clean(name), time=f"{row.time_seconds:.3f}"
    )
    if row.status is Status.UNSOLVED:
        attempt = _last_attempt(climb_folder(folder, row))
        said = {"type": row.error_type or "unsolved", "message": _first(row)}
        SubElement(case, "failure", said).text = _clean(_findings(row, attempt))
    elif row.status is Status.UNFINISHED:
        said = {"type": row.error_type or "unfinished", "message": _first(row)}
        SubElement(case, "error", said).text = _clean(f"{row.final_error}\nNothing is known of the models here.")
    elif row.status is Status.QUARANTINED:
        SubElement(case, "skipped", message=f"quarantined: {_first(row)}")
    else:
        cost = "unknown" if row.cost_usd is None else f"${row.cost_usd:.4f}"
        SubElement(case, "system-out").text = _clean(f"solved on {row.rung}, attempt {row.attempts}, cost {cost}")
    return case


def _first(row: InstanceRow) -> str:
    """The first line of what went wrong; an attribute holds no more."""
    lines = _clean(row.final_error or "").strip().splitlines()
    return lines[0] if lines else str(row.status)


def _findings(row: InstanceRow, attempt: _Attempt | None) -> str:
    if attempt is None:  # its file is gone; the summary still has the first finding
        return row.final_error or ""
    lines = [f"attempt {row.attempts}, the last, on {attempt.rung} ({attempt.model}): {attempt.failure}"]
    if attempt.detail:
        lines.append(attempt.detail)
    lines += map(_finding, attempt.findings)
    return "\n".join(lines)


def _finding(one: _Finding) -> str:
    place = f" (line {one.line})" if one.line else ""
    return f"- {one.rule}{place}: {one.message}" + (f"\n    {one.excerpt}" if one.excerpt else "")


def _last_attempt(climb: Path) -> _Attempt | None:
    """The newest attempt that was asked: a rung that was skipped has nothing to say."""
    numbers = sorted((int(path.stem.rpartition("_")[2]) for path in climb.glob("attempt_*.json")), reverse=True)
    for number in numbers:
        with suppress(OSError, msgspec.DecodeError):
            read = msgspec.json.decode((climb / f"attempt_{number}.json").read_bytes(), type=_Attempt)
            if not read.skipped:
                return read
    return None


def _text(element: Element) -> str:
    indent(element)
    return tostring(element, encoding="unicode") + "\n"


def _clean(text: str) -> str:
    """Without what XML cannot hold: models write anything, such as terminal colours."""
    return FORBIDDEN.sub("\ufffd", text)
