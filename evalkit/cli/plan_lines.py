"""A plan as a person reads it, and as JSON."""

import json
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any

import msgspec

from evalkit.cli.tables import counted, show
from evalkit.core.plan import Forecast, Range, total

if TYPE_CHECKING:
    from evalkit.cli.plan import Cell

RANGE = {"what": "", "least": "at least", "expected": "expected", "p95": "95 % below", "most": "at most"}
RUNGS = {
    "rung": "rung",
    "model": "model",
    "price": "$ a million",
    "rate": "accepted",
    "tokens": "tokens",
    "from": "from",
}
CELLS = {"cell": "cell", "climbs": "climbs", "calls": "calls", "cost": "cost", "time": "time", "solved": "solved"}
MINUTE, HOUR = 60, 3600
HUNDRED = 100


def print_plan(cells: Sequence["Cell"], wanted: tuple[float, int] | None) -> None:
    """One run in full, or a line a cell and the sum."""
    if len(cells) == 1:
        _one(cells[0])
    else:
        _many(cells)
    for line in _told_once(cells):
        print(line)
    for size in sorted({len(cell.instances) for cell in cells}):
        cell = next(cell for cell in cells if len(cell.instances) == size)
        print(_shows(size, cell.smallest_uplift))
    if wanted:
        print(f"to show an uplift of {wanted[0]:+.0%} with 80 % power: {counted(wanted[1], 'instance')}")


def _shows(size: int, uplift: float) -> str:
    what = f"an uplift of {uplift:.0%} or more" if isfinite(uplift) else "no uplift at all"
    return f"a comparison on {counted(size, 'instance')} shows {what} with 80 % power (exact McNemar, 5 %)"


def _one(cell: "Cell") -> None:
    found = cell.forecast
    print(f"{cell.wired.name}: {_climbs(cell)}, {counted(cell.settings.max_attempts, 'attempt')} each at most")
    show([{"what": what} | _cells(part, form) for what, part, form in _lines(found)], RANGE)
    show([_rung(cell, name) for name in cell.wired.rungs], RUNGS)
    if found.solved_rate is not None:
        rate = found.solved_rate
        print(f"expected to solve {rate.value:.0%} ({rate.low:.0%}–{rate.high:.0%}), as the models did before")


def _climbs(cell: "Cell") -> str:
    size, epochs = len(cell.instances), cell.settings.epochs
    text = counted(size, "instance") + (f" x {epochs} epochs" if epochs > 1 else "")
    return text + (f", {cell.done} of {cell.climbs} climbs made already" if cell.done else "")


def _lines(found: Forecast) -> list[tuple[str, Range, Any]]:
    cost = found.cost_usd
    return [
        ("calls", found.calls, _number),
        ("tokens in", found.tokens_prompt, _number),
        ("tokens out", found.tokens_completion, _number),
        ("cost", Range(None, cost.p50, cost.p95, cost.worst), _money),
        ("time", found.seconds, _time),
    ]


def _cells(part: Range, form: Any) -> dict[str, Any]:
    names = ("least", "expected", "p95", "most")
    return {name: None if (value := getattr(part, name)) is None else form(value) for name in names}


def _rung(cell: "Cell", name: str) -> dict[str, Any]:
    earlier, price = cell.earlier[name], cell.prices[name]
    rows = earlier.past.rows
    tokens = [row.tokens_completion for row in rows if row.tokens_completion is not None]
    accepted = sum(row.accepted for row in rows)
    return {
        "rung": name,
        "model": cell.wired.rungs[name].model,
        "price": "unknown" if price is None else f"{price.prompt:g}, {price.completion:g}",
        "rate": f"{accepted} of {len(rows)}" if rows else None,
        "tokens": f"{sum(tokens) / len(tokens):.0f}" if tokens else None,
        "from": _from(earlier.runs),
    }


def _from(runs: Sequence[str]) -> str:
    if not runs:
        return "no earlier run"
    return runs[0] if len(runs) == 1 else f"{runs[0]} and {len(runs) - 1} more"


def _told_once(cells: Sequence["Cell"]) -> list[str]:
    """The notes of all cells; of several, what holds for some of them says for which."""
    lines: dict[str, list[str]] = {}
    for cell in cells:
        for line in _notes(cell):
            lines.setdefault(line, []).append(_shared(cell.name, cells) if len(cells) > 1 else "")
    return [line if len(of) == len(cells) else f"{_few(of)}: {line}" for line, of in lines.items()]


