"""What went wrong, sorted by cause: how often, one example, and which lever it points at; pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from evalkit.core.edits import FORMATS, Tree, apply, is_edit
from evalkit.core.edits.edit import Reading
from evalkit.core.failure import Failure
from evalkit.core.feedback.attempts import key
from evalkit.core.shown import markdown_cell, visible
from evalkit.core.types import Attempt, Instance, Solution, Status

SHOWN = 20  # instances that a row names
LONGEST = 300  # characters of an example's finding
PROSE = (".txt", ".rst", ".md")  # release notes and the like, which tests do not ask for


class Lever(StrEnum):
    """What to change first."""

    PROMPT = "prompt"
    CONTEXT = "context"
    FEEDBACK = "feedback"
    MODEL = "model"
    ENVIRONMENT = "environment"
    DATASET = "dataset"


@dataclass(frozen=True, slots=True)
class Cause:
    """Which lever a cause points at, and what to do."""

    lever: Lever
    advice: str


# A failure class by its name; behind the dot what the instance's known patch and the prompt's files say of it.
CAUSES: Mapping[str, Cause] = {
    "empty_response": Cause(Lever.FEEDBACK, "less in the prompt: feedback.tokens, context.tokens; or on: escalate"),
    "no_answer": Cause(Lever.PROMPT, "a strategy that asks for the form more plainly; or on: escalate"),
    "truncated": Cause(Lever.MODEL, "more max_tokens on the rung, or a shorter form of answer"),
    "refused": Cause(Lever.MODEL, "another model on the next rung"),
    "context_window": Cause(Lever.CONTEXT, "a smaller context.tokens, and the rung's context_tokens as they are"),
    "syntax_error": Cause(Lever.MODEL, "a stronger model, or feedback.hints.syntax_error"),
    "rule_violation": Cause(Lever.PROMPT, "say the rule in the prompt; evalkit regrade --suspects doubts the rule"),
    "no_edits": Cause(Lever.PROMPT, "another form of edits, a skill for it, feedback.hints.no_edits"),
    "apply_failed": Cause(Lever.PROMPT, "another form of edits: the file was shown, and not copied as it is"),
    "apply_failed.not_shown": Cause(Lever.CONTEXT, "it edits a file that it was not shown: context, context.tokens"),
    "no_change": Cause(Lever.PROMPT, "feedback.hints.no_change, or a stronger model"),
    "test_failure": Cause(Lever.MODEL, "feedback with the tests' findings, more attempts, a stronger model"),
    "test_failure.not_shown": Cause(Lever.CONTEXT, "the prompt lacks the file that the known patch changes: context"),
    "test_failure.wrong_file": Cause(Lever.PROMPT, "the right file was shown, another one edited: strategy, skills"),
    "test_failure.some_files": Cause(Lever.CONTEXT, "only some of the known patch's files edited: show them together"),
    "test_failure.right_file": Cause(
        Lever.MODEL, "the right file, a wrong change: feedback, attempts, a stronger model"
    ),
    "candidate_timeout": Cause(Lever.ENVIRONMENT, "verifier.timeout_s, unless the example is an endless loop"),
    "resource_limit": Cause(
        Lever.ENVIRONMENT, "verifier.memory_mb and the sandbox's limits, unless it grows endlessly"
    ),
    "model_unavailable": Cause(Lever.ENVIRONMENT, "evalkit doctor: the model's name, the subscription"),
    "rung_skipped": Cause(Lever.ENVIRONMENT, "the policy `on` gave the rung up: mend it, and run again"),
    "grader": Cause(Lever.ENVIRONMENT, "the grader failed, not the model: see the example; the same command resumes"),
    "sandbox": Cause(Lever.ENVIRONMENT, "evalkit doctor: the sandbox; the same command resumes"),
    "quota": Cause(Lever.ENVIRONMENT, "the quota is used up: limits.on_quota=wait, or the same command later"),
    "budget": Cause(Lever.ENVIRONMENT, "a cap under limits, no result of the model: the same command, a higher cap"),
    "quarantined": Cause(Lever.DATASET, "evalkit dataset check: the known answer fails, or doing nothing passes"),
    "repeated": Cause(Lever.FEEDBACK, "the same failure again (counted above too): feedback=tests, a temperature"),
}
OUTAGE = Cause(Lever.ENVIRONMENT, "an outage, no result of the model: the same command resumes")
REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Example:
    """Where a cause was met first, and the first finding there; attempt 0 is none."""

    instance_id: str
    epoch: int
    attempt: int
    finding: str


@dataclass(frozen=True, slots=True)
class TriageRow:
    """A cause: so many `climbs` ended with it, it was met in so many `attempts` of all climbs, solved ones too.

    `instances` are the first of those whose climbs ended so.
    """

    cause: str
    lever: Lever
    advice: str
    climbs: int
    attempts: int
    example: Example | None = None
    instances: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Located:
    """Of the `attempts` at instances whose patch is known: how many prompts `shown` all of the files that it changes,
    and how many answers `edited` at least one of them."""  # noqa: D205, D209

    attempts: int
    shown: int
    edited: int


@dataclass(frozen=True, slots=True)
class Triage:
    """The causes, the most frequent end first."""

    rows: tuple[TriageRow, ...] = ()
    located: Located | None = None


class Triaging:
    """Sees a run's climbs end, and sorts what went wrong; an Observer (core/ports)."""

    def __init__(self, instances: Iterable[Instance]) -> None:
        self._instances = tuple(instances)
        self._order = {one.id: place for place, one in enumerate(self._instances)}
        self._gold: dict[str, frozenset[str]] = {}
        self._attempts: Counter[str] = Counter()
        self._ended: dict[str, list[str]] = {}
        self._examples: dict[str, Example] = {}
        self._located: Counter[str] = Counter()

    def climbed(self, solution: Solution) -> None:
        """Count a climb's attempts and its end."""
        place = self._order.get(solution.instance_id)
        instance = None if place is None else self._instances[place]
        last, before = "", None
        for attempt in solution.asked:
            last = self._count(solution, attempt, instance)
            if before is not None and _alike(before, attempt):
                self._note("repeated", solution, attempt)
            before = attempt
        if solution.status is not Status.SOLVED:
            self._end(solution, last if solution.status is Status.UNSOLVED else "")

    @property
    def found(self) -> Triage:
        """What was found so far."""
        names = sorted(
            {*self._attempts, *self._ended},
            key=lambda name: (name == "repeated", -len(self._ended.get(name, ())), -self._attempts[name], name),
        )
        count = self._located
        located = Located(count["attempts"], count["shown"], count["edited"]) if count else None
        return Triage(tuple(self._row(name) for name in names), located)

    def _count(self, solution: Solution, attempt: Attempt, instance: Instance | None) -> str:
        """Add an attempt; its cause, empty where it was accepted."""
        gold = self._gold_of(instance) if instance else frozenset[str]()
        if gold:
            shown, right = gold <= set(attempt.prompt.files), bool(gold & set(edited(attempt)))
            # As numbers: an empty Counter would keep True as it is.
            self._located.update(attempts=1, shown=int(shown), edited=int(right))
        if attempt.verdict.accepted:
            return ""
        name = cause(instance, attempt, gold) if instance else str(attempt.verdict.failure or REJECTED)
        self._note(name, solution, attempt)
        return name

    def _note(self, name: str, solution: Solution, attempt: Attempt) -> None:
        self._attempts[name] += 1
        findings = attempt.verdict.findings
        words = findings[0].message if findings else attempt.candidate.detail or attempt.completion.detail
        self._example(name, solution, attempt.number, words)

    def _end(self, solution: Solution, last: str) -> None:
        quarantined = solution.status is Status.QUARANTINED
        name = last or ("quarantined" if quarantined else str(solution.failure or solution.reason))
        self._ended.setdefault(name, []).append(solution.instance_id)
        self._example(name, solution, 0, solution.error or solution.reason)

    def _example(self, name: str, solution: Solution, attempt: int, words: str) -> None:
        short = visible(" ".join(words.split())[:LONGEST])
        new = Example(solution.instance_id, solution.epoch, attempt, short)
        self._examples[name] = min(self._examples.get(name, new), new, key=self._place)

    def _place(self, example: Example) -> tuple[bool, int, int, int]:
        """An attempt's goes before a climb's end; in the dataset's order, since climbs end in another one each time."""
        order = self._order.get(example.instance_id, len(self._order))
        return example.attempt == 0, order, example.epoch, example.attempt

    def _row(self, name: str) -> TriageRow:
        known = CAUSES.get(name) or CAUSES.get(name.partition(".")[0]) or OUTAGE
        ended = self._ended.get(name, [])
        instances = tuple(sorted(dict.fromkeys(ended), key=lambda one: self._order.get(one, len(self._order))))[:SHOWN]
        example = self._examples.get(name)
        return TriageRow(name, known.lever, known.advice, len(ended), self._attempts[name], example, instances)

    def _gold_of(self, instance: Instance) -> frozenset[str]:
        if not (instance.gold or instance.good):
            return frozenset()
        if instance.id not in self._gold:
            self._gold[instance.id] = gold_files(instance)
        return self._gold[instance.id]


