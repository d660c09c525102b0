"""What other verdicts on recorded answers change: attempts that flip, by which rule, and what becomes of climbs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from evalkit.core.ladder import Ladder, Try, next_step
from evalkit.core.stats import Interval, solved_rate
from evalkit.core.types import JUDGED, Attempt, Message, Prompt, Solution, Status, Verdict


@dataclass(frozen=True, slots=True)
class Regraded:
    """A recorded attempt with its verdict then (None: there was none yet) and now, or why there is none now.

    `attempt` carries the verdict of now; where there is none, the one of then.
    """

    instance_id: str
    epoch: int
    attempt: Attempt
    before: Verdict | None
    after: Verdict | None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Flip:
    """An attempt whose verdict changed, the rules that caused it, and what it does to its climb."""

    instance_id: str
    epoch: int
    attempt: int
    rung: str
    before: str
    after: str
    rules: tuple[str, ...]
    message: str
    effect: str


@dataclass(frozen=True, slots=True)
class Climbed:
    """A climb then and now. `open`: it would have gone on, and nothing more is recorded of it."""

    before: Status
    solution: Solution
    flips: tuple[Flip, ...]
    open: bool = False


@dataclass(frozen=True, slots=True)
class Rates:
    """Climbs solved then and now of those that were judged. `open` ones count as unsolved: it is the least."""

    before: Interval | None
    after: Interval | None
    solved_before: int
    solved_after: int
    judged_before: int
    judged_after: int
    open: int
    unjudged: int


def climbed(before: Status, attempts: Sequence[Regraded], ladder: Ladder, max_attempts: int) -> Climbed:
    """One climb, of its recorded attempts in order (at least one)."""
    first = attempts[0]
    unclear = next((one for one in attempts if one.error), None)
    accepted = next((one for one in attempts if one.after is not None and one.after.accepted), None)
    made = tuple(one.attempt for one in attempts)
    going_on = before is Status.SOLVED and accepted is None and _goes_on(ladder, max_attempts, made)

    def solution(status: Status, reason: str, kept: tuple[Attempt, ...] = made, error: str = "") -> Solution:
        return Solution(first.instance_id, first.epoch, status, reason, kept, error=error)

    if unclear is not None and (accepted is None or unclear.attempt.number < accepted.attempt.number):
        now = solution(Status.UNFINISHED, "not_judged", made, unclear.error)
    elif accepted is not None:
        kept = tuple(attempt for attempt in made if attempt.number <= accepted.attempt.number)
        now = solution(Status.SOLVED, "accepted", kept)
    elif before is Status.UNFINISHED:
        now = solution(Status.UNFINISHED, "not_recorded", made, "its recording breaks off")
    else:
        now = solution(Status.UNSOLVED, "not_recorded" if going_on else "regraded")
    is_open = going_on and now.status is Status.UNSOLVED
    flips = tuple(_flips(attempts, accepted, is_open=is_open))
    return Climbed(before, now, flips, is_open)


def rates(climbs: Sequence[Climbed]) -> Rates:
    """The solved rate then and now."""
    then = [(climb.solution.instance_id, climb.before is Status.SOLVED) for climb in climbs if climb.before in JUDGED]
    now = [
        (climb.solution.instance_id, climb.solution.status is Status.SOLVED)
        for climb in climbs
        if climb.solution.status in JUDGED
    ]
    before, after = sum(solved for _, solved in then), sum(solved for _, solved in now)
    unjudged = sum(climb.solution.reason == "not_judged" for climb in climbs)
    still_open = sum(climb.open for climb in climbs)
    return Rates(solved_rate(then), solved_rate(now), before, after, len(then), len(now), still_open, unjudged)


def _flips(attempts: Sequence[Regraded], accepted: Regraded | None, *, is_open: bool) -> Iterator[Flip]:
    for one in attempts:
        before, after = one.before, one.after
        if before is None or after is None or before.accepted == after.accepted:
            continue
        rules, message = _cause(before, after)
        yield Flip(
            one.instance_id,
            one.epoch,
            one.attempt.number,
            one.attempt.rung,
            _word(before),
            _word(after),
            rules,
            message,
            _effect(one, attempts, accepted, is_open=is_open),
        )


def _effect(one: Regraded, attempts: Sequence[Regraded], accepted: Regraded | None, *, is_open: bool) -> str:
    number = one.attempt.number
    unclear = next((other.attempt.number for other in attempts if other.error), number)
    if unclear < number:
        return f"unknown: attempt {unclear} could not be judged"
    if accepted is not None and accepted.attempt.number < number:
        return f"none: attempt {accepted.attempt.number} is accepted, this one would not have been made"
    later = sum(other.attempt.number > number for other in attempts)
    if one is accepted:
        would = f"; the {later} after it would not have been made" if later else ""
        return f"solved at attempt {number}{would}"
    if accepted is not None:
        return f"solved later, at attempt {accepted.attempt.number}"
    return "would have gone on: unknown what came next" if is_open else "unsolved"


def _cause(before: Verdict, after: Verdict) -> tuple[tuple[str, ...], str]:
    """The rules (or tests) that object in one verdict and not in the other, and what the first of them said."""
    rejecting, other = (after, before) if before.accepted else (before, after)
    was = {finding.rule for finding in other.findings}
    new = [finding for finding in rejecting.findings if finding.rule not in was] or list(rejecting.findings)
    blocking = [finding for finding in new if finding.required] or new
    if not blocking:
        return (), str(rejecting.failure or "")
    return tuple(dict.fromkeys(finding.rule for finding in blocking)), blocking[0].message


def _goes_on(ladder: Ladder, max_attempts: int, history: Sequence[Attempt]) -> bool:
    """Whether the ladder would have asked again after these attempts, none of them accepted."""
    unlike = Prompt((Message("user", "\x00 not asked yet"),))
    ask: Callable[[object], Prompt] = lambda _: unlike  # noqa: E731  whatever it is, it is another prompt
    return isinstance(next_step(ladder, max_attempts, list(history), ask), Try)


def _word(verdict: Verdict) -> str:
    return "accepted" if verdict.accepted else "rejected"


def before(attempts: Sequence[Regraded]) -> Status:
    """How a climb had ended of which the run's summary says nothing: solved, or else nobody knows."""
    solved = any(one.before is not None and one.before.accepted for one in attempts)
    return Status.SOLVED if solved else Status.UNFINISHED


def by_climb(attempts: Sequence[Regraded]) -> Mapping[tuple[str, int], list[Regraded]]:
    """Attempts by instance and epoch, each in order."""
    found: dict[tuple[str, int], list[Regraded]] = {}
    for one in sorted(attempts, key=lambda one: one.attempt.number):
        found.setdefault((one.instance_id, one.epoch), []).append(one)
    return found
