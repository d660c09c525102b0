"""What grows with the number of instances: seconds, memory, bytes, files; of a run, of going on with it, of its report.

    python benchmarks/scale.py [1000 10000 100000] [--resume 100000] [--tracker local|none]

Answers are scripted (three climbs of four take one attempt, the fourth two) and judged by rules, so that what is
measured is evalkit itself: no model, no network, and not litellm (see benchmarks.md), unless `--litellm` says so.
Memory is the most that a process held (VmHWM), the run's own and that of the one that talks to MLflow; CPU is of
both. `--resume` cuts a finished run's journal to so many records and starts the same command again: CPU seconds until
the first new record is there, and a plain pass over the same journal (checksum and json.loads of each line) for
comparison. 0 leaves that out.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

ROOT = Path(__file__).resolve().parent.parent
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
EASY, HARD = "first|second", "second"
ANSWERS = "default:\n  - The first answer, for {{instance_id}}.\n  - The second answer, for {{instance_id}}.\n"


def main() -> None:
    """A block of lines a size."""
    options = arguments()
    for count in options.sizes:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            told(Path(folder), count, options)


def arguments() -> argparse.Namespace:
    """Sizes and what is to be measured of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", nargs="*", type=int, default=[1000, 10_000, 100_000], help="numbers of instances")
    parser.add_argument("--tracker", default="local", help="local (sqlite), none, or whatever tracker= takes")
    parser.add_argument("--resume", type=int, default=100_000, help="records in the journal that is gone on with")
    parser.add_argument("--override", action="append", default=[], help="of the run's config, such as preflight=false")
    parser.add_argument("--no-report", action="store_true", help="without report.html")
    parser.add_argument("--litellm", action="store_true", help="let scripted answers pass through litellm, as they do")
    parser.add_argument("--folder", help="where it all lies meanwhile; default: the system's temporary folder")
    return parser.parse_args()


def told(home: Path, count: int, options: argparse.Namespace) -> None:
    """Measure one size and print it."""
    command = [*evalkit(home, count, options.tracker, litellm=options.litellm), *options.override]
    run = watched(command)
    print(f"## {count:,} instances")
    print(f"run: {run}", flush=True)
    (folder,) = (home / "mlruns" / "runs").iterdir()
    for what, size in sizes(home, folder).items():
        print(f"  {what}: {size}")
    print(f"the same again (complete already): {watched(command)}")
    if not options.no_report:
        print(f"evalkit report: {watched([*EVALKIT, 'report', folder.name])}")
        print(f"  report.html: {(folder / 'report.html').stat().st_size / 1e6:.1f} MB")
    if options.resume:
        resume(command, folder, options.resume)
    sys.stdout.flush()


EVALKIT = [sys.executable, "-m", "evalkit"]
WITHOUT_LITELLM = """
import sys
from types import SimpleNamespace
from evalkit.__main__ import main
from evalkit.adapters.litellm_model.model import LitellmModel

async def send(model, prompt, params, asking):
    reply = asking.reply = await asking.generator.generate(model._name, prompt.messages, params, prompt)
    said = SimpleNamespace(message=SimpleNamespace(content=reply.text), finish_reason=reply.finish_reason)
    return SimpleNamespace(choices=[said], model=model._name)

LitellmModel._send = send
sys.exit(main())
"""


def evalkit(home: Path, count: int, tracker: str, *, litellm: bool) -> list[str]:
    """The command of a run of so many instances in its own home."""
    (home / "answers.yml").write_text(ANSWERS)
    with (home / "tasks.jsonl").open("w") as file:
        for number in range(count):
            pattern = HARD if number % 4 == 0 else EASY
            rules = [{"id": "word", "kind": "regex", "pattern": pattern, "message": "Say it better."}]
            task = f"Task {number}: " + "say what was asked for, in one short sentence, and nothing else. " * 3
            row = {"id": f"task-{number:07}", "prompt": task, "tags": ["made"], "rubric": {"rules": rules}}
            file.write(json.dumps(row) + "\n")
    os.environ["EVALKIT_HOME"] = str(home)
    overrides = [
        "dataset=jsonl",
        f"dataset.path={home}/tasks.jsonl",
        "ladder=scripted",
        f"ladder.rungs.script.model=scripted/{home}/answers.yml",
        "ladder.rungs.script.attempts=2",
        f"tracker={tracker}",
    ]
    start = EVALKIT if litellm else [sys.executable, "-c", WITHOUT_LITELLM]
    return [*start, "run", *overrides]


