"""One run by 1, 2 and more processes: attempts a second, and the CPU of the run and of its workers an attempt.

    python benchmarks/workers.py [--instances 2000] [--latency-ms 50] [--at-once 100] [--processes 1,2]

The mock server takes a CPU of its own, and each worker one: what can be shown in attempts a second hangs on how many
there are. The CPU an attempt does not: it is the difference of two runs, one of a tenth, so that start-up is left out.
What the run takes an attempt is what bounds all workers together.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

from overhead import SERVER, serve

RUN = """
import json, os, sys, time
from evalkit.cli import main
began = time.perf_counter()
code = main(sys.argv[1:])
took = os.times()
print(json.dumps({"code": code, "run": took.user + took.system, "workers": took.children_user + took.children_system,
                  "wall": time.perf_counter() - began}), file=sys.stderr)
"""
RULES = [{"id": "hex", "kind": "regex", "pattern": "^[0-9a-f]{8}$", "message": "Eight hex digits."}]


def main() -> None:
    options = arguments()
    with tempfile.TemporaryDirectory() as folder:
        server, base = serve(options, Path(folder))
        try:
            run(options, Path(folder), base, 1, 10)  # what is compiled and read for the first time
            shown = [measured(options, Path(folder), base, int(one)) for one in options.processes.split(",")]
        finally:
            server.terminate()
            server.wait()
    first = shown[0]["attempts_s"]
    print(
        f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}; ideal {options.at_once / options.latency_ms:.1f} a ms"
    )
    print("processes  attempts/s        CPU ms an attempt: run  workers    start-up CPU s")
    for one in shown:
        ratio = f"({one['attempts_s'] / first:.2f} x)"
        rate = f"{one['attempts_s']:10.0f} {ratio:9}"
        print(f"{one['processes']:9}  {rate} {one['run_ms']:19.2f} {one['workers_ms']:8.2f} {one['start_s']:17.1f}")


def measured(options: argparse.Namespace, work: Path, base: str, processes: int) -> dict[str, float]:
    few, many = options.instances // 10, options.instances
    small, _ = run(options, work, base, processes, few)
    large, window_s = run(options, work, base, processes, many)
    per = 1000 / (many - few)
    run_ms, workers_ms = (per * (large[what] - small[what]) for what in ("run", "workers"))
    start_s = small["run"] + small["workers"] - few * (run_ms + workers_ms) / 1000
    return {
        "processes": processes,
        "attempts_s": many / window_s,
        "run_ms": run_ms,
        "workers_ms": workers_ms,
        "start_s": start_s,
    }


def run(
    options: argparse.Namespace, work: Path, base: str, processes: int, count: int
) -> tuple[dict[str, float], float]:
    """The CPU seconds of a run and of its workers, and the server's seconds from first request to last reply."""
    home = work / f"{processes}-{count}"
    (home / "conf/ladder").mkdir(parents=True)
    rung = f"{{model: openai/mock, api_base: '{base}', max_tokens: 64}}"
    (home / "conf/ladder/mock.yaml").write_text(f"rungs: {{only: {rung}}}\n")
    rows = (
        {"id": f"q{n}", "prompt": f"What is the code word of ID=q{n} ?", "rubric": {"rules": RULES}}
        for n in range(count)
    )
    (home / "tasks.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    ask(base, "/reset", {})
    settings = ["dataset=jsonl", "dataset.path=tasks.jsonl", "ladder=mock", "tracker=none", "preflight=false"]
    settings += [f"limits.concurrency={options.at_once}", f"limits.processes={processes}", "report_up_to=0"]
    done = subprocess.run(
        [sys.executable, "-c", RUN, "run", *settings],
        cwd=home,
        env={**os.environ, "EVALKIT_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,  # what it said is shown instead
    )
    told = json.loads(done.stderr.splitlines()[-1])
    assert told["code"] == 0, done.stderr
    return told, ask(base, "/stats")["window_s"]


def ask(base: str, path: str, body: object = None) -> dict[str, float]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(base.removesuffix("/v1") + path, data)
    with urllib.request.urlopen(request) as reply:
        return json.load(reply) if body is None else {}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--instances", type=int, default=2000)
    parser.add_argument("--latency-ms", type=float, default=50)
    parser.add_argument("--at-once", type=int, default=100)
    parser.add_argument("--processes", default="1,2")
    parser.add_argument("--server", type=Path, default=SERVER)
    return parser.parse_args()


if __name__ == "__main__":
    main()
