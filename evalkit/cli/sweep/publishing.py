"""A sweep's own MLflow run: known before the first cell, which names it, and brought up to date when the sweep ends."""

import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evalkit import __version__
from evalkit.adapters.mlflow_store import local_uri
from evalkit.adapters.sweep_folder import SweepFolder
from evalkit.cli.hydra_app import leaves
from evalkit.cli.provenance import commit
from evalkit.cli.sweep.board import SweepBoard
from evalkit.cli.sweep.plan import SweepPlan
from evalkit.core.errors import TrackerError
from evalkit.places import home

OTHERS = ("published.json", "summary_run.json")  # what publishing itself leaves in the folder
UNTRACKED = "evalkit.adapters.no_tracker.NoTracker"
RUNNING = "running"
UNDER_WAY = "**Sweep {}** is under way: each of its cells is a run of its own."


class Publishing:
    """`scratch` holds the digest of what was published last, so that a sweep with nothing new does not load MLflow."""

    def __init__(self, plan: SweepPlan, folder: SweepFolder, scratch: Path) -> None:
        self._plan, self._folder, self._stamp = plan, folder, scratch / "published"
        self._tracker: Mapping[str, Any] = plan.config["tracker"]
        self._uri = str(self._tracker.get("uri") or local_uri(str(home())))

    def open(self) -> None:
        """Make the sweep known, unless it is."""
        if not self._folder.run_id or self._folder.store != self._uri:
            tags = self._tags("true" if self._plan.simulated else "false", UNDER_WAY.format(self._plan.name))
            self._publish(tags, {}, RUNNING)

    def close(self, board: SweepBoard) -> None:
        """Write what the sweep came to, and publish it where that is news."""
        board.write()
        if self._stamp.is_file() and self._stamp.read_text() == self._digest(board):
            return
        tags = {**self._tags(str(board.simulated).lower(), board.note), **board.tags}
        if self._publish(tags, board.metrics, board.status):
            self._stamp.parent.mkdir(parents=True, exist_ok=True)
            self._stamp.write_text(self._digest(board), encoding="utf-8")

    def _publish(self, tags: Mapping[str, str], metrics: Mapping[str, float], status: str) -> bool:
        if self._tracker.get("_target_") == UNTRACKED:
            return False
        from evalkit.adapters.mlflow_summary_run import publish_summary_run  # noqa: PLC0415  MLflow takes 2 s

        plan = self._plan
        try:
            publish_summary_run(
                self._folder.path,
                uri=self._uri,
                home=str(home()),
                experiment=str(self._tracker.get("experiment", "evalkit")),
                kind="sweep",
                key=plan.key,
                name=str(plan.config.get("name") or f"sweep-{plan.name}"),
                tags=tags,
                params=self._params(),
                metrics=metrics,
                status=status,
                tables=["leaderboard_table.json"] if metrics else [],
            )
        except TrackerError as error:
            print(f"evalkit: MLflow did not get the sweep's summary: {error}", file=sys.stderr)
            return False
        return True

    def _params(self) -> dict[str, str]:
        """What the cells share; what is swept stands in the tags, since a sweep may grow and a param never changes."""
        swept = set(self._plan.swept)
        found = {**self._plan.base.choices, **leaves(self._plan.config)}
        return {
            name: value if isinstance(value, str) else json.dumps(value, default=str)
            for name, value in found.items()
            if name.split(".")[0] not in swept and name not in swept and not name.startswith("tracker.")
        }

    def _tags(self, simulated: str, note: str) -> dict[str, str]:
        plan = self._plan
        return {
            "evalkit.simulated": simulated,
            "mlflow.note.content": note,
            "evalkit.version": __version__,
            "evalkit.commit": commit(),
            "evalkit.sweep_name": plan.name,
            **{f"evalkit.swept.{name}": values for name, values in plan.swept.items()},
        }

    def _digest(self, board: SweepBoard) -> str:
        digest = hashlib.sha256(json.dumps([self._uri, board.tags, board.note, board.metrics, board.status]).encode())
        for path in sorted(self._folder.path.rglob("*")):
            if path.is_file() and path.name not in OTHERS:
                digest.update(str(path).encode() + path.read_bytes())
        return digest.hexdigest()
