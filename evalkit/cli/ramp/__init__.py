"""evalkit ramp: phases of growing samples in order, each behind its gate; the same command again resumes."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from evalkit.cli.hydra_app import Composed, launch
from evalkit.cli.own_options import take_form
from evalkit.cli.ramp.ascent import Ascent
from evalkit.cli.run import CODES
from evalkit.core.advice import what_it_shows
from evalkit.core.gate import Decision, percent
from evalkit.core.phase import PhaseResults
from evalkit.core.ramp import too_large
from evalkit.run.ramp import Passed

STOPPED = 4


def main(argv: Sequence[str]) -> int:
    """Climb, or resume, the ramp that the overrides describe."""
    rest = list(argv)
    return launch(rest, "evalkit ramp", Job(take_form(rest)), "ramp")


@dataclass(frozen=True)
class Job:
    """One ramp of one composed config; `form` is table, for phases as they end, or json, for all of them at the end."""

    form: str = "table"

    def __call__(self, composed: Composed) -> int:
        """Climb it; its exit code."""
        from evalkit.cli.ramp.again import Again  # noqa: PLC0415  most ramps are no retry

        retry = composed.config["ramp"]["retry"] != "none"
        ascent = Again(composed) if retry else Ascent(composed)
        _plan(ascent)
        code = 0
        phases: list[PhaseResults] = []
        for passed, results in ascent.climb():
            phases.append(results)
            if self.form == "table":
                show(passed, results, ascent.phases[-1].number)
            code = _code(passed, results)
        self._end(ascent, phases)
        return code

    def _end(self, ascent: Ascent, phases: Sequence[PhaseResults]) -> None:
        if self.form == "table":
            print(f"record: {ascent.where}/")
            return
        import msgspec  # noqa: PLC0415  needed only here

        told = {"record": ascent.where, "phases": phases}
        print(msgspec.json.format(msgspec.json.encode(told), indent=2).decode())


def _plan(ascent: Ascent) -> None:
    sizes = ", ".join(str(phase.size) for phase in ascent.phases)
    print(f"{ascent.title}  {ascent.where}: phases of {sizes}", file=sys.stderr)
    if left := too_large(ascent.ramp, ascent.size):
        sizes = ", ".join(map(str, left))
        print(
            f"there are {ascent.size} instances: the ramp ends with {ascent.phases[-1].size}; left out: {sizes}",
            file=sys.stderr,
        )


def _code(passed: Passed, results: PhaseResults) -> int:
    """The exit code after a phase, with the line on stderr that says which, what and what to do."""
    ruling = results.gate
    if ruling.refused:
        print(f"evalkit: the gate refused phase {results.phase}: {ruling.why}. Next: {ruling.next}", file=sys.stderr)
        return CODES.get(passed.status, 3) or 3
    if ruling.decision is Decision.STOP:
        text = f"the gate said stop after phase {results.phase}: {ruling.why}. Next: {ruling.next}"
        print(f"evalkit: {text}", file=sys.stderr)
        return STOPPED
    return 0


def show(passed: Passed, results: PhaseResults, of: int) -> None:
    """Print a phase's outcome and its gate."""
    phase, summary, ruling = passed.phase, results.summary, results.gate
    mark = "  [simulated: no live model answered]" if results.simulated else ""
    runs = " ".join(f"mlruns/runs/{key}" for key in results.runs)
    print(f"\nphase {phase.number} of {of} · {phase.name}: {phase.size} instances, {phase.new} new · {runs}{mark}")
    print(f"  solved {summary.verified} of {summary.judged}{_bounds(results)}{_others(results)}")
    for ladder, share in summary.by_ladder.items():
        print(f"  on {ladder}: {share['verified']} of {share['total']}")
    if results.retry is not None:
        print(f"  {_gain(results)}")
    said = "refused" if ruling.refused else str(ruling.decision)
    print(f"  gate ({ruling.rule}): {said}: {ruling.why}")
    print(f"  {what_it_shows(ruling)}")
    if phase.gate.rule != "health" and summary.tiers:
        print("  success tiers: " + ", ".join(f"{tier} {word}" for tier, word in summary.tiers.items()))
    print(f"  next: {ruling.next}", flush=True)


def _bounds(results: PhaseResults) -> str:
    ruling = results.gate
    if ruling.value is None or ruling.low is None or ruling.high is None:
        return ""
    return f": {percent(ruling.value)} (bounds valid at all gates: {percent(ruling.low)} to {percent(ruling.high)})"


def _others(results: PhaseResults) -> str:
    summary = results.summary
    others = {"unfinished": summary.unfinished, "quarantined": summary.quarantined}
    told = ", ".join(f"{count} {name}" for name, count in others.items() if count)
    return f"; not counted: {told}" if told else ""


def _gain(results: PhaseResults) -> str:
    """What a retry brought, on exactly the shared instances."""
    found = results.retry
    if found is None or found.improvement is None:
        return "no instance was judged both times: nothing to compare"
    text = f"on the {found.shared} shared instances: {found.before} solved before, {found.after} now"
    text += f" ({found.improvement:+.0%}: {len(found.gained)} gained, {len(found.lost)} lost)"
    if found.uplift is None:
        return f"{text}; chosen because they failed, so part of it is chance: ramp.retry=all compares fairly"
    return f"{text}; p = {found.p_value:.3g}, exact McNemar: {str(found.conclusion).replace('_', ' ')}"
