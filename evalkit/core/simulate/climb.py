"""A ladder's climbs as they would have gone: the real ladder's decisions over recorded answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from evalkit.core.failure import Failure
from evalkit.core.ladder import Ladder, Step, Then, Try, next_step, policy, then
from evalkit.core.simulate.evidence import Answer, Evidence, Path, Unit
from evalkit.core.types import Attempt, Candidate, Completion, Message, Prompt, Verdict

LEAST, MEAN, MOST = range(3)


class Unknown(StrEnum):
    """What an attempt is taken to come to that was not recorded as it would have been made.

    `expected`: as the same attempt after another history, else accepted at the source's rate. `fails` and `accepted`
    bound what can have happened: the first costs the source's most, the second its least.
    """

    EXPECTED = "expected"
    FAILS = "fails"
    ACCEPTED = "accepted"


COST = {Unknown.EXPECTED: MEAN, Unknown.FAILS: MOST, Unknown.ACCEPTED: LEAST}


@dataclass(frozen=True, slots=True)
class Climb:
    """One instance's climb. Each number is an expectation where attempts are unknown, else what would have happened.

    `unrecorded` attempts were recorded nowhere, `retold` ones after another history only. `asked` is False where no
    rung could be asked, so that nothing is known.
    """

    unit: Unit
    solved: float
    attempts: float
    cost: float
    seconds: float
    unrecorded: float = 0.0
    retold: float = 0.0
    asked: bool = True

    @property
    def exact(self) -> bool:
        """Whether every attempt was recorded as it would have been made."""
        return not self.unrecorded and not self.retold


def climbs(
    ladder: Ladder, max_attempts: int, evidence: Evidence, unknown: Unknown = Unknown.EXPECTED
) -> tuple[Climb, ...]:
    """Climb every instance, one after the other in the order of their ids.

    The policy `skip` gives a rung up for the climbs after, which is exact for runs of one climb at a time.
    """
    given_up: set[str] = set()
    sources = {name: evidence.source_of(rung) for name, rung in ladder.rungs.items()}
    return tuple(
        _Climbing(ladder, max_attempts, evidence, unit, unknown=unknown, sources=sources, given_up=given_up).run()
        for unit in evidence.units
    )


class _Climbing:
    """One climb under way. `alive` is the chance that it came so far."""

    def __init__(
        self,
        ladder: Ladder,
        max_attempts: int,
        evidence: Evidence,
        unit: Unit,
        *,
        unknown: Unknown,
        sources: Mapping[str, str],
        given_up: set[str],
    ) -> None:
        self._ladder, self._most, self._evidence, self._unknown = ladder, max_attempts, evidence, unknown
        self._unit, self._given_up = unit, given_up
        self._known = evidence.known(unit)
        self._sources = sources
        self._history: list[Attempt] = []
        self._asked: list[str] = []  # sources, in order
        self._paths: tuple[Path, ...] = self._known.paths if evidence.told else ()
        self.alive, self.solved, self.attempts = 1.0, 0.0, 0.0
        self.cost = self.seconds = self.unrecorded = self.retold = 0.0

    def run(self) -> Climb:
        """To its end."""
        while self.alive and isinstance(step := next_step(self._ladder, self._most, self._history, self._prompt), Try):
            source = self._sources[step.rung]
            if step.rung in self._given_up or source in self._known.absent:
                self._note(step, Failure.RUNG_SKIPPED)
            else:
                self._ask(step, source)
        asked = bool(self._asked)
        return Climb(
            self._unit, self.solved, self.attempts, self.cost, self.seconds, self.unrecorded, self.retold, asked
        )

    def _ask(self, step: Try, source: str) -> None:
        answer, exact = self._answer(source)
        guess = not exact
        if answer is None:
            self.unrecorded += self.alive
        elif guess:
            self.retold += self.alive
        taken = answer if exact or self._unknown is Unknown.EXPECTED else None
        self._pay(source, taken)
        self._asked.append(source)
        accepted = self._accepted(source, taken)
        self.solved = min(1.0, self.solved + self.alive * accepted)
        self.alive *= 1 - accepted
        self._paths = self._still(answer) if exact else ()
        failure = None if taken is None or taken.failure is None else Failure(taken.failure)
        self._note(step, failure, accepted=accepted == 1)
        if taken is None and self._unknown is Unknown.FAILS and self._may_stop(step.rung):
            self.alive = 0.0
        if failure is not None and then(self._ladder, step.rung, failure) is Then.SKIP:
            self._given_up.add(step.rung)

    def _answer(self, source: str) -> tuple[Answer | None, bool]:
        """What was recorded, and whether exactly this was asked."""
        if self._free:
            found = self._evidence.drawn(self._unit, source, self._asked.count(source))
            return found, found is not None
        if on := self._on_path(source):
            return on, True
        return self._evidence.likely(self._unit, source, self._asked.count(source)), False

    @property
    def _free(self) -> bool:
        """Whether the next prompt knows of no earlier attempt."""
        return not self._evidence.told or not self._asked

    def _on_path(self, source: str) -> Answer | None:
        made = len(self._asked)
        answers = (path.answers[made] for path in self._paths if len(path.answers) > made)
        return next((one for one in answers if one.source == source), None)

    def _still(self, answer: Answer | None) -> tuple[Path, ...]:
        """The recorded climbs that went the same way so far, this answer included."""
        made = len(self._asked) - 1
        return tuple(
            path
            for path in self._paths
            if answer is not None and len(path.answers) > made and path.answers[made].mark == answer.mark
        )

    def _pay(self, source: str, answer: Answer | None) -> None:
        usual, which = self._evidence.usual[source], COST[self._unknown]
        self.attempts += self.alive
        self.cost += self.alive * (usual.cost[which] if answer is None else answer.cost)
        self.seconds += self.alive * (usual.seconds[which] if answer is None else answer.seconds)

    def _accepted(self, source: str, answer: Answer | None) -> float:
        if answer is not None:
            return float(answer.accepted)
        if self._unknown is Unknown.EXPECTED:
            return self._evidence.usual[source].rate
        return float(self._unknown is Unknown.ACCEPTED)

    def _prompt(self, step: Step) -> Prompt:
        """Stands for the prompt: equal where the real one would be, for the ladder asks nothing twice."""
        source = self._sources[step.rung]
        if self._free:
            return _prompt(f"first of {source}")
        on = self._on_path(source)
        if on is not None:
            return _prompt(on.digest)
        if self._passed_over(step, source):
            return self._history[-1].prompt
        return _prompt(f"unknown {len(self._history)}")

    def _passed_over(self, step: Step, source: str) -> bool:
        """Whether a recorded climb that came here could have asked the rung again, and did not: the same prompt."""
        if step.settings.temperature > 0 or step.on_rung == 1:
            return False
        return any(_went_on(path, len(self._asked), source) for path in self._paths)

    def _may_stop(self, rung: str) -> bool:
        rules = {**policy(self._ladder.on), **policy(self._ladder.rungs[rung].on)}
        return Then.STOP in rules.values()

    def _note(self, step: Try, failure: Failure | None, *, accepted: bool = False) -> None:
        skipped = failure if failure in (Failure.RUNG_SKIPPED, Failure.MODEL_UNAVAILABLE) else None
        attempt = Attempt(
            step.number,
            step.rung,
            step.on_rung,
            step.prompt,
            Completion("", failure=skipped),
            Candidate(""),
            Verdict(accepted, failure),
        )
        self._history.append(attempt)


def _went_on(path: Path, made: int, source: str) -> bool:
    """Whether this climb left the rung of its attempt number `made` although it could have asked it again."""
    last = path.answers[made - 1]
    if last.source != source or last.on_rung >= path.ladder.rungs[last.rung].attempts:
        return False
    failure = None if last.failure is None else Failure(last.failure)
    if then(path.ladder, last.rung, failure) is not Then.RETRY:
        return False
    if len(path.answers) > made:
        return path.answers[made].source != source
    return made < path.max_attempts


def _prompt(text: str) -> Prompt:
    return Prompt((Message("user", text),))
