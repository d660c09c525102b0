"""What the climb needs of the world: small Protocols, met by shape."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from evalkit.core.environment import Built, Environment
from evalkit.core.ladder import Step
from evalkit.core.rubric import Violation
from evalkit.core.summary import Summary
from evalkit.core.types import (
    Attempt,
    Candidate,
    Completion,
    Grading,
    Instance,
    Message,
    Prompt,
    Repo,
    Solution,
    Verdict,
)

T = TypeVar("T")


class Model(Protocol):
    """A rung's model."""

    @property
    def simulated(self) -> bool:
        """Whether answers are scripted or replayed (invariant 8)."""
        ...

    async def complete(self, prompt: Prompt) -> Completion:
        """Ask once (retrying the transport). Raises ModelError on an outage."""
        ...

    async def check(self) -> None:
        """Find out, without spending, that asking can work. Raises ConfigError or ModelError if not."""
        ...


class Places(Protocol):
    """Where relative paths are looked for."""

    def find(self, path: str) -> str:
        """The path of the file that is meant. Raises ConfigError where there is none."""
        ...


class Strategy(Protocol):
    """Writes an attempt's messages and takes the candidate out of what comes back. Pure."""

    def prompt(self, instance: Instance, history: Sequence[Attempt], epoch: int, step: Step) -> Prompt:
        """The messages of this attempt."""
        ...

    def candidate(self, instance: Instance, completion: Completion) -> Candidate:
        """What is to be judged, or why there is nothing."""
        ...


class Verifier(Protocol):
    """Judges candidates. Raises GraderError or SandboxError when it could not judge (invariant 2)."""

    async def verify(self, instance: Instance, candidate: Candidate) -> Verdict:
        """The verdict on one candidate."""
        ...

    def covers(self, instance: Instance) -> str:
        """Empty if this verifier can judge the instance, else one line saying what is missing."""
        ...


class Journal(Protocol):
    """Effects that happen once."""

    async def once(self, key: str, kind: type[T], effect: Callable[..., Awaitable[T]], *args: object) -> T:
        """The recorded result under `key`, or run the effect, record it on disk, and return it."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """What a command in a sandbox may use."""

    seconds: float = 10.0
    memory_mb: int = 512
    processes: int = 32
    file_mb: int = 16  # the largest single file
    scratch_mb: int = 64  # the private tmpfs
    output_kb: int = 256  # of stdout and of stderr, each


@dataclass(frozen=True, slots=True)
class Execution:
    """What a command in a sandbox did. `stopped` is "", "timeout", "memory" or "output"."""

    exit_code: int
    stdout: str
    stderr: str
    seconds: float
    stopped: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """A command for a sandbox: argv, stdin and files laid into its working folder (relative path: text).

    argv[0] `python` means the sandbox's own Python, with pytest importable. `image` names what the command wants
    around it, for sandboxes that have images (docker); empty means the sandbox's own default. `tree` is a folder of
    the host that lies in the working folder, beneath `files` and without the paths in `removed`; the command may
    write to it, and the host never sees what it wrote. `mounts` are folders of the host that can be read at their own
    paths. `env` is set on top of the sandbox's own environment.
    """

    argv: tuple[str, ...]
    files: Mapping[str, str] = field(default_factory=dict)
    stdin: str = ""
    limits: Limits = field(default_factory=Limits)
    image: str = ""
    tree: str = ""
    removed: tuple[str, ...] = ()
    mounts: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)


class Sandbox(Protocol):
    """Runs what a model wrote, without network, on a pristine folder that is gone afterwards."""

    @property
    def confined(self) -> bool:
        """Whether the candidate is really shut in; False marks the run."""
        ...

    @property
    def limits(self) -> Limits:
        """What a job gets that asks for nothing else: the sandbox's settings."""
        ...

    async def run(self, job: Job) -> Execution:
        """Run the job to its end or its limits. Raises SandboxError if it could not be run."""
        ...

    async def check(self, *images: str) -> None:
        """Prove that the sandbox works here, in these images (`Job.image`; none: in its default).

        Raises SandboxError with what to do if not.
        """
        ...


class Workspace(Protocol):
    """Repositories at their commits."""

    def files(self, repo: Repo) -> Mapping[str, str]:
        """The text files at the commit by path, read when asked for. Raises DatasetError if they cannot be had."""
        ...

    def tree(self, repo: Repo) -> AbstractAsyncContextManager[str]:
        """A folder with the pristine tree (no history in it), held until the block ends. Raises SandboxError."""
        ...


