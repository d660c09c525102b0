"""A whole `evalkit run` beside bare loops and other harnesses, over one mock server, in one go; all as ratios.

    python benchmarks/peers.py [wall] [cpu] [ladder] [kill] [--repeats 3] [--kills 20] [--peers FOLDER]

`wall`: 1,000 instances of 200 ms, 50 at once. `cpu`: 2,000 of 50 ms, 100 at once, CPU an attempt as the slope from
200 instances to 2,200, so that start-up does not count. `ladder`: 300 instances over three models, which take 586
calls. `kill`: 400 instances, 20 at once, killed (SIGKILL) at half and run again: how many answers are paid twice.
Sides take turns within each repeat; the medians are told. The window is the server's own: from the first request to
the last reply. The server takes its share of the same cores.

FOLDER holds the peers that are to be measured too, each as its own package installs it: inspect/bin/inspect (a venv
with inspect_ai and openai), lm_eval/bin/lm_eval (a venv with lm_eval[api]), node_modules/.bin/promptfoo (by npm).
"""

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import bare_loops
import peer_tasks
from overhead import ROOT, SERVER, timed

NEVER_S = 600.0


@dataclass(frozen=True)
class Load:
    """What is asked: so many instances, answers of so many milliseconds, so many at once."""

    instances: int
    latency_ms: int
    at_once: int
    models: tuple[str, ...] = ("mock",)

    @property
    def ideal_s(self) -> float:
        """Seconds, if nothing but the answers took any."""
        return self.instances * self.latency_ms / 1000 / self.at_once


@dataclass(frozen=True)
class Took:
    """Seconds of the whole process, of CPU (its children included), and of the server's window; requests that came."""

    wall: float
    cpu: float
    window: float
    requests: int


Side = Callable[[Load, Path, str, Path], list[str]]  # load, data, base URL, a folder of its own: the command


class Bench:
    """A mock server, and commands that are run against it."""

    def __init__(self, work: Path, server: Path, peers: Path | None) -> None:
        self.work = work
        self.peers = peers
        self._server = server
        self._count = 0

    @contextmanager
    def serving(self, latency_ms: int) -> Iterator[str]:
        """The server's base URL while the block runs."""
        command = [sys.executable, str(self._server), "serve", "--port", "0", "--latency", f"fixed:{latency_ms}"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[2]
        finally:
            process.kill()
            process.wait()

    def took(self, side: Side, load: Load, base: str) -> Took:
        """One run of one side."""
        folder = self.folder()
        data = dataset(folder / "data.jsonl", load.instances)
        asked(base, "reset", post=True)
        wall, cpu, _ = timed(side(load, data, base, folder), folder / "log")
        told = asked(base, "stats")
        shutil.rmtree(folder)
        return Took(wall, cpu, told["window_s"], told["requests"])

    def folder(self) -> Path:
        """A new one."""
        self._count += 1
        made = self.work / f"{self._count}"
        made.mkdir()
        return made

    def sides(self) -> dict[str, Side]:
        """What is there to measure; a line for what is not."""
        found: dict[str, Side] = {
            "aiohttp loop": bare("AIOHTTP"),
            "litellm loop": bare("LITELLM"),
            "litellm loop, hosted_vllm": bare("LITELLM_BEST"),
            "evalkit": ours("{at_once}"),
            "evalkit, first of its config": ours("{at_once}", is_first=True),
            "evalkit, auto": ours("auto"),
        }
        for name, path, task in peer_tasks.PEERS:
            program = self.peers / path if self.peers else Path("nowhere")
            if program.exists():
                found[name] = lambda load, data, base, folder, task=task, program=program: task(
                    program, load, data, base, folder
                )
            elif self.peers:
                print(f"{name}: not installed ({path} in {self.peers}), left out")
        return found


def bare(name: str) -> Side:
    def command(load: Load, data: Path, base: str, _: Path) -> list[str]:
        return [sys.executable, "-c", getattr(bare_loops, name), str(data), base, str(load.at_once)]

    return command


def ours(concurrency: str, *more: str, is_first: bool = False) -> Side:
    """`evalkit run`; `is_first` has nothing in its cache, so that litellm is loaded to learn how to ask."""

    def command(load: Load, data: Path, base: str, folder: Path) -> list[str]:
        os.environ["EVALKIT_HOME"] = str(folder)
        os.environ["EVALKIT_CACHE"] = str(folder if is_first else folder.parent / "cache")
        os.environ["PYTHONPATH"] = str(ROOT)
        os.environ.setdefault("OPENAI_API_KEY", "none")
        (folder / "conf" / "ladder").mkdir(parents=True, exist_ok=True)
        rung = {"api_base": base, "max_tokens": 64, "temperature": 0.0, "attempts": 1}
        rungs = {name: {"model": f"openai/{name}", **rung} for name in load.models}
        (folder / "conf" / "ladder" / "mocked.yaml").write_text(json.dumps({"name": "mocked", "rungs": rungs}))
        own = data.with_suffix(".evalkit")
        how = ["ladder=mocked", "dataset=jsonl", f"dataset.path={own}", f"max_attempts={len(load.models)}", *more]
        return [
            sys.executable,
            "-m",
            "evalkit",
            "run",
            *how,
            f"limits.concurrency={concurrency}".format_map(vars(load)),
        ]

    return command


def dataset(path: Path, count: int) -> Path:
    """As the mock server's own `gen` writes it, and for evalkit with a rule that takes the right answer only."""
    with path.open("w") as file, path.with_suffix(".evalkit").open("w") as own:
        for number in range(count):
            name = f"i{number:05d}"
            gold = blake2b(name.encode(), digest_size=4).hexdigest()
            prompt = f"What is the code word of ID={name} ? Reply with the code word only."
            rules = [{"id": "word", "kind": "regex", "pattern": f"^{gold}$", "message": "That is not the code word."}]
            file.write(json.dumps({"id": name, "prompt": prompt, "target": gold}) + "\n")
            own.write(json.dumps({"id": name, "prompt": prompt, "rubric": {"rules": rules}}) + "\n")
    return path


def asked(base: str, what: str, *, post: bool = False) -> Any:
    url = base.removesuffix("/v1") + f"/{what}"
    request = urllib.request.Request(url, method="POST" if post else "GET", data=b"{}" if post else None)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read() or b"{}")


