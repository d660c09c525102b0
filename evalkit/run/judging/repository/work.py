"""The job: one command in one sandbox, which sets the tree up, tests it and reports."""

import json
import shlex
from collections.abc import Sequence
from dataclasses import replace

from evalkit.core.environment import Built, Environment
from evalkit.core.ports import Job
from evalkit.run.harness import script
from evalkit.run.judging.channel import Trial
from evalkit.run.judging.repository.laid import Laid

TARGETS = "{targets}"
GRACE = 30.0  # seconds for the way in and out, which are not the tests'
# Least figures for a whole repository's tests, whatever the sandbox gives to a candidate of one file.
PROCESSES, FILE_MB, SCRATCH_MB, OUTPUT_KB = 256, 256, 1024, 32768
SITE = "import evalkit_report\n\nevalkit_report.begin()\nevalkit_report.go_on()\n"


def job(trial: Trial, prepared: Laid, built: Built, tree: str) -> Job:
    """The driver's command line; all that a candidate must not know goes through stdin."""
    environment = built.environment
    told = {
        "nonce": trial.nonce,
        "seconds": seconds(trial, environment),
        "setup": [list(argv) for argv in environment.setup],
        "test": command(environment.test, trial.tests.targets),
        "report": environment.report,
        "reporter": {
            "sitecustomize.py": SITE,
            "evalkit_report.py": script("repository_report"),
            "evalkit_reporter.py": script(f"repository_{environment.report}"),
        },
    }
    limits = replace(
        trial.limits,
        seconds=seconds(trial, environment) * (1 + len(environment.setup)) + GRACE,
        memory_mb=environment.memory_mb,
        processes=max(trial.limits.processes, PROCESSES),
        file_mb=max(trial.limits.file_mb, FILE_MB),
        scratch_mb=max(trial.limits.scratch_mb, SCRATCH_MB),
        output_kb=max(trial.limits.output_kb, OUTPUT_KB),
    )
    return Job(
        (built.python, "-I", "-c", script("repository")),
        prepared.files,
        json.dumps(told),
        limits,
        image=trial.instance.image or environment.image,
        tree=tree,
        removed=prepared.removed,
        mounts=built.mounts,
        env=built.env,
    )


def seconds(trial: Trial, environment: Environment) -> float:
    """What the tests may take."""
    return trial.tests.timeout_s or environment.timeout_s


def command(argv: Sequence[str], targets: Sequence[str]) -> list[str]:
    """With the targets in their place: as words of their own, or quoted within a word of a shell's."""
    made: list[str] = []
    for word in argv:
        made += targets if word == TARGETS else [word.replace(TARGETS, shlex.join(targets))]
    return made
