"""SWE-bench Lite without its images: are our verdicts those that are known, and what do they cost?

    python benchmarks/swebench.py gold --repos FOLDER [--home FOLDER] [--only WORD …] [OVERRIDE …]
    python benchmarks/swebench.py answers --repos FOLDER [--home FOLDER] [OVERRIDE …]
    python benchmarks/swebench.py ramp --repos FOLDER [--home FOLDER] [OVERRIDE …]
    python benchmarks/swebench.py speed --repos FOLDER [--count N] [OVERRIDE …]

All of it is done by evalkit's own commands, as a user starts them, on the instances of known_good.jsonl; FOLDER
holds clones or bare mirrors of their repositories. `gold`: `dataset check`, where the empty edit must fail and the
known patch must pass. `ramp`: the recorded systems as the rungs of one ladder, weakest first, through `evalkit ramp`.
`answers`: every recorded answer held against its published outcome; what a ramp in the same home has judged is not
judged again. `speed`: verdicts on known patches of sympy and Django, two at a time, in turns with the bare test
commands in trees that are laid out beforehand. Python compiles what a tree's tests import on both sides, where only
the bare commands keep it; with `--warm` they find it kept by a run before, which verdicts do not. With `--home` the
runs are kept, and the same command goes on where it was cut off.
"""

import argparse
import asyncio
import json
import os
import resource
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from evalkit.adapters.run_results import read_attempts, read_summary
from evalkit.cli.opened import open_wired
from evalkit.core.edits import apply
from evalkit.core.types import Candidate

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT.parent / "shared" / "data" / "swebench_lite"
# Weakest first, by the published outcomes.
SYSTEMS = ("acr-run-1-gpt4-0125", "moatless-gpt4o-20240617", "aider-gpt4o-claude3opus")
# Why we judge otherwise than published, by system and instance.
KNOWN: Mapping[tuple[str, str], str] = {}

A_BLOCK = 10  # instances that either side of `speed` tests before it is the other's turn
CLIMBS = 4  # at once in `speed`; their tests run two at a time, as the bare commands do

Row = dict[str, Any]


