"""What the sandboxes cost: bubblewrap over the bare command, docker over `docker exec`, trees, HumanEval's pace.

    python benchmarks/sandboxes.py [--repeats 20] [--data FOLDER_OF_HUMANEVAL] [--verdicts 60] [--only trees]

Both sides of a comparison alternate in one run and in one process; medians are shown, because the machine may be
shared. A part whose means are not there (user namespaces, an engine, the data) says so and is left out.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from evalkit.adapters.bubblewrap_sandbox import BubblewrapSandbox
from evalkit.adapters.docker_sandbox import DockerSandbox
from evalkit.adapters.unconfined_sandbox import UnconfinedSandbox
from evalkit.core.answer import candidate
from evalkit.core.errors import SandboxError
from evalkit.core.ports import Job, Limits, Sandbox
from evalkit.core.types import Candidate, Completion, Instance, Tests
from evalkit.places import Places
from evalkit.run.judging.channel import Trial
from evalkit.run.judging.suite import suite_job
from evalkit.run.tests_verifier import TestsVerifier

DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "humaneval"
LIMITS = Limits(seconds=60)
NOTHING = ("python", "-c", "pass")
SUITE = Tests("pytest", code="from candidate import f\n\ndef test_adds():\n    assert f(1) == 2\n")


def main() -> None:
    options = arguments()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; medians of {options.repeats}")
    asyncio.run(measure(options))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--verdicts", type=int, default=60, help="HumanEval answers to judge")
    parser.add_argument("--data", type=Path, default=DATA, help="with problems.jsonl and answers_*.jsonl")
    parser.add_argument("--only", choices=["trees"], help="this part alone")
    return parser.parse_args()


async def measure(options: argparse.Namespace) -> None:
    await trees(options.repeats)
    if options.only:
        return
    bubblewrap = BubblewrapSandbox()
    if await usable(bubblewrap, "bubblewrap"):
        await over_bare(bubblewrap, options.repeats)
        await humaneval(options)
    docker = DockerSandbox(places=Places(), ahead=4)
    try:
        if await usable(docker, "docker"):
            await over_exec(docker, options.repeats)
    finally:
        await docker.close()


async def usable(sandbox: Sandbox, name: str) -> bool:
    try:
        await sandbox.check()
    except SandboxError as error:
        print(f"{name}: left out: {error}")
        return False
    return True


async def trees(repeats: int) -> None:
    """A job that does nothing, over a tree of 6,000 files with ten of them changed, and without one."""
    docker = DockerSandbox(places=Places(), ahead=0)
    with tempfile.TemporaryDirectory(prefix="evalkit-bench-") as folder:
        tree = planted(Path(folder, "tree"))
        files = {f"d{number}/f{number}.py": "changed\n" for number in range(10)}
        over = Job(("true",), files, tree=str(tree), removed=("d11",), limits=LIMITS)
        bare = Job(("true",), limits=LIMITS)
        for name, one in {
            "bubblewrap": BubblewrapSandbox(),
            "docker": docker,
            "unconfined": UnconfinedSandbox(),
        }.items():
            if await usable(one, name):
                ours, theirs = await alternate(repeats, lambda one=one: one.run(over), lambda one=one: one.run(bare))
                verdict(f"{name}, a tree of 6,000 files over none", ours, theirs, goal_ms=50)
    await docker.close()


def planted(tree: Path) -> Path:
    for number in range(6000):
        path = tree / f"d{number % 300}" / f"f{number}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x = 1\n" * 700)
    for path in (tree.parent, tree, *tree.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)
    return tree


async def over_bare(sandbox: Sandbox, repeats: int) -> None:
    """The same command with and without; then a whole test run, whose job carries files and the harness."""
    for what, job in {"an empty Python": Job(NOTHING, limits=LIMITS), "a pytest suite": suite()}.items():
        ours, bare = await alternate(repeats, lambda job=job: sandbox.run(job), lambda job=job: plain(job))
        verdict(f"bubblewrap, {what}", ours, bare, goal_ms=60)


async def over_exec(sandbox: DockerSandbox, repeats: int) -> None:
    """`docker exec` in a container that runs already, by the command line and by the SDK that we use ourselves."""
    image = (await sandbox._shape(Job(NOTHING))).image  # noqa: SLF001  the same image for both sides
    started = ["docker", "run", "-d", "--rm", "--network", "none", "--init", image, "sleep", "3600"]
    name = subprocess.check_output(started, text=True).strip()
    try:
        for what, job in {"an empty Python": Job(NOTHING, limits=LIMITS), "a pytest suite": suite()}.items():
            argv = ["python3", "-B", "-s", *job.argv[1:]]
            command = ["docker", "exec", "-i", "-u", "65534", "-w", "/tmp/work", name, *argv]
            lay(name, job)
            ours, theirs = await alternate(
                repeats,
                lambda job=job: sandbox.run(job),
                lambda command=command, job=job: started_as(command, job.stdin),
                pause=2.0,  # in a run, the model's answer takes longer: containers are started meanwhile
            )
            verdict(f"docker, {what}, over docker exec", ours, theirs, goal_ms=150)
    finally:
        subprocess.run(["docker", "kill", name], check=True, capture_output=True)


def lay(name: str, job: Job) -> None:
    for path, text in {"": "", **job.files}.items():
        write = (
            f"mkdir -p /tmp/work && chmod 777 /tmp/work && cd /tmp/work && [ -z '{path}' ] || cat > '/tmp/work/{path}'"
        )
        subprocess.run(["docker", "exec", "-i", name, "sh", "-c", write], input=text, text=True, check=True)


def suite() -> Job:
    instance = Instance("one", "…", answer="code:python", tests=SUITE)
    return suite_job(Trial(instance, SUITE, Candidate("def f(n):\n    return n + 1\n"), "0" * 32, LIMITS))


async def plain(job: Job) -> None:
    """The bare command, in a folder that stays."""
    folder = Path("/tmp/evalkit-bench/work")  # pytest looks through the folder above, and /tmp may be large
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in job.files.items():
        (folder / name).write_text(text)
    await started_as([sys.executable, "-B", "-s", *job.argv[1:]], job.stdin, folder)


async def started_as(command: list[str], stdin: str, folder: Path | None = None) -> None:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate(stdin.encode())
    if process.returncode:
        sys.exit(f"{command[:5]} ended with {process.returncode}: {(err or out).decode()[-500:]}")


async def alternate(
    repeats: int, first: Callable[[], Awaitable[object]], second: Callable[[], Awaitable[object]], pause: float = 0.0
) -> tuple[list[float], list[float]]:
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        for kept, work in zip(seconds, (first, second), strict=True):
            await asyncio.sleep(pause)
            began = time.perf_counter()
            await work()
            kept.append(time.perf_counter() - began)
    return seconds


def verdict(what: str, ours: list[float], theirs: list[float], goal_ms: float) -> None:
    ours_ms, theirs_ms = statistics.median(ours) * 1000, statistics.median(theirs) * 1000
    beyond = statistics.median(a - b for a, b in zip(ours, theirs, strict=True)) * 1000
    ratio = f"{ours_ms:.0f} ms over {theirs_ms:.0f} ms (ratio {ours_ms / theirs_ms:.2f})"
    print(f"{what}: {ratio}, beyond it {beyond:.0f} ms (goal {goal_ms:.0f})")


async def humaneval(options: argparse.Namespace) -> None:
    answers = sorted(options.data.glob("answers_*.jsonl"))
    if not answers:
        print(f"HumanEval: left out: no answers_*.jsonl in {options.data}; give a folder with --data")
        return
    from evalkit.adapters.humaneval_dataset import HumanEvalDataset  # noqa: PLC0415

    path = str(options.data / "problems.jsonl")
    problems = HumanEvalDataset(places=Places(), path=path).load().instances
    by_id = {one.id.replace("_", "/"): one for one in problems}
    rows = [json.loads(line) for path in answers for line in path.read_text().splitlines()]
    rows = rows[:: max(1, len(rows) // options.verdicts)][: options.verdicts]
    pairs = [
        (one, candidate(one.answer, Completion(row["completion"]))) for row in rows if (one := by_id[row["task_id"]])
    ]
    verifier, waiting, accepted = TestsVerifier(BubblewrapSandbox(concurrency=2)), iter(pairs), 0

    async def work() -> None:
        nonlocal accepted
        for instance, found in waiting:
            judged = await verifier.verify(instance, found)
            accepted += judged.accepted  # not in one line: the other worker adds while this one waits

    began = time.perf_counter()
    await asyncio.gather(work(), work())
    wall = time.perf_counter() - began
    print(
        f"HumanEval in bubblewrap, 2 at once: {len(pairs) / wall * 60:.0f} verdicts a minute (goal 200), "
        f"{accepted} of {len(pairs)} accepted"
    )


if __name__ == "__main__":
    main()
