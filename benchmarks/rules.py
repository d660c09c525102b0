"""What judging costs: CPU of the hard task's 15 rules on a Rust answer of 150 lines, without compiler and tests.

    python benchmarks/rules.py [--repeats 200] [--each]

Every repeat is another text (a comment is counted up), so that nothing is remembered from the one before. The ratio to
a fixed Python loop, measured between the repeats, is what can be compared between machines.
"""

import argparse
import statistics
import time
from pathlib import Path

from evalkit.adapters.rubric_files import load_rubric
from evalkit.core.judge import judge
from evalkit.core.rubric import Rubric
from evalkit.run.checking import is_pure

ROOT = Path(__file__).resolve().parent.parent
ANSWERS = ROOT / "conf" / "dataset" / "hard_rust" / "accepted"
LINES = 150


def main() -> None:
    options = arguments()
    begin = time.process_time()
    rubric = load_rubric(ROOT / "rubrics" / "bounded_fetch.yaml")
    rubric = Rubric(rubric.name, tuple(rule for rule in rubric.rules if is_pure(rule.check)))
    text = answer()
    judge(rubric, text)
    print(f"{len(rubric.rules)} rules; reading them and the first judgement: {since(begin):.0f} ms")
    print(f"answer: {len(text.splitlines())} lines, {len(text)} characters")
    spent, loops = [], []
    for number in range(options.repeats):
        loops.append(loop())
        spent.append(judged(rubric, f"{text}\n// {number}\n"))
    middle, fixed = statistics.median(spent), statistics.median(loops)
    print(f"CPU of one judgement: median {middle:.2f} ms, least {min(spent):.2f} ms (goal: under 5 ms)")
    print(f"a million additions in Python: median {fixed:.1f} ms, least {min(loops):.1f} ms")
    print(f"ratio of the medians: {middle / fixed:.3f}, of the least: {min(spent) / min(loops):.3f}")
    if options.each:
        each(rubric, text)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--each", action="store_true", help="the share of each rule too")
    return parser.parse_args()


def answer() -> str:
    """Accepted answers, the second and following ones in modules of their own, of at least 150 lines in all."""
    parts = sorted((path.read_text(encoding="utf-8").splitlines() for path in ANSWERS.glob("*.rs")), key=len)
    lines = parts[0]
    for number, part in enumerate(parts[1:]):
        if len(lines) < LINES:
            lines = [*lines, f"mod other_{number} {{", *(f"    {line}" for line in part), "}"]
    return "\n".join(lines)


def judged(rubric: Rubric, text: str) -> float:
    begin = time.process_time()
    judge(rubric, text)
    return since(begin)


def loop() -> float:
    begin = time.process_time()
    total = 0
    for number in range(1_000_000):
        total += number
    return since(begin)


def each(rubric: Rubric, text: str) -> None:
    for rule in rubric.rules:
        alone = Rubric(rubric.name, (rule,))
        judge(alone, text)
        spent = [judged(alone, text) for _ in range(50)]  # the same text: parsing is not in it
        print(f"  {rule.id:<24} {statistics.median(spent):.3f} ms")


def since(begin: float) -> float:
    return (time.process_time() - begin) * 1000


if __name__ == "__main__":
    main()
