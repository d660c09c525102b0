"""`compiles`: the candidate, as a file in the sandbox, is taken by its language's compiler.

The first error with its line is the finding. What is not about the candidate is never held against it: a
compiler that is not there is a SandboxError which says what to install; and where the compiler ran out of time
or memory, crashed, or failed without naming a place, a plain program is compiled in the same way. If that works,
it was the candidate's doing and becomes the finding; if not, there is no verdict (GraderError).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from evalkit.core.errors import GraderError, SandboxError
from evalkit.core.ports import Execution, Job, World
from evalkit.core.rubric import Violation
from evalkit.core.rules.compilers import COMPILERS, argv, file_name
from evalkit.core.rules.keys import KeyFault, refuse
from evalkit.core.rules.laid import ARGV, KEYS, path_faults
from evalkit.core.rules.where import excerpt, short

NOT_FOUND = (126, 127)  # what shells and container engines say of a command that they cannot start
LONGEST = 300


@dataclass(frozen=True)
class Compiles:
    """`language`, and where its default command is not enough: `command` (argv, {file} is filled in) or `flags`.

    The candidate lies in `file` (by default e.g. candidate.rs), beside the instance's files and `files`.
    """

    language: str
    command: Sequence[str] = ()
    flags: Sequence[str] = ()
    file: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    image: str = ""
    timeout_s: float = 60.0
    memory_mb: int = 0

    stage: ClassVar[int] = 1
    SCHEMA: ClassVar[dict[str, Any]] = {
        "required": ["language"],
        "properties": {
            "language": {"enum": list(COMPILERS)},
            "command": ARGV,
            "flags": {"type": "array", "items": {"type": "string"}},
            **KEYS,
        },
    }

    def __post_init__(self) -> None:
        """Refuse keys that cannot go together. Raises KeyFaults."""
        refuse(self._faults())

    async def found(self, candidate: str, world: World) -> list[Violation]:
        """The first error. Raises SandboxError or GraderError where the compiler could not be asked."""
        file = self.file or file_name(self.language, candidate)
        done = await self._run(candidate, file, world)
        if done.exit_code == 0 and not done.stopped:
            return []
        said = f"{done.stdout}\n{done.stderr}"
        if done.stopped in ("", "output") and (error := self._first_error(said, candidate, file)):
            return [error]
        await self._prove(file, world, _how(done))
        return [Violation(_how(done))]

    async def _prove(self, file: str, world: World, how: str) -> None:
        """Raises GraderError where a plain program fares no better."""
        plain = await self._run(COMPILERS[self.language].plain, file, world)
        if plain.exit_code or plain.stopped:
            raise GraderError(
                f"the {self.language} compiler {how}, and a plain program fares no better ({_how(plain)}). "
                "Mend the rule's command, flags or files, or raise its timeout_s or memory_mb."
            )

    async def _run(self, text: str, file: str, world: World) -> Execution:
        compiler = COMPILERS[self.language]
        command = argv(self.command or compiler.command, self.flags, file)
        job = Job(
            command,
            {**world.instance.files, **self.files, file: text},
            limits=replace(
                world.limits,
                seconds=self.timeout_s,
                memory_mb=self.memory_mb or max(world.limits.memory_mb, compiler.memory_mb),
                processes=max(world.limits.processes, 256),  # compilers start many threads
                file_mb=max(world.limits.file_mb, 64),
                scratch_mb=max(world.limits.scratch_mb, 256),
            ),
            image=self.image,
        )
        try:
            done = await world.run(job)
        except SandboxError as error:
            if repr(command[0]) not in str(error):
                raise
            raise SandboxError(f"{error}. {self._install(command[0])}") from error
        if done.exit_code in NOT_FOUND and not done.stopped:
            raise SandboxError(f"the sandbox cannot start {command[0]!r} ({_how(done)}). {self._install(command[0])}")
        return done

    def _install(self, name: str) -> str:
        package = COMPILERS[self.language].install
        return f"Install {name} (Debian: {package}) in the sandbox's system, or name an image that has it."

    def _first_error(self, said: str, candidate: str, file: str) -> Violation | None:
        """The error that the compiler names first, if it can be read."""
        for pattern in COMPILERS[self.language].errors:
            if found := pattern.search(said):
                groups = found.groupdict()
                message = short(groups["message"].strip(), LONGEST)
                place = groups.get("file") or ""
                line = int(groups["line"]) if groups.get("line") else None
                if place.rpartition("/")[2] == file.rpartition("/")[2]:
                    return Violation(message, line, excerpt(candidate, line))
                return Violation(f"{place}:{line}: {message}" if place else message)
        return None

    def _faults(self) -> Iterator[KeyFault]:
        if self.command and self.flags:
            yield KeyFault(("flags",), "are for the default command; write them into command")
        yield from path_faults(self.file, self.files)


def _how(done: Execution) -> str:
    """How it ended, with the end of what was said."""
    end = {
        "timeout": f"did not end within {done.seconds:.0f} s",
        "memory": "ran out of memory",
        "output": "wrote more output than is allowed",
    }.get(done.stopped, f"ended with exit code {done.exit_code}")
    said = " ".join((done.stderr.strip() or done.stdout.strip())[-LONGEST:].split())
    return f"{end}: {said}" if said else end