def _few(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {counted(len(names) - 1, 'other cell')}"


def _notes(cell: "Cell") -> list[str]:
    """What is not known, or was taken from elsewhere."""
    lines = []
    without = [name for name, one in cell.earlier.items() if not one.past.rows]
    if len(without) == len(cell.earlier):
        lines.append(
            "no earlier run asked these models: bounds only. Prompts are counted (cl100k), answers may be as long as "
            "max_tokens; after a first run of a few instances this says what to expect"
        )
    elif without:
        names = ", ".join(without)
        lines.append(
            f"{names}: never asked before; expected as if it never solved and answered at full length, its time unknown"
        )
    for how in dict.fromkeys(one.how for one in cell.earlier.values() if one.how):
        names = ", ".join(name for name, one in cell.earlier.items() if one.how == how)
        lines.append(f"{names}: earlier attempts are of {how}")
    if unpriced := [name for name, price in cell.prices.items() if price is None]:
        mend = f"ladder.rungs.{unpriced[0]}.price={{prompt: …, completion: …}}, US dollars a million tokens"
        lines.append(f"price of {', '.join(unpriced)} unknown, and so the cost: {mend}")
    if cell.wired.graders:
        lines.append(f"not counted: what graders take ({', '.join(cell.wired.graders)})")
    return lines


def _many(cells: Sequence["Cell"]) -> None:
    whole = total([cell.forecast for cell in cells])
    print(f"{counted(len(cells), 'cell')}, {counted(whole.climbs, 'climb')} to make")
    rows = [_line(_shared(cell.name, cells), cell.forecast, cell) for cell in cells]
    show([*rows, _line("all", whole, None)], CELLS)
    print("calls: at least – expected – at most; cost and time: expected, at most")


def _shared(name: str, cells: Sequence["Cell"]) -> str:
    """The cell's name without what all cells share."""
    common = set.intersection(*(set(cell.name.split()) for cell in cells))
    return " ".join(part for part in name.split() if part not in common) or name


def _line(name: str, found: Forecast, cell: "Cell | None") -> dict[str, Any]:
    calls = [found.calls.least, found.calls.expected, found.calls.most]
    return {
        "cell": name,
        "climbs": f"{found.climbs}" + (f" ({cell.done} made)" if cell is not None and cell.done else ""),
        "calls": " – ".join("?" if one is None else _number(one) for one in calls),
        "cost": _pair(found.cost_usd.p50, found.cost_usd.worst, _money),
        "time": _pair(found.seconds.expected, found.seconds.most, _time),
        "solved": None if found.solved_rate is None else f"{found.solved_rate.value:.0%}",
    }


def _pair(expected: float | None, most: float | None, form: Any) -> str:
    return ", ".join("?" if one is None else form(one) for one in (expected, most))


def _number(value: float) -> str:
    return f"{value:,.0f}"


def _money(value: float) -> str:
    return f"${value:,.0f}" if value >= HUNDRED else f"${value:.3g}"


def _time(seconds: float) -> str:
    if seconds < MINUTE:
        return f"{seconds:.0f} s"
    return f"{seconds / MINUTE:.0f} min" if seconds < HOUR else f"{seconds / HOUR:.1f} h"


def to_json(cells: Sequence["Cell"], wanted: tuple[float, int] | None) -> None:
    """All of it, for programs."""
    told: dict[str, Any] = {
        "cells": [_told(cell) for cell in cells],
        "total": _forecast(total([cell.forecast for cell in cells])),
    }
    if wanted:
        told["sample_for"] = {"uplift": wanted[0], "instances": wanted[1], "power": 0.8}
    print(json.dumps(told, indent=2))


def _told(cell: "Cell") -> dict[str, Any]:
    uplift = cell.smallest_uplift
    return {
        "name": cell.name,
        "key": cell.wired.key,
        "instances": len(cell.instances),
        "epochs": cell.settings.epochs,
        "climbs": cell.climbs,
        "done": cell.done,
        **_forecast(cell.forecast),
        "smallest_uplift": uplift if isfinite(uplift) else None,
        "rungs": [_rung_told(cell, name) for name in cell.wired.rungs],
        "notes": _notes(cell),
    }


def _forecast(found: Forecast) -> Mapping[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(found)
    left = {"climbs_left": told.pop("climbs")}
    tokens = {"prompt": told.pop("tokens_prompt"), "completion": told.pop("tokens_completion")}
    return {**left, **told, "tokens": tokens}


def _rung_told(cell: "Cell", name: str) -> dict[str, Any]:
    earlier = cell.earlier[name]
    return {
        "name": name,
        "model": cell.wired.rungs[name].model,
        "price": msgspec.to_builtins(cell.prices[name]),
        "earlier_attempts": len(earlier.past.rows),
        "earlier_accepted": sum(row.accepted for row in earlier.past.rows),
        "earlier_runs": list(earlier.runs),
        "differs_in": earlier.how,
    }
