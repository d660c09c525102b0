"""What evalkit costs beside a bare loop over litellm.acompletion: wall, CPU an attempt, memory; as ratios.

    python benchmarks/overhead.py [--instances 1000] [--latency-ms 200] [--at-once 50] [--repeats 3] [--memory]

Both sides are whole processes (start-up included), alternate in one run, and ask the same local mock server the same
questions. evalkit's side judges every answer by a rule, writes journal and run folder, and logs to MLflow (sqlite).
"""

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SERVER = ROOT.parent / "shared" / "tools" / "mockserver.py"

BARE = """
import asyncio, json, os, sys
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
import litellm
litellm.suppress_debug_info = True
path, base, at_once = sys.argv[1], sys.argv[2], int(sys.argv[3])

async def main():
    gate = asyncio.Semaphore(at_once)
    async def ask(row):
        async with gate:
            reply = await litellm.acompletion(
                model="openai/mock", api_base=base, api_key="none", num_retries=0, max_retries=0, temperature=0.0,
                max_tokens=64, timeout=120, messages=[{"role": "user", "content": row["prompt"]}])
            return reply.choices[0].message.content
    rows = [json.loads(line) for line in open(path)]
    answers = await asyncio.gather(*(ask(row) for row in rows))
    assert len(answers) == len(rows)

asyncio.run(main())
"""


def main() -> None:
    options = arguments()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        server, base = serve(options, work)
        try:
            measure(options, work, base)
            if options.memory:
                memory(work, base)
        finally:
            server.terminate()
            server.wait()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--instances", type=int, default=1000)
    parser.add_argument("--latency-ms", type=int, default=200)
    parser.add_argument("--at-once", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--memory", action="store_true", help="also: 20,000 instances against 1,000")
    parser.add_argument("--server", type=Path, default=SERVER)
    return parser.parse_args()


def serve(options: argparse.Namespace, work: Path) -> tuple[subprocess.Popen[bytes], str]:
    if not options.server.is_file():
        sys.exit(f"no mock server at {options.server}; give one with --server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable,
        str(options.server),
        "serve",
        "--port",
        str(port),
        "--latency",
        f"fixed:{options.latency_ms}",
    ]
    with (work / "server.log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
    for _ in range(100):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1).read()
        except OSError:
            time.sleep(0.1)
        else:
            return server, f"http://127.0.0.1:{port}/v1"
    sys.exit("the mock server did not come up")


def dataset(path: Path, count: int) -> Path:
    with path.open("w") as file:
        for number in range(count):
            rules = [{"id": "hex", "kind": "regex", "pattern": "[0-9a-f]{8}", "message": "Give the code word."}]
            prompt = f"What is the code word of ID=n{number} ? Reply with the code word only."
            file.write(json.dumps({"id": f"n{number}", "prompt": prompt, "rubric": {"rules": rules}}) + "\n")
    return path


def evalkit(home: Path, data: Path, base: str, at_once: int) -> list[str]:
    overrides = [
        "dataset=jsonl",
        f"dataset.path={data}",
        "ladder=single",
        "~ladder.rungs.qwen05",
        "+rung@ladder.rungs.mock=openai",
        "ladder.rungs.mock.model=openai/mock",
        f"ladder.rungs.mock.api_base={base}",
        "ladder.rungs.mock.max_tokens=64",
        "ladder.rungs.mock.temperature=0",
        "ladder.rungs.mock.attempts=1",
        f"limits.concurrency={at_once}",
    ]
    os.environ["EVALKIT_HOME"] = str(home)
    os.environ.setdefault("OPENAI_API_KEY", "none")
    return [sys.executable, "-m", "evalkit", "run", *overrides]


def timed(command: list[str], log: Path) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds and peak memory in MB of a whole process."""
    began = time.perf_counter()
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, cwd=ROOT)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - began
    if process.returncode:
        sys.exit(f"{command[:4]} ended with {process.returncode}:\n{log.read_text()[-3000:]}")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def measure(options: argparse.Namespace, work: Path, base: str) -> None:
    """Two sizes, so that what a process costs once (imports) can be told from what an attempt costs."""
    small, large = options.instances, options.instances * 3
    sides: dict[tuple[str, int], list[tuple[float, float, float]]] = {}
    for repeat in range(options.repeats):
        for count in (small, large):
            data = dataset(work / f"data{count}.jsonl", count)
            home = work / f"home{repeat}-{count}"
            home.mkdir()
            bare = [sys.executable, "-c", BARE, str(data), base, str(options.at_once)]
            sides.setdefault(("bare", count), []).append(timed(bare, work / "bare.log"))
            ours = evalkit(home, data, base, options.at_once)
            sides.setdefault(("evalkit", count), []).append(timed(ours, work / "evalkit.log"))
            shutil.rmtree(home)
    wall = {key: statistics.median(one[0] for one in runs) for key, runs in sides.items()}
    cpu = {key: statistics.median(one[1] for one in runs) for key, runs in sides.items()}
    for count in (small, large):
        ideal = count / options.at_once * options.latency_ms / 1000
        ours, bare_s = wall["evalkit", count], wall["bare", count]
        what = f"{count} instances of {options.latency_ms} ms, {options.at_once} at once (ideal {ideal:.1f} s)"
        print(f"{what}: wall bare {bare_s:.2f} s, evalkit {ours:.2f} s, ratio {ours / bare_s:.3f}")
        print(f"  CPU bare {cpu['bare', count]:.2f} s, evalkit with its tracker {cpu['evalkit', count]:.2f} s")
    slope = {side: (cpu[side, large] - cpu[side, small]) / (large - small) * 1000 for side in ("bare", "evalkit")}
    beyond = slope["evalkit"] - slope["bare"]
    print(f"CPU an attempt (from {small} to {large}): bare {slope['bare']:.2f} ms, evalkit {slope['evalkit']:.2f} ms,")
    print(f"  beyond the bare loop {beyond:.2f} ms, {beyond / slope['bare']:.2f} of litellm's own")


def memory(work: Path, base: str) -> None:
    peaks = {}
    for count in (1000, 20_000):
        home = work / f"memory{count}"
        home.mkdir()
        data = dataset(work / f"data{count}.jsonl", count)
        peaks[count] = timed(evalkit(home, data, base, 100), work / "evalkit.log")
        shutil.rmtree(home)
    print(f"peak memory: {peaks[1000][2]:.0f} MB at 1,000 instances, {peaks[20_000][2]:.0f} MB at 20,000")
    print(f"wall at 20,000: {peaks[20_000][0]:.0f} s")


if __name__ == "__main__":
    main()
