"""Earlier attempts of a ladder's models, found in the folders of runs that are there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evalkit.cli.recordings import Recorded
from evalkit.core.errors import ConfigError
from evalkit.core.ladder import Ladder, Rung, asks_alike
from evalkit.core.plan import Past
from evalkit.places import mlruns

NEWEST = 20  # runs that are looked at for each rung
SAME_SETTINGS = ("strategy", "context", "feedback", "skills")


@dataclass(frozen=True)
class Earlier:
    """A rung's earlier attempts, and which runs they are of; `how` says in what those differ, if they do."""

    past: Past
    runs: tuple[str, ...] = ()
    how: str = ""
    at_once: float = 1.0  # climbs, as those runs went


@dataclass(frozen=True)
class Shelf:
    """The runs of this home by the models that they asked, each read when it is first needed."""

    runs: tuple[tuple[str, Recorded], ...]  # with the text of its config.yaml

    def of(self, ladder: Ladder, config: Mapping[str, object], digest: str, but: str) -> dict[str, Earlier]:
        """Each rung's earlier attempts, of the runs most like this one; `but` is the run's own key."""
        return {name: self._of(rung, config, digest, but) for name, rung in ladder.rungs.items()}

    def _of(self, rung: Rung, config: Mapping[str, object], digest: str, but: str) -> Earlier:
        found: dict[tuple[bool, bool, bool], list[tuple[Recorded, str]]] = {}
        asking = [run for text, run in self.runs if rung.model in text and run.folder.name != but]
        for run in asking[:NEWEST]:
            try:
                same = [(name, one) for name, one in run.ladder.rungs.items() if one.model == rung.model]
                for name, one in same:
                    data = run.summary.dataset.digest == digest
                    alike = all(run.config.get(part) == config.get(part) for part in SAME_SETTINGS)
                    found.setdefault((data, asks_alike(one, rung), alike), []).append((run, name))
            except ConfigError:  # a run that was broken off has nothing to tell yet
                continue
        for near in sorted(found, reverse=True):
            rows = [row for run, name in found[near] for row in run.attempts if row.rung == name and not row.skipped]
            if rows:
                runs = [run for run, _ in found[near]]
                names = tuple(dict.fromkeys(run.name for run in runs))
                return Earlier(Past(tuple(rows), near[0] and near[2]), names, _how(near), _at_once(runs))
        return Earlier(Past())


def shelf() -> Shelf:
    """The runs that are there, the newest first."""
    folders = [path.parent for path in (mlruns() / "runs").glob("*/summary.json")]
    folders.sort(key=lambda path: (path / "summary.json").stat().st_mtime, reverse=True)
    return Shelf(tuple((_config(path), Recorded(path)) for path in folders))


def _config(path: Path) -> str:
    try:
        return (path / "config.yaml").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _at_once(runs: Sequence[Recorded]) -> float:
    """Seconds of climbs a second of the clock."""
    busy = sum(row.time_seconds for run in runs for row in run.summary.instances)
    wall = sum(run.summary.wall_seconds for run in runs)
    return max(1.0, busy / wall) if wall else 1.0


def _how(near: tuple[bool, bool, bool]) -> str:
    data, settings, prompts = near
    told = [
        "" if data else "another dataset",
        "" if settings else "other settings of the rung",
        "" if prompts else "prompts of another strategy, context or feedback",
    ]
    return " and of ".join(part for part in told if part)
