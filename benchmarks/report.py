"""What a report costs: CPU seconds of `evalkit report` by number of climbs, its bytes, and how long a browser needs.

    python benchmarks/report.py 1000 10000

Climbs are made up, with texts of the length of a small coding task's: 2 attempts on average, a prompt of 2,000
characters, an answer of 800. The browser is Chromium (scripts/browser.sh), if there is one.
"""

import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from evalkit.adapters.run_folder import RunFolder
from evalkit.core.failure import Failure
from evalkit.core.ladder import Ladder, Rung
from evalkit.core.summary import DatasetFacts, Facts
from evalkit.core.tally import Tally
from evalkit.core.types import Attempt, Candidate, Completion, Finding, Message, Prompt, Solution, Status, Verdict

WORDS = (
    "value",
    "result",
    "index",
    "number",
    "text",
    "line",
    "list",
    "count",
    "for",
    "in",
    "return",
    "if",
    "else",
    "not",
)
RUNGS = ("small", "middle", "large")


def main() -> None:
    for climbs in [int(size) for size in sys.argv[1:]] or [1000, 10_000]:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "run"
            make(folder, climbs)
            cpu, wall = reported(folder)
            size = (folder / "report.html").stat().st_size
            told = f"{climbs} climbs: {cpu:.2f} s of CPU ({wall:.2f} s), {size / 1e6:.1f} MB"
            print(told + opened(folder / "report.html"), flush=True)


def make(folder: Path, climbs: int) -> None:
    """A run's folder, as a run leaves it."""
    draw = random.Random(0)
    ladder = Ladder({name: Rung(model=f"local/{name}") for name in RUNGS})
    tally, written = Tally(ladder), RunFolder(folder)
    folder.mkdir(parents=True)
    for number in range(climbs):
        solution = climb(f"task-{number:05}", draw)
        tally.add(solution)
        written.climbed(solution)
    facts = Facts("0" * 12, "made up", DatasetFacts("made up", "0" * 64, climbs), "made up", simulated=True, tags={})
    written.finish(tally.summary(facts, status="complete", why="", wall_seconds=1.0))
    (folder / "journal.jsonl").touch()


def climb(name: str, draw: random.Random) -> Solution:
    attempts: list[Attempt] = []
    task, answer = text(draw, 40), text(draw, 16)
    while len(attempts) < len(RUNGS) and not (attempts and attempts[-1].verdict.accepted):
        number = len(attempts) + 1
        accepted = draw.random() < 0.5
        finding = Finding("answer-holds", f"f({number}) returned {draw.random()}", excerpt="return result")
        told = f"{task}\n\nMend this:\n- {finding.message}" if attempts else task
        completion = Completion(f"Here:\n```\n{answer}\n```\n", "m", "stop", 500, 200, 0.0001, 0.5)
        verdict = Verdict(accepted, None if accepted else Failure.RULE_VIOLATION, () if accepted else (finding,))
        prompt = Prompt((Message("system", "You solve tasks."), Message("user", told)), name, 1, number)
        attempts.append(Attempt(number, RUNGS[number - 1], 1, prompt, completion, Candidate(answer), verdict))
        answer = answer.replace(draw.choice(WORDS), draw.choice(WORDS), 2)
    solved = attempts[-1].verdict.accepted
    return Solution(name, 1, Status.SOLVED if solved else Status.UNSOLVED, "accepted", tuple(attempts))


def text(draw: random.Random, lines: int) -> str:
    return "\n".join(" ".join(draw.choices(WORDS, k=10)) for _ in range(lines))


def reported(folder: Path) -> tuple[float, float]:
    """CPU and wall seconds of the command, from its start."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    home = {**os.environ, "EVALKIT_HOME": str(folder.parent)}
    subprocess.run([sys.executable, "-m", "evalkit", "report", folder], check=True, capture_output=True, env=home)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, time.perf_counter() - began


def opened(page: Path) -> str:
    """Until the list is there, a climb is, and a search in all texts has ended: wall, and the main thread's CPU."""
    browser = Path("/usr/bin/chromium")
    if not browser.exists():
        return ""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  only where there is a browser

    with sync_playwright() as tool:
        chromium = tool.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        tab = chromium.new_page()
        metrics = tab.context.new_cdp_session(tab)
        metrics.send("Performance.enable", {"timeDomain": "threadTicks"})
        marks = [mark(metrics)]
        tab.goto(f"file://{page}")
        tab.wait_for_selector("#rows tr")
        marks.append(mark(metrics))
        tab.locator("#rows button").nth(50).click()
        tab.wait_for_selector("dialog[open] .attempt")
        marks.append(mark(metrics))
        tab.keyboard.press("Escape")
        tab.locator("#deep").check()
        tab.locator("#text").fill("returned 0.77")
        tab.locator("#count", has_text=" of ").wait_for(timeout=120_000)
        marks.append(mark(metrics))
        chromium.close()
    steps = zip(("list", "a climb", "search in all texts"), pairwise(marks), strict=True)
    told = [f"{name} {now[0] - then[0]:.2f} s ({now[1] - then[1]:.2f} s of CPU)" for name, (then, now) in steps]
    return f"; in Chromium: {', '.join(told)}"


def mark(metrics: Any) -> tuple[float, float]:
    values = {one["name"]: one["value"] for one in metrics.send("Performance.getMetrics")["metrics"]}
    return time.perf_counter(), values["TaskDuration"]


if __name__ == "__main__":
    main()