def cause(instance: Instance, attempt: Attempt, gold: frozenset[str]) -> str:
    """The failure class, and what the files say of it where they do."""
    failure = attempt.verdict.failure
    shown = set(attempt.prompt.files)
    if failure is Failure.APPLY_FAILED and not set(_named(instance, attempt)) <= shown:
        return "apply_failed.not_shown"
    if failure is Failure.TEST_FAILURE and gold and isinstance(attempt.candidate.files, Tree):
        return f"test_failure.{_where(set(edited(attempt)), gold, shown)}"
    return str(failure or REJECTED)


def edited(attempt: Attempt) -> tuple[str, ...]:
    """The files that an answer's edits change; none where they do not apply."""
    files = attempt.candidate.files
    return tuple(sorted(files.changed)) if isinstance(files, Tree) else ()


def gold_files(instance: Instance) -> frozenset[str]:
    """The files that the known patch changes; of an instance with edits as its good answer, that one's."""
    if instance.gold:
        paths = {path for edit in FORMATS["unified_diff"](Reading({}), instance.gold) for path in edit.paths}
    elif is_edit(instance.answer) and instance.good:
        done = apply(instance.answer, instance.good[0], instance.files, instance.protected).files
        paths = set(done.changed) if isinstance(done, Tree) else set()
    else:
        return frozenset()
    return frozenset(path for path in paths if not path.endswith(PROSE)) or frozenset(paths)


