"""What recorded runs know of answers that a ladder never run would get."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from evalkit.core.ladder import Ladder, Rung, asks_alike
from evalkit.core.results import AttemptRow

Unit = tuple[str, int]  # an instance's id and the epoch


@dataclass(frozen=True, slots=True)
class Recording:
    """One run. `told` digests how its prompts tell of earlier attempts; empty: they do not, so none depends on another.

    `seed` and an attempt's number decide what a model draws above temperature 0. `judged` are the climbs that came to
    an end, solved or not.
    """

    name: str
    ladder: Ladder
    max_attempts: int
    told: str
    seed: int
    attempts: tuple[AttemptRow, ...]
    judged: frozenset[Unit]


@dataclass(frozen=True, slots=True)
class Answer:
    """A recorded attempt by a source. `mark` is equal for attempts after which the next prompt is the same."""

    source: str
    rung: str
    on_rung: int
    accepted: bool
    failure: str | None
    digest: str
    mark: tuple[object, ...]
    cost: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Path:
    """A recorded climb: its answers in order, rungs that could not be asked left out, and the ladder it climbed."""

    answers: tuple[Answer, ...]
    ladder: Ladder
    max_attempts: int


@dataclass(slots=True)
class Known:
    """All that is recorded of one instance.

    By source, `free` are answers to the prompt that knows of no earlier attempt, draw by draw; `told` those to prompts
    that do, by the attempt on the rung. `absent` are sources that could not be asked. `paths` are the climbs of runs
    that tell as the simulated one would.
    """

    free: dict[str, tuple[Answer, ...]] = field(default_factory=dict)
    told: dict[str, dict[int, Answer]] = field(default_factory=dict)
    absent: frozenset[str] = frozenset()
    paths: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Usual:
    """What a source's recorded attempts come to: the share accepted, and cost and seconds (least, mean, most)."""

    attempts: int
    rate: float
    cost: tuple[float, float, float]
    seconds: tuple[float, float, float]


