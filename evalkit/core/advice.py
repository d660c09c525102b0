"""What to do next at a gate: the decision points of a ramp; pure."""

from collections.abc import Sequence

from evalkit.core.gate import Decision, Ruling, percent
from evalkit.core.phase import PhaseSummary
from evalkit.core.ramp import Planned

LEVERS = {
    "empty_response": "the rung's max_tokens, or a model that answers",
    "no_answer": "the prompt: it must say which form the answer has",
    "truncated": "the rung's max_tokens",
    "syntax_error": "the prompt's words on the answer's form, or a stronger model",
    "context_window": "context.tokens or the rung's context_tokens",
    "no_edits": "the prompt: it must say which form an edit has",
    "apply_failed": "the edit format, and the context: an edit needs the lines that it changes",
    "no_change": "the feedback, which should say that nothing changed",
    "quarantined": "the dataset: `evalkit dataset check` says what is wrong with it",
}
OTHERWISE = "the prompt, the context, the feedback, or the ladder"


def what_next(
    phases: Sequence[Planned], number: int, ruling: Ruling, summary: PhaseSummary, seconds: float, *, ended: bool
) -> str:
    """One line after a phase's gate. `seconds` is what its new instances took; `ended`: no phase comes after it."""
    if ruling.refused:
        return (
            "see to the outage (`evalkit doctor` looks at all that is needed); the same command tries only these again"
        )
    if ruling.decision is Decision.STOP:
        return _after_a_stop(ruling, summary)
    if not ended:
        return _next_phase(phases[number], len(phases), summary, seconds / phases[number - 1].new)
    if ruling.decision is Decision.GOOD:
        return "the goal is reached; `evalkit compare` holds it against another ramp's last phase"
    return "the ramp's end, and nothing decided: larger phases decide smaller differences, or set another threshold"


def _after_a_stop(ruling: Ruling, summary: PhaseSummary) -> str:
    error = "quarantined" if summary.judged == 0 else summary.most_common_error or ""
    lever = LEVERS.get(error, OTHERWISE)
    most = f"most often it was {error}, which points at {lever}" if error else f"change {lever}"
    also = "" if ruling.rule == "health" else "; instances/ of the run holds every attempt"
    return f"{most}{also}. After a change, `ramp.retry=failed` or `ramp.retry=all` runs this batch again and compares"


def _next_phase(phase: Planned, of: int, summary: PhaseSummary, seconds: float) -> str:
    money = summary.cost_usd
    cost = "cost unknown" if money is None else f"about ${money / max(1, summary.total) * phase.new:.4f}"
    what = f"phase {phase.number} of {of}, {phase.size} instances, {phase.new} of them new"
    return f"{what}: {cost}, {_time(seconds * phase.new)}"


def _time(seconds: float) -> str:
    return f"about {seconds:.0f} s" if seconds < 120 else f"about {seconds / 60:.0f} min"  # noqa: PLR2004  two minutes


def what_it_shows(ruling: Ruling) -> str:
    """What so many instances can show, in one line."""
    parts = [_shown(side, difference) for side, difference in ruling.detectable.items()]
    uplift = ruling.smallest_uplift
    parts.append(
        "too few to compare two ladders on"
        if uplift is None
        else f"a paired comparison can show an uplift of {percent(uplift)} and more"
    )
    return "smallest difference that so many show: " + "; ".join(parts)


def _shown(side: str, difference: float | None) -> str:
    where = "above good_above" if side == "good" else "below stop_below"
    return f"none {where}" if difference is None else f"{percent(difference)} {where} (power 80 %)"
