"""What a reader of simulated ladders must know: what had to be assumed, and what not to conclude."""

from evalkit.cli.simulate.found import Simulation
from evalkit.cli.tables import counted
from evalkit.core.simulate import spec_name


def assumptions(simulation: Simulation) -> list[str]:
    """What is not recorded and had to be assumed, one line each."""
    lines = []
    inexact = [one.outcome for one in simulation.shown if one.outcome.exact < one.outcome.climbs]
    if any(one.unrecorded for one in inexact):
        lines.append(
            "attempts that no run recorded count by their rung's rate where it was asked; "
            "bounds: all of them fail, all are accepted"
        )
    if any(one.retold for one in inexact):
        lines.append(
            "an attempt that would have been told of other failures counts as the recorded one; "
            "bounds: feedback may do anything (--feedback none simulates ladders that tell nothing)"
        )
    return lines


def warnings(simulation: Simulation) -> list[str]:
    """What a reader must know."""
    evidence, found, shown = simulation.evidence, simulation.found, simulation.frontier
    lines = []
    for run, own in zip(simulation.runs, simulation.as_run, strict=True):
        solved = sum(row.solved for row in run.summary.instances)
        if own.outcome.solved != solved:
            lines.append(f"{run.name} climbed again solves {own.outcome.solved:g}, and was recorded as {solved}")
    if len(shown) < len(found.frontier):
        lines.append(f"{len(shown)} of the {len(found.frontier)} ladders on the frontier are shown")
    if never := [name for name in evidence.sources if name not in simulation.there]:
        lines.append(f"left out: {', '.join(never)}, of which no attempt was recorded as it would be made")
    if evidence.left_out:
        lines.append(f"left out: {counted(len(evidence.left_out), 'climb')} that not every run judged")
    if found.held_out is not None and found.ladders > 1:
        best = simulation.outcome_of(simulation.best)
        rate = best.solved / best.climbs
        lines.append(
            f"the best of {found.ladders:,} ladders, chosen on these climbs, looks better than it is: "
            f"{spec_name(simulation.best)} solves {rate:.1%} here, and {found.held_out:.1%} where it is chosen "
            "on nine tenths of them and counted on the last"
        )
    return lines
