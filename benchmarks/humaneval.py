"""HumanEval from recorded answers: do our verdicts agree with the published ones, and how many come in a minute?

    python benchmarks/humaneval.py [--answers FILE …] [--problems FILE] [--limit N] [OVERRIDE …]

Each file of answers is one `evalkit run` as a user starts it (`model=replay/FILE`, verifier and sandbox in full, no
preflight, no tracker, one attempt). A row of answers has `task_id`, `completion` and
`published_solved`. Prints a table and every disagreement; ends with 1 where one is not among the known ones below.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT.parent / "shared" / "data" / "humaneval"
LADDER = "rungs: {{only: {{model: 'replay/{path}', attempts: 1}}}}\n"
# Why we judge otherwise than published, by answers' file and instance.
ALONE = (
    "the answer is the function alone, and the check calls a helper of the prompt; we run it behind the prompt, as the "
    "original harness does, whoever published it did not"
)
NO_IMPORT = "the answer uses math, which neither it nor the prompt imports"
KNOWN: Mapping[tuple[str, str], str] = {
    ("gpt-3.5-turbo-0613", "HumanEval_38"): ALONE,
    ("gpt-3.5-turbo-0613", "HumanEval_50"): ALONE,
    ("gpt-4-1106-preview", "HumanEval_129"): "right, but tries every path: 20 to 50 s, our limit is 10 s",
    ("starcoder", "HumanEval_106"): NO_IMPORT,
    ("starcoder", "HumanEval_133"): NO_IMPORT,
}


@dataclass(frozen=True, slots=True)
class Regrade:
    """One file of answers judged anew."""

    name: str
    published: Mapping[str, bool]
    ours: Mapping[str, bool]
    messages: Mapping[str, str]
    seconds: float

    @property
    def differing(self) -> list[str]:
        """Instances on which we do not agree."""
        return [one for one in self.published if self.published[one] is not self.ours.get(one)]

    @property
    def unexplained(self) -> list[str]:
        """Of these, those without a known reason."""
        return [one for one in self.differing if (self.name, one) not in KNOWN]


def regrade(answers: Path, problems: Path, overrides: Sequence[str] = ()) -> Regrade:
    """Run evalkit over a file of answers in a home that is thrown away."""
    rows = [json.loads(line) for line in answers.read_text(encoding="utf-8").splitlines()]
    with tempfile.TemporaryDirectory() as home:
        ladder = Path(home, "conf", "ladder", "recorded.yaml")
        ladder.parent.mkdir(parents=True)
        ladder.write_text(LADDER.format(path=answers.resolve()), encoding="utf-8")
        settings = ["ladder=recorded", "dataset=humaneval", f"dataset.path={problems.resolve()}", "verifier=tests"]
        settings += ["tracker=none", "preflight=false", *overrides]
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "evalkit", "run", *settings],
            env=os.environ | {"EVALKIT_HOME": home},
            cwd=home,
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - started
        if done.returncode:
            raise SystemExit(f"evalkit run ended with {done.returncode}:\n{done.stderr[-2000:]}")
        (run,) = Path(home, "mlruns", "runs").iterdir()
        solved = {row["instance_id"]: row["status"] == "solved" for row in _instances(run)}
        messages = {one: _message(run, one) for one in solved}
    published = {_id(row): row["published_solved"] for row in rows if _id(row) in solved}
    return Regrade(answers.stem.removeprefix("answers_"), published, solved, messages, seconds)


def _instances(run: Path) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = json.loads((run / "summary.json").read_text())["instances"]
    return rows


def _message(run: Path, one: str) -> str:
    attempt = json.loads((run / "instances" / one / "attempt_1.json").read_text())
    found = attempt.get("findings") or [{"message": ""}]
    return str(found[0]["message"])


def _id(row: Mapping[str, str]) -> str:
    return row["task_id"].replace("/", "_")


def table(found: Sequence[Regrade]) -> str:
    """What docs/benchmarks.md holds."""
    lines = ["| answers | published | ours | agree | verdicts a minute |", "|---|---|---|---|---|"]
    for one in found:
        agree = len(one.published) - len(one.differing)
        rate = f"{len(one.ours) / one.seconds * 60:.0f}"
        numbers = (sum(one.published.values()), sum(one.ours.values()), f"{agree} of {len(one.published)}", rate)
        lines.append(f"| {one.name} | {' | '.join(map(str, numbers))} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=Path, nargs="+", default=sorted(DATA.glob("answers_*.jsonl")))
    parser.add_argument("--problems", type=Path, default=DATA / "problems.jsonl")
    parser.add_argument("--limit", type=int, help="so many problems of the sample")
    parser.add_argument("overrides", nargs="*", help="settings of evalkit run, e.g. sandbox.concurrency=2")
    asked = parser.parse_args()
    if not asked.answers or not asked.problems.is_file():
        raise SystemExit(f"no answers or problems in {DATA}; name them by --answers and --problems")
    limit = [f"sample.size={asked.limit}"] if asked.limit else []
    found = [regrade(answers, asked.problems, [*limit, *asked.overrides]) for answers in asked.answers]
    print(table(found))
    for one in found:
        for name in one.differing:
            said = "published solved, ours not" if one.published[name] else "published unsolved, ours solved"
            why = KNOWN.get((one.name, name), "UNEXPLAINED")
            print(f"{one.name} {name}: {said}: {why} {one.messages[name][:200]!r}")
    return int(any(one.unexplained for one in found))


if __name__ == "__main__":
    sys.exit(main())
