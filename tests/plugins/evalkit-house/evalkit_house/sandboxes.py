"""A sandbox: evalkit's unconfined one, which notes each command in a file."""

from dataclasses import dataclass
from pathlib import Path

from evalkit.adapters.unconfined_sandbox import UnconfinedSandbox
from evalkit.core.ports import Execution, Job


@dataclass
class Noting(UnconfinedSandbox):
    """`notes` is the file. It is `confined = False` still, so that runs are marked."""

    notes: str = "commands.txt"

    async def run(self, job: Job) -> Execution:
        """Run it, and note how long it took."""
        done = await super().run(job)
        with Path(self.notes).open("a", encoding="utf-8") as file:
            file.write(f"{job.argv[0]} {done.exit_code} {done.seconds:.2f} s\n")
        return done
