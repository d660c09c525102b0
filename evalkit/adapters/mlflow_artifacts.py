"""A run folder's files as MLflow artifacts: linked where the store is on this disk, else sent.

Linking takes a tenth of the time of copying, and no space; a run of 20,000 instances has some 100,000 files. To
a server each file is a request, so that above `PACK_ABOVE` instances they travel as one instances.zip.
"""

import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec

from evalkit.adapters.mlflow_facts import COLUMNS, table_row
from evalkit.adapters.mlflow_store import local_path
from evalkit.core.summary import InstanceRow, Summary
from evalkit.core.triage import markdown

FILES = ("summary.json", "config.yaml", "lock.json", "rubric.yaml", "instances.jsonl", "report.html", "sample.json")
PHASES = "phase_*_results.json"  # a ramp's
PACK_ABOVE = 200  # instances, on a server
ANSWERS_UP_TO = 1000  # climbs: above, the table has no answers, since the UI loads it whole
ANSWER_LIMIT = 1000  # characters of an answer in the table


def put(
    client: Any,
    run: Any,
    folder: Path,
    summary: Summary,
    *,
    whole: dict[str, str],
    alive: Callable[[], None],
) -> None:
    """Bring the files and the values that were too long for a tag; `alive` is called every now and then."""
    root = local_path(run.info.artifact_uri)
    with tempfile.TemporaryDirectory() as scratch:
        made = _made(folder, Path(scratch), summary, whole)
        named = [folder / name for name in FILES if (folder / name).is_file()]
        for path in [*named, *sorted(folder.glob(PHASES)), *made]:
            client.log_artifact(run.info.run_id, str(path))
            alive()
    if root is not None:
        _link(folder / "instances", root / "instances", alive)
    else:
        _send(client, run.info.run_id, folder, alive)


def _made(folder: Path, scratch: Path, summary: Summary, whole: dict[str, str]) -> list[Path]:
    table = scratch / "instances.json"
    with table.open("w", encoding="utf-8") as file:
        _write_table(file.write, folder, summary)
    made = [table, *_triage(scratch, summary)]
    if not whole:
        return made
    values = scratch / "long_values.json"
    values.write_text(json.dumps(whole, indent=2), encoding="utf-8")
    return [*made, values]


def _triage(scratch: Path, summary: Summary) -> list[Path]:
    """What went wrong, by cause, for programs and for people."""
    if summary.triage is None or not summary.triage.rows:
        return []
    data, text = scratch / "triage.json", scratch / "triage.md"
    data.write_text(json.dumps(asdict(summary.triage), indent=2), encoding="utf-8")
    text.write_text(markdown(summary.triage), encoding="utf-8")
    return [data, text]


def _write_table(write: Callable[[str], object], folder: Path, summary: Summary) -> None:
    """Row by row, so that memory does not grow with the run."""
    with_answers = len(summary.instances) <= ANSWERS_UP_TO
    columns = [*COLUMNS, *(["answer"] if with_answers else [])]
    write('{"columns": ' + json.dumps(columns) + ', "data": [')
    for number, row in enumerate(summary.instances):
        answer = [_answer(climb_folder(folder, row.instance_id, row.epoch), row.attempts)] if with_answers else []
        write(("," if number else "") + "\n" + json.dumps([*table_row(row), *answer]))
    write("\n]}")


def climb_folder(folder: Path, instance_id: str, epoch: int) -> Path:
    """Where a run folder keeps a climb."""
    place = folder / "instances" / instance_id
    return place if epoch == 1 else place / f"epoch_{epoch}"


def is_written(folder: Path, row: InstanceRow) -> bool:
    """Whether the folder has this climb to its end."""
    return (climb_folder(folder, row.instance_id, row.epoch) / "summary.json").is_file()


def attempts(climb: Path, number: int = 1) -> Iterator[dict[str, Any]]:
    """The attempts of a climb, as they lie in its folder, from this number to the last."""
    while (file := climb / f"attempt_{number}.json").is_file():
        yield json.loads(file.read_text(encoding="utf-8"))
        number += 1


class _Judged(msgspec.Struct):
    """What the table takes of an attempt's file; the rest, prompts above all, is passed over unread."""

    candidate: str | None = None


def _answer(climb: Path, at_least: int) -> str | None:
    """The last attempt's candidate; rungs that were skipped add to the `at_least` attempts that were made."""
    last, number = b"", max(1, at_least)
    while data := _content(f"{climb}/attempt_{number}.json"):
        last, number = data, number + 1
    return (msgspec.json.decode(last, type=_Judged).candidate or "")[:ANSWER_LIMIT] if last else None


def _content(path: str) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123  a hot loop
            return file.read()
    except FileNotFoundError:
        return b""


def _link(source: Path, target: Path, alive: Callable[[], None]) -> None:
    if source.is_dir():
        _link_folder(str(source), str(target), alive)


def _link_folder(source: str, target: str, alive: Callable[[], None]) -> None:
    """By plain strings: paths of pathlib take longer than the links."""
    os.makedirs(target, exist_ok=True)  # noqa: PTH103
    with os.scandir(source) as found:
        for one in found:
            if one.is_dir(follow_symlinks=False):
                _link_folder(one.path, f"{target}/{one.name}", alive)
            else:
                _link_one(one.path, f"{target}/{one.name}")
    alive()


def _link_one(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except FileExistsError:
        if not os.path.samefile(source, target):  # noqa: PTH121  a hot loop
            shutil.copyfile(source, target)
    except OSError:  # another disk, or a file system without links
        shutil.copyfile(source, target)


def _send(client: Any, run_id: str, folder: Path, alive: Callable[[], None]) -> None:
    source = folder / "instances"
    climbs = sorted(source.iterdir()) if source.is_dir() else []
    if len(climbs) > PACK_ABOVE:
        with tempfile.TemporaryDirectory() as scratch:
            client.log_artifact(run_id, str(_pack(source, Path(scratch) / "instances.zip", alive)))
        return
    for climb in climbs:
        client.log_artifacts(run_id, str(climb), f"instances/{climb.name}")
        alive()


def _pack(source: Path, target: Path, alive: Callable[[], None]) -> Path:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
        for here, _, names in os.walk(source):
            for name in names:
                file = Path(here, name)
                packed.write(file, Path("instances") / file.relative_to(source))
            alive()
    return target
