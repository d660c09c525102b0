"""Templates, style and script put together into one HTML text that asks for nothing from outside."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from evalkit import __version__
from evalkit.adapters.report.gathered import Gathered
from evalkit.adapters.report.packing import Packing, script_json
from evalkit.adapters.report.words import FILTERS, size

PAGE = Path(__file__).parent / "page"


def rendered(template: str, runs: Sequence[Gathered], packing: Packing, values: Mapping[str, Any]) -> str:
    """The page. `values` are the template's own."""
    from markupsafe import Markup  # noqa: PLC0415  comes with jinja2, as below

    script = (PAGE / "report.js").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    data = {"runs": [_data(label(number), run) for number, run in enumerate(runs)]}
    return str(
        _templates()
        .get_template(template)
        .render(
            values,
            version=__version__,
            left_out=sum(run.left_out for run in runs),
            most_size=size(packing.most_bytes),
            # Ours, or escaped for where they stand: the only texts that autoescape does not see.
            style=Markup((PAGE / "report.css").read_text("utf-8")),  # noqa: S704
            script=Markup(script),  # noqa: S704
            data=Markup(script_json(data)),  # noqa: S704
            chunks=[Markup(chunk) for chunk in packing.chunks],  # noqa: S704  base64
            # Allows this script alone to run, whatever else should have come into the page.
            script_hash=f"sha256-{digest}",
        )
    )


def label(number: int) -> str:
    """What a run is called beside others: A, B, … Z, then R27 and so on."""
    return chr(ord("A") + number) if number < 26 else f"R{number + 1}"  # noqa: PLR2004  letters


def _data(letter: str, run: Gathered) -> dict[str, Any]:
    rungs = [rung.name for rung in run.summary.by_rung]
    return {"letter": letter, "name": run.summary.name or run.summary.key, "rungs": rungs, "rows": run.rows}


@cache
def _templates() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415  40 ms that --help need not pay

    made = Environment(
        loader=FileSystemLoader(PAGE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    made.filters.update(FILTERS)
    return made
