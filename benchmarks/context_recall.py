"""Does the context hold what has to be changed? Recall of the known patches' files and lines, by strategy and budget.

    python benchmarks/context_recall.py --instances FILE --repos FOLDER [--every N] [--only NAME…] [--markdown FILE]

FILE holds instances in SWE-bench's format, FOLDER clones or bare mirrors of their repositories. No model is asked.
An instance counts for `files` where every file that its patch changes is in the context, whole or in part; for
`lines` where the lines that the patch replaces (for one that only adds: the line before) are all shown, for only
then can an edit be written. `--every 3` takes every third instance of each repository. `--markdown` puts the table
between the marks of docs/context.md. `--only` measures strategies by their names in the table. Ctrl-C ends it with
what was measured: the order is random (seed 0), so that this is a random sample of the instances.
"""

import argparse
import re
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from signal import SIGINT, signal
from typing import Any, TypeVar

from evalkit.adapters.git_workspace import GitWorkspace
from evalkit.adapters.litellm_model.tokens import count_tokens
from evalkit.adapters.swebench_dataset import SweBenchDataset
from evalkit.core.budget import Chosen, Context, Source, choose
from evalkit.core.context import cut
from evalkit.core.ladder import Rung
from evalkit.core.types import Instance
from evalkit.places import Places

BUDGETS = (4_000, 13_000, 27_000, 50_000)
RUNG = Rung("scripted/none")
STRATEGIES: Mapping[str, Mapping[str, object]] = {
    "head": {"kind": "head"},
    "BM25, whole files": {"kind": "keyword", "cut": "head"},
    "keyword": {"kind": "keyword"},
    "traceback": {"kind": "traceback"},
    "imports (after keyword, 0.6)": {"kind": "sources", "sources": [Source("keyword", 0.6), "imports"]},
    "traceback 0.4, keyword": {"kind": "sources", "sources": [Source("traceback", 0.4), "keyword"]},
    "repo": {"kind": "combined"},
}
Hit = tuple[bool, bool]
T = TypeVar("T")
KEPT: list[dict[tuple[object, ...], Any]] = []  # of the instance under way
STOP: list[bool] = []  # Ctrl-C: the instance under way is the last
_FILE = re.compile(r"^--- a/(.+?)\s*$", re.MULTILINE)
MARKS = ("<!-- recall -->\n", "<!-- end of recall -->")


def changed(patch: str) -> dict[str, set[int]]:
    """The lines that a unified diff replaces, by file; of what it only adds, the line before."""
    found: dict[str, set[int]] = defaultdict(set)
    path, at = "", 0
    for line in patch.splitlines():
        if named := _FILE.match(line):
            path = named[1]
            found[path]  # a file may only be deleted from
        elif line.startswith(("+++ ", "--- ", "diff ")):
            continue
        elif hunk := re.match(r"@@ -(\d+)", line):
            at, replaced = int(hunk[1]), False
        elif line.startswith("-"):
            found[path].add(at)
            at, replaced = at + 1, True
        elif line.startswith("+"):
            if not replaced:
                found[path].add(max(at - 1, 1))
        elif path:
            at, replaced = at + 1, False
    return found


def hit(chosen: Chosen, gold: Mapping[str, set[int]]) -> Hit:
    """Whether all files, and all lines, are shown; an outline shows neither."""
    shown = {file.path: file.spans for file in chosen.files if file.spans}
    files = all(path in shown for path in gold)
    lines = files and all(
        any(first <= line <= last for first, last in shown[path]) for path, wanted in gold.items() for line in wanted
    )
    return files, lines


def read(path: str, repos: str, every: int) -> Iterator[Instance]:
    workspace = GitWorkspace(repos=repos, cache=str(Path.home() / ".cache" / "evalkit" / "repos"), places=Places())
    seen: dict[str, int] = defaultdict(int)
    for instance in SweBenchDataset(path, places=Places(), workspace=workspace).load().instances:
        name = instance.repo.name if instance.repo else ""
        seen[name] += 1
        if (seen[name] - 1) % every == 0:
            yield instance


def measure(
    instances: Sequence[Instance], strategies: Mapping[str, Mapping[str, object]], budgets: Sequence[int] = BUDGETS
) -> tuple[dict[tuple[str, int], list[Hit]], list[float]]:
    """Hits by strategy and budget, and the seconds that each instance's first choice took."""
    hits: dict[tuple[str, int], list[Hit]] = defaultdict(list)
    seconds = []
    count = _once_each(count_tokens)
    for number, instance in enumerate(instances, 1):
        if STOP:
            break
        started, gold = time.monotonic(), changed(instance.gold)
        choose(Context(tokens=13_000, **STRATEGIES["repo"]), instance, RUNG, count_tokens)  # type: ignore[arg-type]
        seconds.append(time.monotonic() - started)
        for name, settings in strategies.items():
            for tokens in budgets:
                context = Context(tokens=tokens, **settings)  # type: ignore[arg-type]
                hits[name, tokens].append(hit(choose(context, instance, RUNG, count), gold))
        for kept in KEPT:
            kept.clear()
        if number % 10 == 0:
            print(f"{number} of {len(instances)}", file=sys.stderr, flush=True)
    return hits, seconds


def _once_each(one: Callable[..., T]) -> Callable[..., T]:
    """`one`, which gives what it gave before: each strategy and budget cuts an instance's same files again."""
    kept: dict[tuple[object, ...], T] = {}
    KEPT.append(kept)

    def again(*asked: object) -> T:
        if asked not in kept:
            kept[asked] = one(*asked)
        return kept[asked]

    return again


def table(hits: Mapping[tuple[str, int], Sequence[Hit]]) -> str:
    budgets = sorted({tokens for _, tokens in hits})
    lines = [
        "| strategy | " + " | ".join(f"{tokens // 1000}k files | {tokens // 1000}k lines" for tokens in budgets) + " |",
        "|---" * (1 + 2 * len(budgets)) + "|",
    ]
    for name in dict.fromkeys(name for name, _ in hits):
        cells = [sum(one[at] for one in hits[name, tokens]) for tokens in budgets for at in (0, 1)]
        count = len(hits[name, budgets[0]])
        lines.append(f"| {name} | " + " | ".join(f"{100 * cell / count:.1f}" for cell in cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--instances", required=True)
    parser.add_argument("--repos", required=True)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=STRATEGIES, default=list(STRATEGIES), metavar="NAME")
    parser.add_argument("--markdown")
    args = parser.parse_args()
    instances = list(read(args.instances, args.repos, args.every))
    Random(0).shuffle(instances)
    cut.blocks, cut.words = _once_each(cut.blocks), _once_each(cut.words)
    signal(SIGINT, lambda *_: STOP.append(True))
    hits, seconds = measure(instances, {name: STRATEGIES[name] for name in args.only})
    seconds.sort()
    said = (
        f"{len(seconds)} of {len(instances)} instances, % of them. First choice of an instance: median "
        f"{seconds[len(seconds) // 2]:.1f} s, 95th percentile {seconds[int(len(seconds) * 0.95)]:.1f} s.\n\n"
        f"{table(hits)}\n"
    )
    print(said)
    if args.markdown:
        page = Path(args.markdown)
        before, _, rest = page.read_text(encoding="utf-8").partition(MARKS[0])
        after = rest.partition(MARKS[1])[2]
        page.write_text(f"{before}{MARKS[0]}\n{said}\n{MARKS[1]}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
