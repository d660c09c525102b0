"""What evalkit simulate found, as a table and as JSON."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from evalkit.cli.simulate.caveats import assumptions, warnings
from evalkit.cli.simulate.found import Shown, Simulation
from evalkit.cli.tables import counted, show
from evalkit.core.simulate import spec_name
from evalkit.places import home


def print_table(simulation: Simulation, drawn: Sequence[Path], written: Path | None) -> None:
    """The rungs, the ladders, and what to know about them."""
    evidence = simulation.evidence
    mark = "  [simulated: no live model answered]" if any(run.summary.simulated for run in simulation.runs) else ""
    runs = ", ".join(run.name for run in simulation.runs)
    print(f"{runs}: {counted(len(evidence.units), 'climb')} that all of them judged{mark}")
    told = "prompts tell of earlier attempts" if evidence.told else "no prompt depends on earlier attempts"
    print(f"cost: {simulation.pricing.why}; {told}; max_attempts {simulation.max_attempts}")
    show([_rung(simulation, name) for name in evidence.sources], RUNGS)
    of = f"of {simulation.shown[0].outcome.climbs}"
    solved = f"solved {of}"
    cost = "attempts a climb" if simulation.pricing.unit == "attempts" else f"{simulation.pricing.head} {of}"
    heads = COLUMNS | {"solved": solved, "cost": cost}
    if simulation.pricing.unit == "attempts":
        del heads["attempts"]
    show([_row(simulation, one) for one in simulation.shown], heads)
    for line in (*assumptions(simulation), *warnings(simulation)):
        print(line)
    print(f"picture: {', '.join(map(_short, drawn))}")
    if written:
        print(f"written: {_short(written)}; {simulation.command}")


RUNGS = {"name": "rung", "model": "model", "asked": "asked", "accepted": "accepted", "cost": "each"}
COLUMNS = {"name": "ladder", "solved": "solved", "rate": "95 %", "cost": "", "attempts": "attempts", "kind": ""}


def _rung(simulation: Simulation, name: str) -> dict[str, Any]:
    usual = simulation.evidence.usual[name]
    model = simulation.evidence.sources[name].model
    prefix, _, rest = model.partition("/")
    return {
        "name": name,
        "model": f"{prefix}/…/{Path(rest).name}" if prefix == "replay" and "/" in rest else model,
        "asked": usual.attempts,
        "accepted": round(usual.rate * usual.attempts),
        "cost": simulation.pricing.say(usual.cost[1]) if usual.attempts else None,
    }


def _row(simulation: Simulation, one: Shown) -> dict[str, Any]:
    found, say, bare = one.outcome, simulation.pricing.say, simulation.pricing.bare
    cost = found.cost
    total = 1 if simulation.pricing.unit == "attempts" else found.climbs
    solved = f"{round(found.solved, 1):g}"
    if (found.least, found.most) != (found.solved, found.solved):
        solved += f" ({found.least:g}–{found.most:g})"
    return {
        "name": one.name,
        "solved": solved,
        "rate": "–" if found.rate is None else f"{100 * found.rate.low:.0f}–{100 * found.rate.high:.0f}",
        "cost": f"{say(total * cost.value)} ({bare(total * cost.low, 2)}–{bare(total * cost.high, 2)})",
        "attempts": f"{found.attempts:.2f}",
        "kind": ", ".join(kind for kind in one.kinds if kind != "alone"),  # which its name says
    }


def _short(path: Path) -> str:
    try:
        return str(path.absolute().relative_to(home()))
    except ValueError:
        return str(path)


def to_json(simulation: Simulation, drawn: Sequence[Path], written: Path | None) -> None:
    """All of it, for programs."""
    best = simulation.outcome_of(simulation.best)
    told = {
        "runs": [{"id": run.summary.key, "name": run.name} for run in simulation.runs],
        "simulated": any(run.summary.simulated for run in simulation.runs),
        "climbs": len(simulation.evidence.units),
        "left_out": len(simulation.evidence.left_out),
        "cost_unit": simulation.pricing.unit,
        "max_attempts": simulation.max_attempts,
        "ladders_considered": simulation.found.ladders,
        "rungs": [
            _rung(simulation, name) | {"cost": simulation.evidence.usual[name].cost[1]}
            for name in simulation.evidence.sources
        ],
        "ladders": [_told(one) for one in simulation.shown],
        "best": {
            "name": spec_name(simulation.best),
            "solved_rate": best.solved / best.climbs,
            "held_out": simulation.found.held_out,
        },
        "assumptions": assumptions(simulation),
        "warnings": warnings(simulation),
        "figures": [str(path) for path in drawn],
        "written": written and str(written),
    }
    print(json.dumps(told, indent=2))


def _told(one: Shown) -> dict[str, Any]:
    found = one.outcome
    return {
        "name": one.name,
        "kinds": one.kinds,
        "rungs": [
            {"name": name, "model": rung.model, "attempts": rung.attempts} for name, rung in found.ladder.rungs.items()
        ],
        "max_attempts": found.max_attempts,
        "climbs": found.climbs,
        "exact": found.exact,
        "solved": {"value": found.solved, "low": found.least, "high": found.most},
        "solved_rate": msgspec.to_builtins(found.rate),
        "cost": msgspec.to_builtins(found.cost)
        | {"if_all_fail": found.cost_bounds[1], "if_all_accepted": found.cost_bounds[0]},
        "attempts_mean": found.attempts,
        "seconds_mean": found.seconds,
    }
