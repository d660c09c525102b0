"""Rules that real answers make doubtful: never broken, always broken, or alone against what passes the tests."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from evalkit.core.digest import rubric_digest
from evalkit.core.rubric import Rubric, Rule, leaves, source
from evalkit.core.types import Attempt, Instance, Outcome, Solution, Verdict

NEVER_FIRED, ALWAYS_FIRED, ONLY_OBJECTION = "never_fired", "always_fired", "only_objection"
ENOUGH = 5  # answers: fewer say nothing about a rule that never or always fires
SHOWN = 20  # answers that a suspect names


@dataclass(frozen=True, slots=True)
class Answer:
    """Where a recorded answer is found."""

    instance_id: str
    epoch: int
    attempt: int


@dataclass(frozen=True, slots=True)
class Suspect:
    """A rule that may be wrong. `why` is never_fired, always_fired or only_objection.

    It was held against `judged` answers and `fired` on so many; `answers` are those that make it a suspect, the
    first of `of` in all.
    """

    rule: str
    rubric: str
    why: str
    judged: int
    fired: int
    answers: tuple[Answer, ...] = ()
    of: int = 0


@dataclass(frozen=True, slots=True)
class Held:
    """An answer, the rules that were held against it, and those that it breaks.

    `objections` are the broken rules for which the rubrics reject it; `passes` says whether the instance's tests
    pass, None where they did not run; `testable` that it has some.
    """

    answer: Answer
    rules: tuple[tuple[Rubric, Rule], ...]
    broken: frozenset[str]
    objections: frozenset[str]
    passes: bool | None
    testable: bool = False


def held(instance: Instance, shared: Rubric | None, attempt: Attempt, epoch: int) -> Held | None:
    """What a recorded verdict says of the rules; None where no rule was held against the answer."""
    answer = Answer(instance.id, epoch, attempt.number)
    rubrics = [rubric for rubric in (instance.rubric, shared) if rubric is not None]
    if attempt.candidate.failure is not None or not rubrics:
        return None
    found = of_verdict(answer, rubrics, attempt.verdict, _passes(attempt.verdict))
    return replace(found, testable=instance.tests is not None)


def of_verdict(answer: Answer, rubrics: Sequence[Rubric], verdict: Verdict, passes: bool | None) -> Held:
    """The same for a verdict by these rubrics; without rules, where it was rejected before any was looked at."""
    unread = any(finding.source == "answer" for finding in verdict.findings)
    rules = tuple(
        (rubric, rule)
        for rubric in rubrics
        for rule in rubric.rules
        if not unread and not (verdict.rules_unjudged and any(hasattr(leaf, "found") for leaf in leaves(rule.check)))
    )
    ids = {rule.id for _, rule in rules}
    broken = frozenset(finding.rule for finding in verdict.findings if finding.rule in ids)
    return Held(answer, rules, broken, _objections(rubrics, broken), passes)


def _objections(rubrics: Sequence[Rubric], broken: frozenset[str]) -> frozenset[str]:
    """The required rules among the broken ones; all broken ones of a rubric whose threshold is not met by them."""
    found: set[str] = set()
    for rubric in rubrics:
        own = {rule.id for rule in rubric.rules if rule.id in broken}
        required = {rule.id for rule in rubric.rules if rule.id in own and rule.required}
        found |= required if rubric.threshold is None or _reached(rubric, own) else own
    return frozenset(found)


def _reached(rubric: Rubric, broken: set[str]) -> bool:
    total = sum(rule.weight for rule in rubric.rules)
    held = sum(rule.weight for rule in rubric.rules if rule.id not in broken)
    return not total or held / total >= (rubric.threshold or 0) - 1e-9


def _tested(one: Held) -> bool:
    """Whether what objects are the tests themselves, as a rule."""
    return any(rule.id in one.objections and source(rule.check) == "test" for _, rule in one.rules)


def _passes(verdict: Verdict) -> bool | None:
    """Whether the tests passed, as far as the verdict tells."""
    if not verdict.tests:
        return None
    return all(test.outcome is Outcome.PASSED for test in verdict.tests)


@dataclass(slots=True)
class _First:
    """How many answers, and the first of them: all of a large run's would be in memory until its end."""

    of: int = 0
    first: list[Answer] = field(default_factory=list)

    def add(self, answer: Answer) -> None:
        self.of += 1
        if len(self.first) < SHOWN:
            self.first.append(answer)


class Suspicions:
    """Adds answers up. The same rule in the rubrics of many instances is one rule."""

    def __init__(self) -> None:
        self._keys: dict[int, str] = {}
        self._named: dict[str, tuple[Rubric, Rule]] = {}  # keeps the rules alive, whose ids are keys
        self._judged: Counter[str] = Counter()
        self._fired: dict[str, _First] = defaultdict(_First)
        self._alone: dict[str, _First] = defaultdict(_First)
        self.untested: list[Answer] = []  # rejected by one rule alone, the tests did not run

    def add(self, one: Held) -> None:
        """Count one answer."""
        for rubric, rule in one.rules:
            key = self._key(rubric, rule)
            self._judged[key] += 1
            if rule.id in one.broken:
                self._fired[key].add(one.answer)
            if one.objections == {rule.id} and one.passes:
                self._alone[key].add(one.answer)
        if len(one.objections) == 1 and one.passes is None and one.testable and not _tested(one):
            self.untested.append(one.answer)

    def found(self) -> tuple[Suspect, ...]:
        """The suspects: first those that reject what passes the tests."""
        return (*self._found(ONLY_OBJECTION), *self._found(ALWAYS_FIRED), *self._found(NEVER_FIRED))

    def _found(self, why: str) -> Iterable[Suspect]:
        for key, (rubric, rule) in self._named.items():
            judged, fired = self._judged[key], self._fired[key]
            answers = {ONLY_OBJECTION: self._alone[key], ALWAYS_FIRED: fired, NEVER_FIRED: _First()}[why]
            wanted = {ALWAYS_FIRED: judged, NEVER_FIRED: 0}.get(why)
            if answers.of if wanted is None else fired.of == wanted and judged >= ENOUGH:
                yield Suspect(rule.id, rubric.name, why, judged, fired.of, tuple(answers.first), answers.of)

    def _key(self, rubric: Rubric, rule: Rule) -> str:
        key = self._keys.get(id(rule))
        if key is None:
            key = self._keys[id(rule)] = rubric_digest(Rubric("", (rule,)))
            self._named.setdefault(key, (rubric, rule))
        return key


class Watch:
    """Sees a run's climbs end, and what their verdicts say of the rules; an Observer (core/ports)."""

    def __init__(self, instances: Iterable[Instance], shared: Rubric | None) -> None:
        self._instances = {instance.id: instance for instance in instances}
        self._shared = shared
        self._suspicions = Suspicions()

    def climbed(self, solution: Solution) -> None:
        """Count a climb's answers."""
        for attempt in solution.asked:
            if one := held(self._instances[solution.instance_id], self._shared, attempt, solution.epoch):
                self._suspicions.add(one)

    @property
    def suspects(self) -> tuple[Suspect, ...]:
        """The suspects so far."""
        return self._suspicions.found()

    @property
    def untested(self) -> int:
        """Answers rejected by one rule alone, whose tests did not run."""
        return len(self._suspicions.untested)
