"""Which lever lifted: a sweep's main effects and notable interactions, kept in its folder, and as a table."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from evalkit.adapters.sweep_folder import SweepFolder
from evalkit.cli.tables import show
from evalkit.core.errors import StorageError
from evalkit.core.leaderboard import Found, as_cells

FILE = "effects.json"
WORDS = {
    "better": "better",
    "worse": "worse",
    "no_difference_shown": "no difference shown",
    "cannot_show": "too few differ",
}
COLUMNS = {"what": "factor", "over": "over", "effect": "points, 95 %", "p": "p (Holm)", "conclusion": ""}


def write(folder: SweepFolder, found: Sequence[Found]) -> None:
    """Work them out, which takes scipy, and keep them."""
    from evalkit.core import factors  # noqa: PLC0415  with scipy 1 s, once a change

    cells = as_cells(found)
    told: dict[str, Any] = {"effects": [], "interactions": []}
    if len({tuple(cell.choices.items()) for cell in cells}) > 1:
        told = {
            "effects": [asdict(one) for one in factors.effects(cells)],
            "interactions": [asdict(one) for one in factors.interactions(cells)],
        }
    folder.write(FILE, json.dumps(told, indent=2).encode())


def read(folder: SweepFolder) -> dict[str, list[dict[str, Any]]]:
    """What `write` kept; nothing where it kept nothing."""
    try:
        return dict(json.loads((folder.path / FILE).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {"effects": [], "interactions": []}
    except (OSError, ValueError) as error:
        raise StorageError(f"{folder.path / FILE}: {error}. Delete it: the same command makes it again.") from error


def table(told: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Print them; the columns fit 80 characters."""
    if not told["effects"]:
        return
    print("what each factor adds to the solved rate, over cells that are alike in all else:")
    show([_row(one) for one in told["effects"]], COLUMNS, tight=True)
    for line in _together(told["interactions"]):
        print(line)


def _row(effect: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "what": f"{effect['factor']}={effect['level']}",
        "over": effect["baseline"],
        "effect": _points(effect["effect"]),
        "p": f"{effect['p_adjusted']:.2g}",
        "conclusion": WORDS[effect["conclusion"]],
    }


def _together(interactions: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for one in interactions:
        if one["notable"]:
            both = " with ".join(f"{name}={level}" for name, level in zip(one["factors"], one["levels"], strict=True))
            p = f"{one['p_adjusted']:.2g}"
            yield f"together: {both} adds {_points(one['effect'])} points more than each alone (p = {p})"


def _points(interval: Mapping[str, float]) -> str:
    value, low, high = (round(100 * interval[name]) for name in ("value", "low", "high"))
    return f"{value:+d} ({low:+d} to {high:+d})"
