"""How long does `evalkit runs` take over a store of many runs?

    python benchmarks/runs.py [--runs 1000]

Publishes one run folder's facts as so many MLflow runs (40 params, 25 metrics, 12 tags each) into a sqlite store of its
own, then times the command as a user starts it, for the newest 50 and for all, and MLflow's search over the same.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from evalkit.adapters.mlflow_store import experiment_id, local_uri, open_store


def main() -> None:
    """Fill a store, and print a line a way of asking."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        fill(Path(home), asked.runs)
        print("| asked for | wall s | CPU s |\n|---|---|---|")
        for what in (["--limit", "50"], ["--limit", str(asked.runs)], ["--limit", str(asked.runs), "--format", "json"]):
            told(f"evalkit runs {' '.join(what)}", [sys.executable, "-m", "evalkit", "runs", *what], home)
        told("MLflow's own search, loaded and run", [sys.executable, "-c", SEARCH, local_uri(home)], home)


SEARCH = """
import sys
from mlflow import MlflowClient
client, token, found = MlflowClient(sys.argv[1]), None, 0
while True:
    page = client.search_runs(["1"], max_results=1000, page_token=token)
    found, token = found + len(page), page.token
    if not token:
        break
"""


def fill(home: Path, runs: int) -> None:
    """Make so many runs that look like evalkit's."""
    from mlflow.entities import Metric, Param, RunTag  # noqa: PLC0415  after open_store has set its environment

    client = open_store(local_uri(str(home)), str(home))
    number = experiment_id(client, "evalkit", local_uri(str(home)), str(home))
    rates = ("solved_rate", "solved_rate_low", "solved_rate_high")
    counts = ("solved", "unsolved", "unfinished", "quarantined", "attempts_mean", "cost_usd", "wall_seconds")
    more = (*(f"solved_on.rung{n}" for n in range(5)), *(f"failure.class{n}" for n in range(10)))
    for run in range(runs):
        tags = {"evalkit.key": f"{run:012x}", "evalkit.kind": "run", "evalkit.status": "complete"}
        tags |= {f"evalkit.more{n}": "value" for n in range(9)}
        made = client.create_run(number, start_time=run, run_name=f"run {run}", tags=tags)
        metrics = [Metric(name, 0.5, run, 0) for name in (*rates, *counts, *more)]
        params = [Param(f"ladder.rungs.some.key{n}", "value") for n in range(38)]
        params += [Param("ladder", "local"), Param("dataset", "starter")]
        client.log_batch(made.info.run_id, metrics=metrics, params=params, tags=[RunTag("evalkit.feedback", "last")])


def told(what: str, command: list[str], home: str) -> None:
    """Print the time of the best of three."""
    best = (float("inf"), float("inf"))
    for _ in range(3):
        began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, env={**os.environ, "EVALKIT_HOME": home}, check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        best = min(best, (time.perf_counter() - began, cpu))
    print(f"| {what} | {best[0]:.2f} | {best[1]:.2f} |", flush=True)


if __name__ == "__main__":
    main()