class Evidence:
    """Recorded runs on the same instances, put together.

    A *source* is a model with its settings: rungs of several runs that ask alike are one, called as the first of them.
    `cost` is the price of an attempt on a source, in any one unit. With `untold`, the ladders that are simulated tell
    nothing of earlier attempts, as do all of them where the first run does not.
    """

    def __init__(
        self, recordings: Sequence[Recording], cost: Callable[[str, AttemptRow], float], *, untold: bool = False
    ) -> None:
        self.recordings = tuple(recordings)
        self.told = "" if untold else recordings[0].told
        self.on = recordings[0].ladder.on
        self.sources = sources(one.ladder for one in recordings)
        judged = [one.judged for one in recordings]
        shared = frozenset.intersection(*judged)
        self.left_out = frozenset.union(*judged) - shared
        self.units = tuple(sorted(shared))
        self._cost = cost
        self._known = self._read()

    def source_of(self, rung: Rung) -> str:
        """The source that a rung asks. Raises KeyError where no run recorded it."""
        for name, one in self.sources.items():
            if asks_alike(one, rung):
                return name
        raise KeyError(f"no run recorded {rung.model!r} with these settings")

    def known(self, unit: Unit) -> Known:
        """What is recorded of an instance."""
        return self._known[unit]

    def drawn(self, unit: Unit, source: str, draw: int) -> Answer | None:
        """The answer number `draw` (from 0) to the prompt that knows of no earlier attempt, if it was recorded."""
        answers = self._known[unit].free.get(source, ())
        return answers[draw] if draw < len(answers) else None

    def likely(self, unit: Unit, source: str, draw: int) -> Answer | None:
        """The nearest that was recorded of attempt `draw` + 1 on a rung in a climb that was told otherwise."""
        told = self._known[unit].told.get(source, {}).get(draw + 1)
        return told or self.drawn(unit, source, draw)

    @cached_property
    def usual(self) -> Mapping[str, Usual]:
        """What each source's attempts came to, over all recorded instances: those that count for this simulation."""
        found: dict[str, dict[int, Answer]] = {name: {} for name in self.sources}
        for known in self._known.values():
            on_paths = [one for path in known.paths for one in path.answers]
            for one in (*on_paths, *(one for answers in known.free.values() for one in answers)):
                found[one.source][id(one)] = one
        return {name: _usual(list(answers.values())) for name, answers in found.items()}

    def depth(self, source: str) -> int:
        """How many attempts of a source were recorded on one instance, at most."""
        deepest = 0
        for known in self._known.values():
            told = known.told.get(source, {})
            deepest = max(deepest, len(known.free.get(source, ())), *told, 0)
        return deepest

    def _read(self) -> dict[Unit, Known]:
        wanted = frozenset(self.units)
        found = {unit: Known() for unit in self.units}
        first: dict[Unit, set[str]] = {unit: set() for unit in self.units}
        climbs = [_climbs(one, wanted) for one in self.recordings]
        for each in climbs:
            for unit, rows in each.items():
                first[unit].update(row.prompt_digest for row in rows if not row.skipped and row is _first_asked(rows))
        for recording, each in zip(self.recordings, climbs, strict=True):
            names = {name: self.source_of(rung) for name, rung in recording.ladder.rungs.items()}
            for unit, rows in each.items():
                self._add(found[unit], recording, rows, names, first[unit])
        return found

    def _add(
        self, known: Known, recording: Recording, rows: Sequence[AttemptRow], names: Mapping[str, str], first: set[str]
    ) -> None:
        asked = [row for row in rows if not row.skipped]
        answers = tuple(self._answer(recording, row, names[row.rung]) for row in asked)
        for row, one in zip(asked, answers, strict=True):
            if not recording.told or row.prompt_digest in first:
                before = known.free.get(one.source, ())
                if all(other.mark != one.mark for other in before) and not (before and self._greedy(one.source)):
                    known.free[one.source] = (*before, one)
            elif recording.told == self.told:
                known.told.setdefault(one.source, {}).setdefault(one.on_rung, one)
        asked_ever = {one.source for one in answers} | set(known.free) | set(known.told)
        gone = {names[row.rung] for row in rows if row.skipped}
        known.absent = frozenset((known.absent | gone) - asked_ever)
        if recording.told == self.told:
            known.paths = (*known.paths, Path(answers, recording.ladder, recording.max_attempts))

    def _answer(self, recording: Recording, row: AttemptRow, source: str) -> Answer:
        draw: tuple[int, ...] = () if self._greedy(source) else (recording.seed, row.number)
        mark = (source, row.prompt_digest, row.accepted, row.failure, *draw)
        return Answer(
            source,
            row.rung,
            row.on_rung,
            row.accepted,
            row.failure,
            row.prompt_digest,
            mark,
            self._cost(source, row),
            row.seconds,
        )

    def _greedy(self, source: str) -> bool:
        return self.sources[source].temperature == 0


def sources(ladders: Iterable[Ladder]) -> dict[str, Rung]:
    """Every distinct rung by name; one whose name is taken by another gets a number."""
    found: dict[str, Rung] = {}
    for ladder in ladders:
        for name, rung in ladder.rungs.items():
            if any(asks_alike(rung, other) for other in found.values()):
                continue
            called, number = name, 2
            while called in found:
                called, number = f"{name}_{number}", number + 1
            found[called] = rung
    return found


def _climbs(recording: Recording, wanted: frozenset[Unit]) -> dict[Unit, list[AttemptRow]]:
    found: dict[Unit, list[AttemptRow]] = {}
    for row in recording.attempts:
        if (unit := (row.instance_id, row.epoch)) in wanted:
            found.setdefault(unit, []).append(row)
    return found


def _first_asked(rows: Sequence[AttemptRow]) -> AttemptRow | None:
    return next((row for row in rows if not row.skipped), None)


def _usual(answers: Sequence[Answer]) -> Usual:
    if not answers:
        return Usual(0, 0.0, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    costs, seconds = [one.cost for one in answers], [one.seconds for one in answers]
    count = len(answers)
    return Usual(
        count,
        sum(one.accepted for one in answers) / count,
        (min(costs), sum(costs) / count, max(costs)),
        (min(seconds), sum(seconds) / count, max(seconds)),
    )
