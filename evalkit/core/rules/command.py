"""`command`: a command that is run in the sandbox with the candidate as a file ends, and prints, as it should.

What happens within the time and memory it has is the candidate's doing: running out of them breaks the rule. The
exit code and the output are the candidate's word where the command runs it: use `tests` where that is not enough.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar

from evalkit.core.ports import Execution, Job, Limits, World
from evalkit.core.rubric import Violation
from evalkit.core.rules.compilers import argv
from evalkit.core.rules.keys import KeyFault, refuse
from evalkit.core.rules.laid import ARGV, KEYS, path_faults
from evalkit.core.rules.where import short

LONGEST = 300


@dataclass(frozen=True)
class Command:
    """`command` is argv ({file} is filled in); the candidate lies in `file`, beside the instance's files and `files`.

    It must end with `exit_code`, and print `stdout` (a last newline aside) or what `stdout_matches` finds. `hidden`
    says whether what it finds is a hidden test's outcome (invariant 9); unsaid, it is where the rule holds files,
    input or expected output that the prompt does not show.
    """

    command: Sequence[str]
    file: str = "candidate.txt"
    files: Mapping[str, str] = field(default_factory=dict)
    stdin: str = ""
    exit_code: int = 0
    stdout: str | None = None
    stdout_matches: str | None = None
    timeout_s: float = 0.0
    memory_mb: int = 0
    image: str = ""
    hidden: bool | None = None

    stage: ClassVar[int] = 1
    SCHEMA: ClassVar[dict[str, Any]] = {
        "required": ["command"],
        "properties": {
            "command": ARGV,
            "stdin": {"type": "string"},
            "exit_code": {"type": "integer"},
            "stdout": {"type": "string"},
            "stdout_matches": {"type": "string", "minLength": 1},
            "hidden": {"type": "boolean"},
            **KEYS,
        },
    }

    def __post_init__(self) -> None:
        """Refuse what can never work. Raises KeyFaults."""
        refuse(self._faults())

    @property
    def source(self) -> str:
        """`test` where the finding tells how a hidden test ended."""
        held_back = bool(self.files or self.stdin or self.stdout or self.stdout_matches)
        return "test" if (held_back if self.hidden is None else self.hidden) else "rule"

    async def found(self, candidate: str, world: World) -> list[Violation]:
        """What is not as it should be. Raises SandboxError where the command could not be run."""
        limits = replace(
            world.limits,
            seconds=self.timeout_s or world.limits.seconds,
            memory_mb=self.memory_mb or world.limits.memory_mb,
        )
        files = {**world.instance.files, **self.files, self.file: candidate}
        done = await world.run(Job(argv(self.command, (), self.file), files, self.stdin, limits, self.image))
        problem = self._ended(done, limits) or self._printed(done)
        return [Violation(problem)] if problem else []

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(self.stdout_matches or "", re.MULTILINE)

    def _ended(self, done: Execution, limits: Limits) -> str:
        name = short(" ".join(argv(self.command, (), self.file)))
        said = " ".join((done.stderr.strip() or done.stdout.strip())[-LONGEST:].split())
        behind = f": {said}" if said else ""
        match done.stopped:
            case "timeout":
                return f"`{name}` did not end within {limits.seconds:g} s{behind}"
            case "memory":
                return f"`{name}` used more than the {limits.memory_mb} MB of memory allowed{behind}"
            case "output":
                return f"`{name}` wrote more than the {limits.output_kb} KB of output allowed"
        if done.exit_code != self.exit_code:
            return f"`{name}` ended with exit code {done.exit_code}, not {self.exit_code}{behind}"
        return ""

    def _printed(self, done: Execution) -> str:
        if self.stdout is not None and done.stdout.removesuffix("\n") != self.stdout.removesuffix("\n"):
            return f"it printed {short(repr(done.stdout), LONGEST)}, not {short(repr(self.stdout), LONGEST)}"
        if self.stdout_matches is not None and not self._pattern.search(done.stdout):
            return f"it printed {short(repr(done.stdout), LONGEST)}, which {self.stdout_matches!r} does not match"
        return ""

    def _faults(self) -> Iterator[KeyFault]:
        if self.stdout is not None and self.stdout_matches is not None:
            yield KeyFault(("stdout_matches",), "cannot stand beside stdout; give one of them")
        try:
            _ = self._pattern
        except (re.error, OverflowError, RecursionError) as error:
            yield KeyFault(("stdout_matches",), f"{self.stdout_matches!r} is no regular expression: {error}")
        yield from path_faults(self.file, self.files)