def rows(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


class Bench:
    """A home with the instances that are known to work here, and evalkit started in it."""

    def __init__(self, home: Path, asked: argparse.Namespace) -> None:
        self.home, self.repos = home, asked.repos.resolve()
        known = [row["instance_id"] for row in rows(DATA / "known_good.jsonl")]
        wanted = [name for name in known if not asked.only or any(word in name for word in asked.only)]
        wanted = [name for name in wanted if not any(word in name for word in asked.without)]
        there = {row["instance_id"]: row for row in rows(DATA / "instances.jsonl")}
        self.instances = [there[name] for name in wanted]
        self.path = home / "known.jsonl"
        _write(self.path, self.instances)
        settings = [f"dataset.path={self.path}", f"dataset.repos={self.repos}", "dataset.answer=unified_diff"]
        self.settings = [*settings, *asked.overrides]

    def evalkit(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command of evalkit's with the dataset's settings; what it says goes to our stderr."""
        return subprocess.run(
            [sys.executable, "-m", "evalkit", *words, *self.settings],
            env=os.environ | {"EVALKIT_HOME": str(self.home)},
            cwd=self.home,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )

    def recorded(self, system: str) -> Path:
        """A system's answers for our instances; where it has none it gave up, which is an empty answer."""
        given = {row["instance_id"]: row["patch"] for row in rows(DATA / f"answers_{system}.jsonl")}
        path = self.home / f"{system}.jsonl"
        _write(path, [{"id": one["instance_id"], "text": given.get(one["instance_id"], "")} for one in self.instances])
        return path

    def ladder(self, name: str, systems: Sequence[str]) -> str:
        """Write a ladder of recorded systems; the override that chooses it."""
        rungs = "".join(f"  {one}: {{model: 'replay/{self.recorded(one)}', attempts: 1}}\n" for one in systems)
        path = self.home / "conf" / "ladder" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"rungs:\n{rungs}", encoding="utf-8")
        return f"ladder={name}"


def _write(path: Path, lines: Sequence[Row]) -> None:
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")


def gold(bench: Bench) -> int:
    started = time.perf_counter()
    done = bench.evalkit("dataset", "check", "swebench", "--format", "json")
    checked: list[Row] = json.loads(done.stdout or "[]")
    bad = [row for row in checked if row.get("faults")]
    print(f"{len(checked) - len(bad)} of {len(bench.instances)} are healthy, in {time.perf_counter() - started:.0f} s")
    for row in bad:
        print(f"  {row['id']}: {str(row['faults'])[:300]}")
    return int(done.returncode not in (0, 2))


def answers(bench: Bench) -> int:
    """Judges what no run in the home has judged yet, e.g. the ramp's, and compares all of it."""
    unexplained = 0
    for system in SYSTEMS:
        judged = dict(_judged(bench.home, system))
        missing = [one for one in bench.instances if one["instance_id"] not in judged]
        if missing:
            _write(bench.path, missing)
            bench.evalkit(
                "run", "dataset=swebench", bench.ladder(system, [system]), "verifier=tests", "tracker=none",
                "preflight=false", f"name={system}", "max_attempts=1", "feedback=none",
            )  # fmt: skip
        unexplained += _compared(bench, system)
    return int(unexplained > 0)


def _compared(bench: Bench, system: str) -> int:
    """Print how one system's verdicts agree with the published ones; the number of those without a known reason."""
    published = {row["instance_id"]: row["published_resolved"] for row in rows(DATA / f"answers_{system}.jsonl")}
    ours = dict(_judged(bench.home, system))
    both = [name for name in ours if name in published]
    differing = [name for name in both if ours[name] is not published[name]]
    agree = f"{len(both) - len(differing)} of {len(both)}"
    solved = f"published {sum(published[name] for name in both)}, ours {sum(ours[name] for name in both)}"
    print(f"{system}: judged {len(ours)} of {len(bench.instances)}; agree {agree}; solved: {solved}")
    for name in differing:
        print(f"  {name}: published {published[name]}, ours {ours[name]}: {KNOWN.get((system, name), 'UNEXPLAINED')}")
    return sum((system, name) not in KNOWN for name in differing)


def _judged(home: Path, system: str) -> Iterator[tuple[str, bool]]:
    """Whether each answer of a system was accepted, wherever it was an attempt; outages are no verdict."""
    for folder in sorted((home / "mlruns" / "runs").glob("*/")):
        if not (folder / "summary.json").is_file():
            continue
        for one in read_attempts(folder, read_summary(folder).instances):
            if one.rung == system:
                yield one.instance_id, one.accepted


def ramp(bench: Bench) -> int:
    done = bench.evalkit(
        "ramp", "dataset=swebench", bench.ladder("three_systems", SYSTEMS), "verifier=tests", "feedback=none",
        "sample.by=repo", "preflight=false",
    )  # fmt: skip
    print(done.stdout)
    return done.returncode


async def _ours(instances: Sequence[Any], verifier: Any) -> None:
    """The verdicts. As in a run, more climbs are under way than the sandbox has room for: it runs two at a time."""
    waiting = iter(instances)

    async def work() -> None:
        for one in waiting:
            made = apply("unified_diff", one.gold, one.files, protected=())
            verdict = await verifier.verify(one, Candidate(one.gold, files=made.files))
            if not verdict.accepted:
                print(f"  {one.id}: not accepted: {verdict.failure}")

    await asyncio.gather(*(work() for _ in range(CLIMBS)))


async def _bare(prepared: Sequence[tuple[Path, Sequence[str], Mapping[str, str]]]) -> None:
    """The test commands alone, two at a time."""
    waiting = iter(prepared)

    async def work() -> None:
        for tree, argv, env in waiting:
            quiet = asyncio.subprocess.DEVNULL
            done = await asyncio.create_subprocess_exec(*argv, cwd=tree, env=env, stdout=quiet, stderr=quiet)
            await done.wait()

    await asyncio.gather(work(), work())


def _laid_out(bench: Bench, folder: Path, one: Any, built: Any) -> tuple[Path, Sequence[str], Mapping[str, str]]:
    """A tree with both patches and the recipe's files, and the command that tests it."""
    tree = folder / one.id
    tree.mkdir()
    source = bench.repos / one.repo.name.replace("/", "+")
    git = ["git", "-c", "safe.directory=*", f"--git-dir={source}"]
    subprocess.run(f"{shlex.join([*git, 'archive', one.repo.commit])} | tar -x -C {tree}", shell=True, check=True)
    for patch in (one.gold, one.tests.patch):
        subprocess.run(["git", "apply", "-"], input=patch, text=True, cwd=tree, check=True)
    for path, text in built.environment.files.items():
        (tree / path).write_text(text, encoding="utf-8")
    argv = [word for part in built.environment.test for word in (one.tests.targets if part == "{targets}" else [part])]
    argv = [built.python if word == "python" else word for word in argv]
    same = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8", "PYTHONHASHSEED": "0"}
    return tree, argv, {**same, **built.env}


async def _environment(wired: Any, one: Any) -> Any:
    return await wired.environments.built(one.repo.environment)


async def _raced(bench: Bench, count: int, *, warm: bool) -> int:
    os.environ["EVALKIT_HOME"] = str(bench.home)
    wired = open_wired(
        ["dataset=swebench", "verifier=tests", "sandbox=bubblewrap", "sandbox.concurrency=2", *bench.settings]
    )
    wanted = [one for one in wired.instances if one.repo and one.repo.name in ("sympy/sympy", "django/django")]
    wanted = wanted[:: max(1, len(wanted) // count)][:count]
    spent = {_bare: 0.0, _ours: 0.0}
    for start in range(0, len(wanted), A_BLOCK):  # in turns, so that what else the machine does falls on both
        block = wanted[start : start + A_BLOCK]
        with tempfile.TemporaryDirectory() as folder:
            prepared = [_laid_out(bench, Path(folder), one, await _environment(wired, one)) for one in block]
            if warm:
                await _bare(prepared)
            both = {_bare: lambda: _bare(prepared), _ours: lambda: _ours(block, wired.verifier)}  # noqa: B023  awaited here
            for side in (_bare, _ours) if start // A_BLOCK % 2 == 0 else (_ours, _bare):
                started = time.perf_counter()
                await both[side]()
                spent[side] += time.perf_counter() - started
        print(f"{start + len(block)} instances: bare {spent[_bare]:.1f} s, verdicts {spent[_ours]:.1f} s", flush=True)
    await wired.close()
    most_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"ratio {spent[_ours] / spent[_bare]:.2f}; evalkit's own process took {most_mb} MB at most")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("gold", "answers", "ramp", "speed"))
    parser.add_argument("--repos", type=Path, required=True, help="clones or bare mirrors of the repositories")
    parser.add_argument("--home", type=Path, help="keep runs here (else they are thrown away)")
    parser.add_argument("--only", nargs="+", default=[], help="instances whose id holds one of these words")
    parser.add_argument("--without", nargs="+", default=[], help="not those whose id holds one of these")
    parser.add_argument("--count", type=int, default=20, help="instances that `speed` takes")
    parser.add_argument("--warm", action="store_true", help="the bare commands of `speed` ran once before, unmeasured")
    parser.add_argument("overrides", nargs="*", help="settings of evalkit, e.g. limits.concurrency=2")
    asked = parser.parse_args()
    if not (DATA / "known_good.jsonl").is_file():
        raise SystemExit(f"no instances in {DATA}")
    with tempfile.TemporaryDirectory() as spare:
        home = asked.home or Path(spare)
        home.mkdir(parents=True, exist_ok=True)
        bench = Bench(home.resolve(), asked)
        if asked.what == "speed":
            return asyncio.run(_raced(bench, asked.count, warm=asked.warm))
        return {"gold": gold, "answers": answers, "ramp": ramp}[asked.what](bench)


if __name__ == "__main__":
    sys.exit(main())