class Environments(Protocol):
    """What repositories' tests run in, by name."""

    def recipe(self, name: str) -> Environment:
        """The recipe of that name. Raises ConfigError with the nearest names."""
        ...

    async def built(self, name: str) -> Built:
        """The same, built once and cached on disk. Raises ConfigError or SandboxError."""
        ...


class World(Protocol):
    """What some rule kinds need beside the text: each method raises an InfrastructureError if it could not work."""

    @property
    def instance(self) -> Instance:
        """Whose candidate is judged."""
        ...

    @property
    def limits(self) -> Limits:
        """What a job gets that asks for nothing else."""
        ...

    async def run(self, job: Job) -> Execution:
        """Run a command in the sandbox, in the instance's image unless the job names another."""
        ...

    async def test(self, candidate: str) -> Verdict:
        """The verdict of the instance's own tests on the candidate; run once, however many rules ask."""
        ...

    async def ask(
        self, model: str, messages: Sequence[Message], params: Mapping[str, object], number: int = 1
    ) -> Completion:
        """A grader's answer; `model` is any name that a rung may have, `params` a rung's keys and litellm's.

        `number` says which question this is about the candidate: above temperature 0 each draws its own seed.
        """
        ...

    def note(self, grading: Grading) -> None:
        """Keep a grader's votes as evidence for the verdict."""
        ...


class Ask(Protocol):
    """Asks grader models by name."""

    async def __call__(
        self, model: str, messages: Sequence[Message], params: Mapping[str, object], *, instance_id: str, number: int
    ) -> Completion:
        """One answer. Raises ModelError on an outage, ConfigError for a model that cannot be."""
        ...


class Effect(Protocol):
    """A check that needs the world. It has `found` instead of `violations`."""

    async def found(self, candidate: str, world: World) -> list[Violation]:
        """All places that break the rule. Raises GraderError or SandboxError where that cannot be found out."""
        ...


@dataclass(frozen=True, slots=True)
class Reply:
    """What an in-process provider answers; token counts are None where unknown.

    `seconds` is how long the model itself worked, where that is not the time that the caller waited (its turn,
    the loading of weights).
    """

    text: str
    finish_reason: str = "stop"
    tokens_prompt: int | None = None
    tokens_completion: int | None = None
    seconds: float | None = field(default=None, compare=False)


class Generator(Protocol):
    """An in-process provider (local, scripted, replayed) behind the litellm adapter's bridge.

    Raises a ModelError of core/errors.py, like a remote provider would answer with an HTTP status.
    """

    simulated: bool

    async def generate(
        self, name: str, messages: Sequence[Message], params: Mapping[str, object], asked: Prompt
    ) -> Reply:
        """Answer `messages` as model `name` (without the provider prefix)."""
        ...

    async def check(self, name: str) -> None:
        """Find out that `name` can answer. Raises ConfigError if not."""
        ...


class Observer(Protocol):
    """Sees each climb end: a progress bar, a run folder, a tracker."""

    def climbed(self, solution: Solution) -> None:
        """Called on the event loop's thread, once a climb; must not block."""
        ...


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What a run is, before its first result; what trackers need to show it.

    `key` is the fingerprint (12 hex digits) and names `folder`. `params` are the choices and every resolved
    leaf, dotted. `tags` hold the `evalkit.*` tags that are known at the start.
    """

    key: str
    name: str
    kind: str  # run, sweep, phase, ramp, comparison
    folder: str
    experiment: str
    params: Mapping[str, str]
    tags: Mapping[str, str]
    dataset: str
    dataset_digest: str
    instances: int
    climbs: int  # instances x epochs


class Tracker(Protocol):
    """Shows a run to the world while it goes; must not block the event loop nor end the run if it fails."""

    def prepare(self) -> None:
        """Begin to load what takes long; called before anything is known to be in order."""
        ...

    def start(self, run: RunRecord) -> None:
        """Open (or, resuming, find again by key) the run."""
        ...

    def climbed(self, solution: Solution) -> None:
        """Note one climb's end: `progress.*` metrics, buffered; a trace where wanted."""
        ...

    def finish(self, summary: Summary) -> str:
        """Publish what the run folder holds and wait for it. Empty, or one line saying what did not arrive."""
        ...

    def check(self) -> None:
        """Find out that the store answers. Raises TrackerError with what to do if not."""
        ...

    def close(self) -> None:
        """Let go of what `prepare` and `start` opened; again changes nothing."""
        ...
