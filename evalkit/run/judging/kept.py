"""What tests stand on and no candidate changes, made once in the sandbox and brought along by every job."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from evalkit.core.errors import GraderError
from evalkit.core.ports import Job, Sandbox
from evalkit.run.judging import rust
from evalkit.run.judging.channel import Records, Trial, ending

KEEP: dict[str, Callable[[Trial], Job]] = {"rust": rust.keep_job}  # by kind of tests


class Kept:
    """By image and suite. It is held in memory: no folder of the host is ever in a candidate's reach."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, str, str], str] = {}
        self._making = asyncio.Lock()  # guards _made: whoever comes second waits for the first one's

    async def of(self, trial: Trial, sandbox: Sandbox) -> str:
        """What the trial's job takes with it. Raises GraderError if it cannot be made."""
        if trial.tests.kind not in KEEP:
            return ""
        key = (trial.instance.image, trial.tests.kind, trial.tests.code)
        async with self._making:
            if key not in self._made:
                self._made[key] = await _made(trial, sandbox)
        return self._made[key]


async def _made(trial: Trial, sandbox: Sandbox) -> str:
    job = KEEP[trial.tests.kind](trial)
    done = await sandbox.run(replace(job, image=trial.instance.image))
    records = Records(trial, done)
    if record := records.first("kept"):
        kept: str = record["kept"]
        return kept
    record = records.first("fault")
    why = record["fault"] if record else f"making what its tests stand on {ending(done, job.limits)}"
    raise GraderError(f"{trial.instance.id}: {why}. {rust.MEND}")
