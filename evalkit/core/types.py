"""What happened, as frozen facts: instance, prompt, completion, candidate, verdict, attempt, solution."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import Any

from evalkit.core.failure import Failure
from evalkit.core.rubric import Rubric


@dataclass(frozen=True, slots=True)
class Case:
    """One call of the candidate and what it should return (or raise).

    `args` and `kwargs` are JSON values; `returns` is compared as JSON (a tuple equals a list); `raises` is an
    exception's class name; `setup` is SQL that runs before the candidate's query (`sqlite` only).
    """

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    returns: Any = None
    raises: str | None = None
    setup: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Tests:
    """How an instance's candidates are tested in a sandbox; exactly one kind's fields are set.

    kind `cases`: `call` (a function's name) and `cases`. kind `sqlite`: `setup` (SQL) and `cases`, whose
    `returns` are the candidate query's rows; `ordered` says whether their order counts. kind `pytest`: `code`
    (a test file; the candidate is importable as `candidate`) and optionally `names`, the tests that must be
    seen to pass; `isolation` says whether the candidate shares the tests' process (""), has one of its own
    (`process`), or may besides give plain values only (`values`). kind `rust`: `code` (a crate of tests) and
    `bridge` (what is compiled against each candidate), see docs/hard_task.md. kind `command`: `command` (argv),
    accepted when it exits with 0; the candidate lies in
    `candidate.<suffix>`. kind `repo`: the repository's own tests, by the command of its environment: `patch` (a
    unified diff with the tests, put over whatever the candidate did to those files), `targets` (the arguments of the
    command that say which tests: files, labels), `fail_to_pass` and `pass_to_pass` (names that must be seen to pass).
    """

    kind: str
    call: str = ""
    cases: tuple[Case, ...] = ()
    setup: str = ""
    ordered: bool = True
    tolerance: float = 1e-9
    code: str = ""
    bridge: str = ""
    isolation: str = ""
    names: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    timeout_s: float | None = None
    fail_to_pass: tuple[str, ...] = ()
    pass_to_pass: tuple[str, ...] = ()
    patch: str = ""
    targets: tuple[str, ...] = ()

    __test__ = False  # pytest: this is no test class


@dataclass(frozen=True, slots=True)
class Repo:
    """The repository that an instance is about, at a commit. `Instance.files` are its files there.

    `name` is how the dataset's `repos` finds it (such as `django/django`), `commit` its full hexadecimal hash,
    `environment` the name of the recipe that its tests run in (core/environment.py).
    """

    name: str
    commit: str
    environment: str = ""


@dataclass(frozen=True, slots=True)
class Instance:
    """One problem. `answer` says how a candidate is taken out of a completion; `files` are context.

    Where the answer is a format of edits, they apply to `files`, and `protected` are patterns of paths that they must
    not touch (None: conftest.py and the like, core/edits/paths.py).
    """

    id: str
    prompt: str
    answer: str = "text"
    tags: tuple[str, ...] = ()
    difficulty: str = ""
    rubric: Rubric | None = None
    tests: Tests | None = None
    good: tuple[str, ...] = ()
    bad: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    image: str = ""  # what the sandbox should look like: a recipe of conf/sandbox/image/ or a container image's name
    metadata: Mapping[str, Any] = field(default_factory=dict)
    protected: tuple[str, ...] | None = None
    repo: Repo | None = None  # then `files` are read from it when they are asked for, and are no part of the digest
    gold: str = ""  # a unified diff that solves it, whatever form `answer` asks for


@dataclass(frozen=True, slots=True)
class Dataset:
    """Instances in file order, with a digest (sha256 hex) of all that they hold, rubrics included."""

    name: str
    digest: str
    instances: tuple[Instance, ...]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat; `role` is `system`, `user` or `assistant`."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is asked. Instance, epoch and attempt number say who asks; they are not part of the digest."""

    messages: tuple[Message, ...]
    instance_id: str = ""
    epoch: int = 1
    number: int = 1
    dropped: tuple[str, ...] = ()  # what the budgets cut: files, findings
    files: tuple[str, ...] = ()  # the paths of those that it shows, whole or in part
    skills: tuple[str, ...] = ()  # the names of those that went in (core/skills.py)
    stable: int = 0  # characters of the last message that every attempt of the climb begins with; 0: not known

    @property
    def digest(self) -> str:
        """sha256 of roles and contents, 16 hex digits."""
        parts = "\x1e".join(f"{message.role}\x1f{message.content}" for message in self.messages)
        return sha256(parts.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Completion:
    """A model's answer, raw. `cost_usd` and token counts are None where unknown, never a made-up zero.

    `failure` is set where the model gave no usable text (`empty_response`, `refused`, `context_window`,
    `model_unavailable`, `rung_skipped`); an outage is an exception instead. `seconds` is the wall time of the last
    request, `requests` counts all that were sent, retries included. Of a `cached` answer all of these tell of the time
    when it was asked for; it was not paid again. `tokens_cached` of `tokens_prompt` came from the provider's own cache
    of prompts (None: it did not say).
    """

    text: str
    model: str = ""
    finish_reason: str = ""
    tokens_prompt: int | None = None
    tokens_completion: int | None = None
    cost_usd: float | None = None
    seconds: float = 0.0
    requests: int = 1
    failure: Failure | None = None
    detail: str = ""
    cached: bool = False
    tokens_cached: int | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """The text that is judged; `failure` says why there is none (`empty_response`, `no_answer`, …).

    Where the answer is an edit, `files` are the instance's files after it, and `findings` say what kept it from
    applying.
    """

    text: str
    language: str = ""  # of the code block, as the instance's `answer` names it; "" for plain text
    failure: Failure | None = None
    detail: str = ""
    files: Mapping[str, str] | None = None
    findings: tuple["Finding", ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule or test holds against a candidate, worded as feedback to the model.

    `source` is `rule`, `test` (its outcome is hidden from the model unless feedback shows it, invariant 9), `visible`
    (a test that the repository has, untouched by the instance's own tests: nothing hidden in its outcome) or `answer`
    (there was nothing to judge). Of a repository's test, `rule` is its name and `excerpt` the place in the
    repository where it failed, `PATH:LINE: CODE`.
    `rubric` names the one that a rule stands in: an instance's own and a shared one may have the same rule ids.
    """

    rule: str
    message: str
    required: bool = True
    line: int | None = None
    excerpt: str = ""
    source: str = "rule"
    rubric: str = ""


class Outcome(StrEnum):
    """How one test ended; `missing` was asked for and not seen to run."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    SKIPPED = "skipped"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class TestResult:
    """One test by name; `message` is one or a few lines for feedback."""

    name: str
    outcome: Outcome
    message: str = ""

    __test__ = False


@dataclass(frozen=True, slots=True)
class Grading:
    """What a grader model said of a candidate: its votes in the order asked, and what they cost.

    `passing` is the share of votes for the candidate, `agreement` that of the larger side. An abstention is no
    verdict. Tokens and `cost_usd` are None where unknown; `requests` counts all that were sent.
    """

    model: str
    votes: tuple[str, ...]
    passing: float
    agreement: float
    abstained: bool = False
    requests: int = 0
    tokens_prompt: int | None = None
    tokens_completion: int | None = None
    cost_usd: float | None = None
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Accepted or not, why, and the evidence. `score` is the weighted share of rules that hold, 0 to 1.

    `rules_unjudged` rules of `rules_total` were not looked at, because the verdict stood without them: they count
    neither as held nor in the score, which so is the least that it can be. `gradings` are the graders' votes.
    """

    accepted: bool
    failure: Failure | None = None
    findings: tuple[Finding, ...] = ()
    score: float = 0.0
    rules_passed: int = 0
    rules_total: int = 0
    tests: tuple[TestResult, ...] = ()
    seconds: float = 0.0
    rules_unjudged: int = 0
    gradings: tuple[Grading, ...] = ()


@dataclass(frozen=True, slots=True)
class Attempt:
    """One completion on one rung, judged. `number` counts over the climb from 1, `on_rung` on its rung."""

    number: int
    rung: str
    on_rung: int
    prompt: Prompt
    completion: Completion
    candidate: Candidate
    verdict: Verdict

    @property
    def skipped(self) -> bool:
        """Whether the rung could not be asked at all, so that this counts as no attempt."""
        return self.completion.failure in (Failure.MODEL_UNAVAILABLE, Failure.RUNG_SKIPPED)


class Status(StrEnum):
    """How a climb ended: never mix what models failed with what the world failed (invariant 1)."""

    SOLVED = "solved"
    UNSOLVED = "unsolved"
    UNFINISHED = "unfinished"
    QUARANTINED = "quarantined"


JUDGED = (Status.SOLVED, Status.UNSOLVED)  # what says something of the models; all else is no evidence about them


@dataclass(frozen=True, slots=True)
class Unjudged:
    """A completion that was paid for on `rung`, and whose verdict never came; `spent` is what graders took."""

    rung: str
    completion: Completion
    spent: tuple[Grading, ...] = ()


@dataclass(frozen=True, slots=True)
class Solution:
    """A climb's end. `reason` is the ladder's word for why it stopped; `error` an outage's one line."""

    instance_id: str
    epoch: int
    status: Status
    reason: str
    attempts: tuple[Attempt, ...] = ()
    failure: Failure | None = None
    error: str = ""
    unjudged: Unjudged | None = None

    @property
    def asked(self) -> tuple[Attempt, ...]:
        """The attempts that a model answered: rungs skipped as unavailable are not among them."""
        return tuple(attempt for attempt in self.attempts if not attempt.skipped)
