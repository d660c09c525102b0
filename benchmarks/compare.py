"""How much CPU does it take to compare two runs of many instances?

    python benchmarks/compare.py [--instances N] [--epochs N] [--runs N] [OPTION …]

Writes folders of generated runs (each climb a row of the summary, each instance with tags, difficulty and one of 12
repositories) into a home that is thrown away, and starts `evalkit compare` on them, as a user does; further options are
handed on (`--no-track`, `--format json`). Prints CPU seconds (user and system, with all processes it starts) of a first
comparison, and of the same again, which finds its folder and its MLflow run.
"""

import argparse
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from evalkit.adapters.mlflow_store import local_uri, open_store
from evalkit.adapters.run_folder import RunFolder
from evalkit.core.ladder import Ladder, Rung
from evalkit.core.ports import RunRecord
from evalkit.core.summary import DatasetFacts, Facts, InstanceRow
from evalkit.core.tally import Tally
from evalkit.core.traits import Traits
from evalkit.core.types import Status

LADDER = Ladder({"small": Rung("scripted/small"), "big": Rung("scripted/big")}, name="generated")
DIFFICULTIES = ("easy", "medium", "hard")
TRACKER = "tracker: {_target_: evalkit.adapters.mlflow_tracker.MlflowTracker, uri: null, experiment: evalkit}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--instances", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--runs", type=int, default=2)
    args, options = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as home:
        keys = [
            make(Path(home), f"run{number}", args.instances, args.epochs, 0.55 + 0.05 * number)
            for number in range(args.runs)
        ]
        open_store(local_uri(home), home)  # a user has one; making its tables takes as long as the rest
        for what in ("first", "again"):
            seconds, wall = measured(home, [*keys, *options])
            print(f"{what}: {args.runs} runs of {args.instances} x {args.epochs}: {seconds:.2f} s of CPU, {wall:.2f} s")


def make(home: Path, name: str, instances: int, epochs: int, rate: float) -> str:
    """A run's folder; returns its key."""
    chance = random.Random(name)
    key = f"{chance.getrandbits(48):012x}"
    folder = RunFolder(home / "mlruns" / "runs" / key)
    tally = Tally(LADDER)
    tally.rows = [row(number, epoch + 1, rate, chance) for number in range(instances) for epoch in range(epochs)]
    for one in tally.rows:
        tally.counts[one.status] += 1
        tally.cost.add(one.cost_usd)
    dataset = DatasetFacts("generated", "ab" * 32, instances)
    tags = {"evalkit.simulated": "true", "evalkit.kind": "run"}
    record = RunRecord(
        key, name, "run", str(folder.path), "evalkit", {}, tags, "generated", "ab" * 32, instances, instances * epochs
    )
    known = [
        Traits(
            f"i{number}",
            (f"tag{number % 7}", f"tag{number % 3}"),
            DIFFICULTIES[number % 3],
            f"repo{min(11, int(random.Random(number).expovariate(0.4)))}",
        )
        for number in range(instances)
    ]
    folder.begin(record, TRACKER, {}, "", known)
    facts = Facts(key, name, dataset, "generated", simulated=True, tags=tags)
    folder.finish(tally.summary(facts, status="complete", why="", wall_seconds=100.0))
    (folder.path / "journal.jsonl").touch()
    return key


def row(number: int, epoch: int, rate: float, chance: random.Random) -> InstanceRow:
    hardness = random.Random(number).random()
    solved = chance.random() < rate * 2 * (1 - hardness)
    attempts = chance.randint(1, 6)
    return InstanceRow(
        instance_id=f"i{number}",
        epoch=epoch,
        solved=solved,
        status=Status.SOLVED if solved else Status.UNSOLVED,
        attempts=attempts,
        attempts_needed=attempts if solved else None,
        rung=chance.choice(("small", "big")) if solved else None,
        error_type=None if solved else chance.choice(("tests_failed", "rule_violation", "no_answer")),
        final_error=None if solved else "3 of 5 tests fail: expected 4, found 5",
        time_seconds=chance.expovariate(0.2),
        cost_usd=chance.expovariate(100.0),
        tokens_prompt=chance.randint(100, 3000),
        tokens_completion=chance.randint(100, 1000),
    )


def measured(home: str, arguments: list[str]) -> tuple[float, float]:
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "evalkit", "compare", *arguments],
        env=os.environ | {"EVALKIT_HOME": home},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return spent, time.perf_counter() - began


if __name__ == "__main__":
    main()