def medians(bench: Bench, sides: dict[str, Side], load: Load, repeats: int) -> dict[str, Took]:
    """Sides take turns, so that all meet the same noise."""
    runs: dict[str, list[Took]] = {name: [] for name in sides}
    with bench.serving(load.latency_ms) as base:
        bench.took(ours("{at_once}"), replace(load, instances=10), base)  # so that only who says so is the first
        for _ in range(repeats):
            for name, side in sides.items():
                runs[name].append(bench.took(side, load, base))
    middle = statistics.median
    return {
        name: Took(
            middle(run.wall for run in one),
            middle(run.cpu for run in one),
            middle(run.window for run in one),
            one[-1].requests,
        )
        for name, one in runs.items()
    }


def wall(bench: Bench, options: argparse.Namespace) -> None:
    load = Load(1000, 200, 50)
    found = medians(bench, bench.sides(), load, options.repeats)
    print(f"\n{load.instances} instances of {load.latency_ms} ms, {load.at_once} at once: ideal {load.ideal_s:.1f} s")
    table(found, load.ideal_s, "aiohttp loop", "litellm loop")


def ladder(bench: Bench, options: argparse.Namespace) -> None:
    load = Load(300, 200, 50, ("small", "medium", "large"))
    sides = {name: side for name, side in bench.sides().items() if name.startswith("evalkit")}
    sides = {"aiohttp loop": bare("AIOHTTP_LADDER"), **sides}
    found = medians(bench, sides, load, options.repeats)
    calls = found["evalkit"].requests
    ideal = calls * load.latency_ms / 1000 / load.at_once
    print(f"\nA ladder of three models, {load.instances} instances, {calls} calls: ideal {ideal:.2f} s")
    table(found, ideal, "aiohttp loop", "aiohttp loop")


def table(found: dict[str, Took], ideal: float, floor: str, whole: str) -> None:
    print(
        f"{'':29} {'window s':>8} {'x ideal':>8} {'x floor':>8} {'whole s':>8} {'x ' + whole:>14} {'CPU s':>6} requests"
    )
    for name, took in found.items():
        ratios = took.window / ideal, took.window / found[floor].window, took.wall / found[whole].wall
        print(
            f"{name:29} {took.window:8.2f} {ratios[0]:8.2f} {ratios[1]:8.2f} {took.wall:8.1f} {ratios[2]:14.2f} "
            f"{took.cpu:6.1f} {took.requests:8}"
        )


def cpu(bench: Bench, options: argparse.Namespace) -> None:
    few, many = Load(200, 50, 100), Load(2200, 50, 100)
    sides = {name: side for name, side in bench.sides().items() if not name.startswith("evalkit")}
    sides["evalkit"] = ours("{at_once}", "report_up_to=0")  # else the smaller runs alone have a report
    sides["evalkit, no tracker"] = ours("{at_once}", "report_up_to=0", "tracker=none")
    first, last = (medians(bench, sides, load, options.repeats) for load in (few, many))
    more = many.instances - few.instances
    slopes = {name: (last[name].cpu - first[name].cpu) / more * 1000 for name in sides}
    best = min(slopes["litellm loop"], slopes["litellm loop, hosted_vllm"])
    print(f"\nCPU an attempt, {more} more instances of {few.latency_ms} ms, {few.at_once} at once")
    print(f"{'':29} {'ms':>6} {'beyond litellm':>15} {'x litellm':>10} {'a second':>9}")
    for name, slope in slopes.items():
        rate = more / (last[name].window - first[name].window)
        print(f"{name:29} {slope:6.2f} {slope - best:15.2f} {slope / best:10.2f} {rate:9.0f}")


def kill(bench: Bench, options: argparse.Namespace) -> None:
    load = Load(400, 100, 20)
    paid = [killed(bench, load) for _ in range(options.kills)]
    found = f"{statistics.mean(paid):.2f} on the mean, {max(paid)} at most"
    print(f"\nkill -9 at half of {load.instances}, {load.at_once} at once, {options.kills} times: answers paid twice")
    print(f"evalkit: {found}; each: {' '.join(map(str, paid))}")


def killed(bench: Bench, load: Load) -> int:
    """Answered requests that were sent again after the kill."""
    folder = bench.folder()
    with bench.serving(load.latency_ms) as base:
        command = ours("{at_once}", "tracker=none")(load, dataset(folder / "data.jsonl", load.instances), base, folder)
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=ROOT)
        until = time.monotonic() + NEVER_S
        while asked(base, "stats")["ok"] < load.instances // 2 and time.monotonic() < until:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        timed(command, folder / "log")
        paid = asked(base, "stats")["repeats_after_ok"]
    shutil.rmtree(folder)
    return int(paid)


SCENARIOS = {"wall": wall, "cpu": cpu, "ladder": ladder, "kill": kill}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenario", nargs="*", choices=[*SCENARIOS, []], help="all, if none is named")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--server", type=Path, default=SERVER)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), options.server, options.peers)
        for name in options.scenario or SCENARIOS:
            SCENARIOS[name](bench, options)


if __name__ == "__main__":
    main()
