"""What a run and its workers tell each other, and errors on that way; msgpack, in which nothing is code."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import msgspec

from evalkit.core.edits import Tree
from evalkit.core.errors import EvalkitError, InfrastructureError, ModelError
from evalkit.core.types import Attempt, Completion, Grading, Instance, Message, Solution
from evalkit.run.gates import PutOff
from evalkit.run.stopping import Stopped


class Fault(msgspec.Struct, array_like=True):
    """An error: its class by name, and what that class takes."""

    kind: str
    text: str = ""
    retry_after_s: float | None = None
    requests: int = 0
    ready_at: float = 0.0  # by the run's clock
    is_first: bool = False
    spent: tuple[Grading, ...] = ()


class Said(msgspec.Struct, tag=True, array_like=True):
    """Any message between the two."""


# From the run to a worker.


class Setup(Said):
    """The first one: what to climb with. `number` of `count` workers is this one's, from 0; `key` is the run's."""

    key: str
    config: dict[str, Any]
    choices: dict[str, str]
    only: tuple[str, ...] | None
    number: int
    count: int
    capped: bool  # whether budgets must hear of what no call tells
    counting: bool  # whether prompts are needed to reckon what a call may take
    together: bool  # whether the workers share a machine, and so its sandboxes' places


class Begin(Said):
    """Everything is in order: make sure of the sandbox, and ask for climbs. `sandbox` is what the run has found."""

    sandbox: dict[str, str]
    unfit: tuple[str, ...]


class Job(msgspec.Struct, array_like=True):
    """A climb to make, with what the journal holds of it: keys and values (JSON)."""

    climb: int
    instance_id: str
    epoch: int
    known: dict[str, bytes] = {}


class Jobs(Said):
    """Climbs to make."""

    jobs: list[Job]


class Go(Said):
    """The call may be made."""

    call: int


class Done(Said):
    """How the call ended: as its worker said, with this answer instead, or with this error."""

    call: int
    instead: Completion | None = None
    error: Fault | None = None


class OnRecord(Said):
    """The record is on disk; `earlier` is what had been recorded under its key before, and counts."""

    number: int
    earlier: bytes | None = None


class Close(Said):
    """Begin no climb any more; `at_once` also sends away the requests that wait for their turn."""

    at_once: bool


# From a worker to the run.


class Ready(Said):
    """Wired: `key` is what this worker makes of the config and the files that it names."""

    key: str
    where: str


class Want(Said):
    """So many climbs more can be taken."""

    count: int


class Ask(Said):
    """A rung, or with `params` a grader, is to be asked for a climb; `prompt` is left out where nobody reckons."""

    call: int
    climb: int
    name: str
    prompt: tuple[Message, ...]
    number: int
    params: dict[str, Any] | None = None


class Answered(Said):
    """What came of a call."""

    call: int
    completion: Completion | None = None
    error: Fault | None = None


class Record(Said):
    """To be put on record: a value in JSON."""

    number: int
    climb: int
    key: str
    value: bytes


class Judged(Said):
    """An attempt ended in a failure: the policy may give its rung up."""

    instance_id: str
    rung: str
    failure: str
    detail: str


class Passed(Said):
    """What a climb's budget counts beside its calls: seconds, and what the journal held."""

    climb: int
    seconds: float = 0.0
    cost_usd: float = 0.0
    tokens: int = 0
    calls: int = 0


class Ended(Said):
    """A climb's end; what was paid (answers without texts), and what each attempt's candidate changed in files."""

    climb: int
    solution: Solution
    answers: tuple[Completion, ...]
    gradings: tuple[Grading, ...]
    edited: tuple[dict[str, str | None] | None, ...]


class Left(Said):
    """A climb that was not brought to its end: put off (`later`), or left because the run stops."""

    climb: int
    later: Fault | None = None


class Heard(Said):
    """Both ways: a provider had too much, or asked for a wait, seen by one worker and heeded by all."""

    provider: str
    too_many: bool
    age_s: float
    wait_s: float | None


class Pace(Said):
    """Requests at providers: allowed at once, under way, the most that were used, cuts."""

    providers: dict[str, tuple[int, int, int, int]]


class Broken(Said):
    """The worker cannot go on: an error of the user's or the world's, or a bug's traceback (kind "")."""

    error: Fault


Down = Setup | Begin | Jobs | Go | Done | OnRecord | Close | Heard
Up = Ready | Want | Ask | Answered | Record | Judged | Passed | Ended | Left | Heard | Pace | Broken


def _kinds(root: type[EvalkitError]) -> Iterator[type[EvalkitError]]:
    yield root
    for kind in root.__subclasses__():
        yield from _kinds(kind)


def fault(error: BaseException) -> Fault:
    """The error as it travels."""
    kind, text = type(error).__name__, str(error)
    if isinstance(error, PutOff):
        return Fault(kind, text, ready_at=error.ready_at, is_first=error.is_first, spent=error.spent)
    if isinstance(error, ModelError):
        return Fault(kind, text, error.retry_after_s, error.requests, spent=error.spent)
    return Fault(kind, text, spent=error.spent if isinstance(error, InfrastructureError) else ())


def raised(told: Fault) -> Exception:
    """The error again."""
    if told.kind == Stopped.__name__:
        return Stopped()
    error = _made(told)
    if isinstance(error, InfrastructureError) and told.spent:
        error.spent = told.spent
    return error


def _made(told: Fault) -> Exception:
    if told.kind == PutOff.__name__:
        return PutOff(told.text, told.ready_at, is_first=told.is_first)
    kind = {one.__name__: one for one in _kinds(EvalkitError)}.get(told.kind)
    if kind is None:
        return RuntimeError(told.text)
    if issubclass(kind, ModelError):
        return kind(told.text, retry_after_s=told.retry_after_s, requests=told.requests)
    return kind(told.text)


def without_files(solution: Solution) -> tuple[Solution, tuple[dict[str, str | None] | None, ...]]:
    """The climb with each candidate's files apart, as what they change: a repository does not travel."""
    edited = tuple(_changed(attempt) for attempt in solution.attempts)
    bare = tuple(replace(one, candidate=replace(one.candidate, files=None)) for one in solution.attempts)
    return replace(solution, attempts=bare), edited


def with_files(solution: Solution, edited: tuple[dict[str, str | None] | None, ...], instance: Instance) -> Solution:
    """The climb as it was made."""
    if not any(one is not None for one in edited):
        return solution
    pairs = zip(solution.attempts, edited, strict=True)
    attempts = (replace(one, candidate=replace(one.candidate, files=_tree(told, instance))) for one, told in pairs)
    return replace(solution, attempts=tuple(attempts))


def _changed(attempt: Attempt) -> dict[str, str | None] | None:
    files: Mapping[str, str] | None = attempt.candidate.files
    if files is None:
        return None
    return files.changed if isinstance(files, Tree) else dict(files)


def _tree(told: dict[str, str | None] | None, instance: Instance) -> Tree | None:
    if told is None:
        return None
    tree = Tree(instance.files)
    for path, text in told.items():
        if text is None:
            tree.pop(path, None)
        else:
            tree[path] = text
    return tree