@dataclass
class Used:
    """What a command took: wall seconds, and by process (its own first) CPU seconds and the most memory held, MB."""

    wall_s: float
    cpu_s: list[float]
    memory_mb: list[float]

    def __str__(self) -> str:
        each = [f"{cpu:.1f} s of CPU, {memory:.0f} MB" for cpu, memory in zip(self.cpu_s, self.memory_mb, strict=True)]
        return f"{self.wall_s:.1f} s; " + "; MLflow's process ".join(each)


def watched(command: list[str], done: Callable[[], bool] | None = None) -> Used:
    """Run a command to its end and see what it takes; with `done`, only until that says so, then it is killed."""
    with tempfile.TemporaryFile() as out:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=out, cwd=ROOT)
        seen: dict[int, tuple[float, float]] = {}
        while process.poll() is None:
            for number in (process.pid, *children(process.pid)):
                seen[number] = used(number) or seen.get(number, (0.0, 0.0))
            if done is not None and done():
                process.send_signal(signal.SIGKILL)
                process.wait()
                break
            time.sleep(0.02)
        wall = time.perf_counter() - began
        if process.returncode not in (0, -signal.SIGKILL):
            out.seek(0)
            sys.exit(f"{command[:4]} ended with {process.returncode}:\n{out.read().decode()[-3000:]}")
    # git and the like take little; between fork and exec they look as large as who started them.
    most = [one for number, one in seen.items() if number == process.pid or one[0] > 0.5]
    return Used(wall, [cpu for cpu, _ in most], [memory for _, memory in most])


def children(number: int) -> list[int]:
    """The processes that a process has started."""
    try:
        return [int(one) for one in Path(f"/proc/{number}/task/{number}/children").read_text().split()]
    except OSError:
        return []


def used(number: int) -> tuple[float, float] | None:
    """CPU seconds and the most memory, MB, of a process; None once it is gone."""
    try:
        fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
        lines = Path(f"/proc/{number}/status").read_text().splitlines()
    except OSError:
        return None
    memory = next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), None)
    return None if memory is None else ((int(fields[11]) + int(fields[12])) * TICK_S, memory)


def sizes(home: Path, folder: Path) -> dict[str, str]:
    """What lies on the disk."""
    found = {
        name: megabytes(folder / name) for name in ("journal.jsonl", "summary.json", "instances.jsonl", "lock.json")
    }
    found["instances/"] = tree(folder / "instances")
    artifacts = home / "mlruns" / "artifacts"
    if artifacts.is_dir():
        found["mlflow.db"] = megabytes(home / "mlruns" / "mlflow.db")
        found["artifacts/ (files are links to the run's)"] = tree(artifacts)
    return found


def megabytes(path: Path) -> str:
    """A file's size."""
    return f"{path.stat().st_size / 1e6:.1f} MB"


def tree(top: Path) -> str:
    """Files, folders, bytes, and what the disk gives for them; a file that has two names is counted where met."""
    files = folders = size = blocks = 0
    for here, names, leaves in os.walk(top):
        folders += len(names)
        blocks += Path(here).stat().st_blocks
        for leaf in leaves:
            stat = Path(here, leaf).lstat()
            files += 1
            size += stat.st_size
            blocks += stat.st_blocks // stat.st_nlink
    return f"{files:,} files, {folders:,} folders, {size / 1e6:.1f} MB, {blocks * 512 / 1e6:.0f} MB of the disk"


def resume(command: list[str], folder: Path, records: int) -> None:
    """Cut the journal to so many records, as a kill leaves it, and go on."""
    journal, kept = folder / "journal.jsonl", folder / "kept.jsonl"
    with journal.open("rb") as whole, kept.open("wb") as part:
        for number, line in enumerate(whole):
            if number > records:  # the first line is the head
                break
            part.write(line)
        else:
            print(f"the journal holds no more than {number} records: nothing is left to resume")
            return
    kept.replace(journal)
    (folder / "summary.json").unlink()
    size = journal.stat().st_size
    plain = passed(journal)
    first = watched(command, lambda: journal.stat().st_size > size)
    os.truncate(journal, size)
    print(f"going on from {records:,} records ({size / 1e6:.0f} MB), to the first new one: {first}")
    print(f"  a plain pass over the journal: {plain:.2f} s of CPU; the ratio is {first.cpu_s[0] / plain:.1f}")
    small = watched([*command, "sample.size=1"])
    print(f"  a run of one instance of the same dataset: {small}")


def passed(journal: Path) -> float:
    """CPU seconds of reading each line, its checksum and its JSON, in this process."""
    began = time.process_time()
    with journal.open("rb") as lines:
        for line in lines:
            crc32(line[28:-2])
            json.loads(line)
    return time.process_time() - began


if __name__ == "__main__":
    main()
