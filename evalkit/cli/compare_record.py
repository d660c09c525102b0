"""A comparison's own record: a folder under mlruns/comparisons/, and the MLflow run made of it."""

import csv
import io
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from evalkit import __version__
from evalkit.cli.compare_tables import Table
from evalkit.cli.publish import tracker_of
from evalkit.cli.runs_of import told
from evalkit.core.errors import StorageError, TrackerError
from evalkit.core.shown import csv_cell
from evalkit.places import home, mlruns

DIGITS = 12  # of a key, as a run's


@dataclass(frozen=True, slots=True)
class Store:
    """Where the comparison goes: where its first tracked source is."""

    uri: str
    experiment: str


class Record:
    """One comparison's folder. `key` is made of what is compared, so that the same again is the same record."""

    def __init__(self, what: Sequence[object]) -> None:
        self.key = sha256(json.dumps(list(what)).encode()).hexdigest()[:DIGITS]
        self.path = mlruns() / "comparisons" / self.key

    @property
    def where(self) -> str:
        """The folder as one types it in EVALKIT_HOME."""
        return str(self.path.relative_to(home()))

    def says(self, content: Mapping[str, Any]) -> bool:
        """Whether the folder holds this comparison already."""
        try:
            return (self.path / "comparison.json").read_text(encoding="utf-8") == _text(content)
        except (OSError, UnicodeDecodeError):
            return False

    def write(self, content: Mapping[str, Any], report: str, tables: Sequence[Table]) -> None:
        """Write tables and report, comparison.json last: where it is, all is. Raises StorageError."""
        files = {"report.md": report, **{f"{table.name}.csv": _csv(table) for table in tables}}
        files |= {f"{table.name}.json": _table(table) for table in tables if table.name == "flips"}
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            for name, text in {**files, "comparison.json": _text(content)}.items():
                new = self.path / f".{name}.{os.getpid()}"
                new.write_text(text, encoding="utf-8")
                new.replace(self.path / name)
        except OSError as error:
            raise StorageError(
                f"{self.path}: {error.strerror}. Make the folder writable, or compare with --no-track."
            ) from error

    def published(
        self,
        store: Store,
        name: str,
        tags: Mapping[str, str],
        params: Mapping[str, str],
        metrics: Mapping[str, float],
        *,
        news: bool,
    ) -> str:
        """Bring the folder to MLflow, unless it is there and nothing is new; the run's id.

        Empty where the store did not take it, which is said.
        """
        if not news and (known := self._known(store)):
            return known
        from evalkit.adapters.mlflow_summary_run import publish_summary_run  # noqa: PLC0415  MLflow takes a second

        try:
            return publish_summary_run(
                self.path,
                uri=store.uri,
                home=str(home()),
                experiment=store.experiment,
                kind="comparison",
                key=self.key,
                name=name,
                tags={**tags, "evalkit.version": __version__},
                params=params,
                metrics=metrics,
                tables=["flips.json"] if (self.path / "flips.json").is_file() else [],
            )
        except TrackerError as error:
            print(
                f"evalkit: MLflow did not get the comparison: {error}. Later: evalkit publish {self.where}",
                file=sys.stderr,
            )
            return ""

    def _known(self, store: Store) -> str:
        """The run, where the folder is published; a sqlite store may have been deleted since."""
        from evalkit.adapters.mlflow_store import sqlite_file  # noqa: PLC0415  as above

        file = sqlite_file(store.uri)
        same = all(told(self.path, "published.json", name) == getattr(store, name) for name in ("uri", "experiment"))
        return told(self.path, "published.json", "run_id") if same and (file is None or file.exists()) else ""


def store_of(folders: Sequence[Path], uri: str | None) -> Store | None:
    """The store of the first run that was published or is to be; None where none is (tracker=none)."""
    for folder in folders:
        place = told(folder, "published.json", "uri"), told(folder, "published.json", "experiment")
        if all(place):
            return Store(uri or place[0], place[1])
    trackers = [
        one for folder in folders if (one := tracker_of(folder)) and not str(one.get("_target_")).endswith(".NoTracker")
    ]
    if not trackers and not uri:
        return None
    from evalkit.cli.store import store_uri  # noqa: PLC0415  the rest needs no config

    chosen = trackers[0] if trackers else {}
    return Store(store_uri(uri or chosen.get("uri")), str(chosen.get("experiment") or "evalkit"))


def _text(content: Mapping[str, Any]) -> str:
    return json.dumps({"evalkit": __version__, **content}, indent=1)


def _csv(table: Table) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows([csv_cell(row.get(name)) for name in table.columns] for row in table.rows)
    return text.getvalue()


def _table(table: Table) -> str:
    """As the UI's evaluation view opens it."""
    rows = [[row.get(name) for name in table.columns] for row in table.rows]
    return json.dumps({"columns": list(table.columns), "data": rows})