def _where(edited: set[str], gold: frozenset[str], shown: set[str]) -> str:
    if gold <= edited:
        return "right_file"
    if gold & edited:
        return "some_files"
    return "wrong_file" if gold & shown else "not_shown"


def _named(instance: Instance, attempt: Attempt) -> list[str]:
    """The files that edits name which did not apply."""
    if not is_edit(instance.answer):
        return []
    edits = FORMATS[instance.answer](Reading(instance.files), attempt.candidate.text)
    return [path for edit in edits for path in edit.paths]


def _alike(one: Attempt, other: Attempt) -> bool:
    """Whether the rung failed the same way twice."""
    marks = ((each.rung, each.verdict.failure, frozenset(map(key, each.verdict.findings))) for each in (one, other))
    return len(set(marks)) == 1 and not other.verdict.accepted


def markdown(triage: Triage) -> str:
    """The table, for people."""
    lines = ["| cause | climbs ended | attempts | lever | example | what to do |", "|---|---|---|---|---|---|"]
    for row in triage.rows:
        cells = [row.cause, str(row.climbs), str(row.attempts), str(row.lever), words(row.example), row.advice]
        lines.append("| " + " | ".join(map(markdown_cell, cells)) + " |")
    return "\n".join([*lines, *(["", located(triage.located)] if triage.located else [])]) + "\n"


def words(example: Example | None) -> str:
    """An example in one line."""
    if example is None:
        return ""
    number = f" attempt {example.attempt}" if example.attempt else ""
    epoch = f" epoch {example.epoch}" if example.epoch > 1 else ""
    return f"{example.instance_id}{number}{epoch}: {example.finding}"


def located(found: Located) -> str:
    """Whether prompts and answers came to the right files."""
    return (
        f"the files of the known patch: shown in {found.shown} of {found.attempts} prompts, "
        f"edited by {found.edited} of {found.attempts} answers"
    )
