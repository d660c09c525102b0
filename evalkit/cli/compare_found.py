"""What comparing some runs comes to, for whoever shows it: terminal, JSON, Markdown, folder and MLflow."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evalkit.cli import compare_json, compare_markdown, compare_sections, compare_tables
from evalkit.cli.compare_attempts import last_attempt
from evalkit.cli.compare_show import show_flips, show_levers, show_pair, show_several
from evalkit.cli.compare_sides import short, sides
from evalkit.cli.compare_sweep import Sweep
from evalkit.cli.runs_of import told
from evalkit.core.comparison import Comparison, Flip, against, places
from evalkit.core.levers import Levers, levers
from evalkit.core.pairing import Side, refuse
from evalkit.core.summary import InstanceRow


class Found:
    """Runs read from their folders, the first the baseline, and set against each other. Raises ConfigError."""

    def __init__(
        self, folders: Sequence[Path], sweep: Sweep | None = None, *, shared_only: bool = False, simulated: bool = False
    ) -> None:
        self.sides = sides(folders)
        self._folders = {side.label: folder for side, folder in zip(self.sides, folders, strict=True)}
        self._allowed = {"allow_simulated": simulated, "shared_only": shared_only}
        refuse(self.sides, shared_only=shared_only, simulated=simulated)
        self.comparisons = against(self.sides[0], self.sides[1:])
        self.places = places(self.sides) if len(self.sides) > 2 else ()  # noqa: PLR2004  two are their own ranking
        self._sweep = sweep
        self._shown = {label: short(folder) for label, folder in self._folders.items()}
        self._files: dict[tuple[str, str], tuple[str, str]] = {}
        self.levers: Levers | None = None
        if sweep is not None:
            self.levers = levers(self.sides, [sweep.choices[folder] for folder in folders])

    def json(self) -> dict[str, Any]:
        """What `--format json` prints."""
        return {
            "runs": compare_json.runs(self.sides),
            "baseline": self.sides[0].summary.key,
            "comparisons": [
                compare_json.comparison(one, self.files, shared_only=self._allowed["shared_only"])
                for one in self.comparisons
            ],
            "ranking": compare_json.ranking(self.places),
            **({"sweep": self._sweep.key, **compare_json.levers(self.levers)} if self._sweep and self.levers else {}),
            **self._allowed,
        }

    def show(self) -> None:
        """Print it for a person."""
        if self.places:
            show_several(self.sides, self.comparisons, self.places)
        else:
            (one,) = self.comparisons
            show_pair(one)
            show_flips(one, lambda flip: self.files(one, flip))
        if self.levers:
            show_levers(self.levers)

    def report(self, pictures: Sequence[str] = (), folder: str = "") -> str:
        """All of it as Markdown; `folder` is where it lies, from EVALKIT_HOME, for its links."""
        told = (self.sides, self.comparisons, self.places)
        return compare_markdown.report(*told, self.levers, self.files, figures=pictures, folder=folder)

    def draw(self, folder: Path) -> list[str]:
        """Draw the figures; their paths within the folder."""
        from evalkit.cli.compare_figures import draw  # noqa: PLC0415  matplotlib takes 0.4 s

        return draw(folder, self.sides, self.comparisons, self.levers)

    def tables(self) -> list[compare_tables.Table]:
        """The tables that are files of their own."""
        if self.places:
            told = [*compare_sections.several(self.sides, self.comparisons, self.places)]
            return compare_sections.tables([*told, *compare_sections.levers(self.levers)])
        (one,) = self.comparisons
        flips = compare_tables.flips(one, lambda flip: self.files(one, flip))
        return [flips, *compare_sections.tables([*compare_sections.parts(one), *compare_sections.levers(self.levers)])]

    def files(self, one: Comparison, flip: Flip) -> tuple[str, str]:
        """Where the last attempts of a flip lie, as paths from EVALKIT_HOME; of repeats, of the first that differs."""
        key = (one.b.label, flip.instance_id)
        if key not in self._files:  # asked for by each output, and found by looking into folders
            both = zip(flip.rows_a, flip.rows_b, strict=True)
            a, b = next(pair for pair in both if pair[0].solved != pair[1].solved)
            self._files[key] = self._file(one.a, a), self._file(one.b, b)
        return self._files[key]

    def _file(self, side: Side, row: InstanceRow) -> str:
        return last_attempt(self._shown[side.label], self._folders[side.label], row)

    @property
    def identity(self) -> list[object]:
        """What makes this comparison another one than others."""
        return [[side.summary.key for side in self.sides], self._sweep.key if self._sweep else "", self._allowed]

    @property
    def name(self) -> str:
        """As MLflow shows it."""
        if self._sweep:
            return f"sweep {self._sweep.name}"
        names = [side.summary.name for side in self.sides]
        return " vs ".join(names) if len(names) < 4 else f"{names[0]} vs {len(names) - 1} others"  # noqa: PLR2004

    @property
    def tags(self) -> dict[str, str]:
        """For the MLflow run: what was found, and the ids of the sources."""
        ids = [told(folder, "published.json", "run_id") for folder in self._folders.values()]
        return {
            "evalkit.simulated": str(any(side.summary.simulated for side in self.sides)).lower(),
            "evalkit.sources": ", ".join(run or side.summary.key for run, side in zip(ids, self.sides, strict=True)),
            "evalkit.conclusion": ", ".join(one.conclusion for one in self.comparisons),
            "mlflow.note.content": compare_markdown.headline(self.sides, self.comparisons, self.places, self.levers),
            **({"evalkit.sweep": self._sweep.run_id or self._sweep.key} if self._sweep else {}),
        }

    @property
    def params(self) -> dict[str, str]:
        """For the MLflow run: which runs."""
        keys = {f"{side.label}.key": side.summary.key for side in self.sides}
        names = {f"{side.label}.name": side.summary.name for side in self.sides}
        return {**keys, **names, **{name: str(flag).lower() for name, flag in self._allowed.items()}}

    @property
    def metrics(self) -> dict[str, float]:
        """For the MLflow run: of two runs by plain names, of more under their labels."""
        found: dict[str, float] = {}
        for one in self.comparisons:
            end = f".{one.b.label}" if self.places else ""
            interval = one.found.uplift
            found |= {
                f"uplift{end}": interval.value,
                f"uplift_low{end}": interval.low,
                f"uplift_high{end}": interval.high,
            }
            found |= {f"p_value{end}": one.found.p_value, f"p_adjusted{end}": one.p_adjusted}
            found |= {f"only_a{end}": len(one.found.lost), f"only_b{end}": len(one.found.gained)}
        rates: Mapping[str, float] = {
            f"solved_rate.{side.label}": side.summary.solved_rate.value
            for side in self.sides
            if side.summary.solved_rate
        }
        return {**found, **rates, "instances": self.comparisons[0].found.instances}
