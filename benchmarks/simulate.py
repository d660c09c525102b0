"""evalkit simulate against the truth: ladders simulated from recorded answers, and really run over the same answers.

    python benchmarks/simulate.py [--home FOLDER] [--limit N] [--swebench FOLDER] [--speed]

Each recorded HumanEval system is run alone (`evalkit run`, one attempt, verifier and sandbox in full, feedback=none);
`evalkit simulate` then foretells other ladders of them, and each is really run, replaying the same answers. Solved,
attempts and the accepted rung of every instance must agree, and so must cost, with prices given. Ends with 1 where
anything differs. With --home, what was run there before is not run again. --swebench takes the folder of a ladder of
recorded SWE-bench systems that was really run (`swebench.py ramp`), and simulates it from the published outcomes of
each. --speed times the search itself: 300
instances and 6 rungs, up to 3 attempts each, made up.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT.parent / "shared" / "data" / "humaneval"
SYSTEMS = {"starcoder": "starcoder", "gpt35": "gpt-3.5-turbo-0613", "gpt4": "gpt-4-1106-preview"}
PRICES = {"starcoder": (0.05, 0.05), "gpt35": (0.5, 1.5), "gpt4": (10, 30)}  # US dollars a million tokens
LADDERS = (
    ("starcoder,gpt35,gpt4", 10),
    ("gpt4,gpt35,starcoder", 10),
    ("starcoder,gpt4", 10),
    ("gpt35,gpt4,starcoder", 2),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, help="keep runs here; else they are thrown away")
    parser.add_argument("--limit", type=int, help="so many problems of the sample")
    parser.add_argument("--swebench", type=Path, help="the folder of a really run ladder of recorded systems")
    parser.add_argument("--speed", action="store_true", help="time the search alone")
    asked = parser.parse_args()
    if asked.speed:
        return speed()
    if asked.swebench:
        return swebench(asked.swebench)
    if not (DATA / "problems.jsonl").is_file():
        raise SystemExit(f"no recorded answers in {DATA}")
    with tempfile.TemporaryDirectory() as folder:
        home = (asked.home or Path(folder)).resolve()
        home.mkdir(parents=True, exist_ok=True)
        return truth(home, [f"sample.size={asked.limit}"] if asked.limit else [])


def truth(home: Path, more: list[str]) -> int:
    for name in SYSTEMS:
        run(home, name, [name], 10, more)
    wrong = 0
    print("| ladder | max_attempts | simulated | really run | attempts | agree |\n|---|---|---|---|---|---|")
    for rungs, cap in LADDERS:
        options = [f"--ladder={rungs}", f"--max-attempts={cap}", "--format=json", f"--figure={home / 'frontier.png'}"]
        found = json.loads(evalkit(home, "simulate", *SYSTEMS, *options).stdout)
        told = next(one for one in found["ladders"] if "asked for" in one["kinds"])
        really = run(home, f"{rungs.replace(',', '-')}-{cap}", rungs.split(","), cap, more)
        made = sum(one["attempts"] for one in really["by_rung"])
        agree = (
            told["exact"] == told["climbs"]
            and told["solved"]["value"] == really["counts"]["solved"]
            and round(told["attempts_mean"] * told["climbs"]) == made
        )
        wrong += not agree
        counts = f"{told['solved']['value']:g} | {really['counts']['solved']} of {told['climbs']}"
        print(f"| {rungs} | {cap} | {counts} | {made} | {'yes' if agree else 'NO'} |")
    return int(wrong > 0)


def run(home: Path, name: str, rungs: list[str], cap: int, more: list[str]) -> dict:
    """Really run a ladder of recorded answers, or resume it; its summary."""
    models = {rung: {"model": f"replay/{DATA / f'answers_{SYSTEMS[rung]}.jsonl'}"} for rung in rungs}
    path = home / "conf" / "ladder" / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"rungs": models}), encoding="utf-8")
    settings = [f"ladder={name}", "dataset=humaneval", f"dataset.path={DATA / 'problems.jsonl'}", "verifier=tests"]
    settings += ["tracker=none", "preflight=false", "feedback=none", f"max_attempts={cap}", f"name={name}", *more]
    evalkit(home, "run", *settings, "sandbox.concurrency=2")
    found = [path for path in home.glob("mlruns/runs/*/record.json") if json.loads(path.read_text())["name"] == name]
    summary: dict = json.loads(found[0].with_name("summary.json").read_text())
    return summary


def evalkit(home: Path, *arguments: str) -> subprocess.CompletedProcess:
    environment = os.environ | {"EVALKIT_HOME": str(home)}
    command = [sys.executable, "-m", "evalkit", *arguments]
    done = subprocess.run(command, env=environment, cwd=home, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments[:3])}… ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return done


def swebench(folder: Path) -> int:
    """A ladder that was really run over recorded SWE-bench answers, simulated from each system's published outcomes.

    Its rungs are called as the systems; an instance without a recorded answer is unsolved, as it was judged.
    """
    from evalkit.cli.recordings import Recorded  # noqa: PLC0415  --swebench alone needs the package
    from evalkit.core.ladder import Ladder  # noqa: PLC0415  as above
    from evalkit.core.simulate import Evidence, climbs  # noqa: PLC0415  as above

    run = Recorded(folder)
    really = run.recording()
    recordings = []
    for name, rung in really.ladder.rungs.items():
        rows = map(json.loads, (DATA.parent / "swebench_lite" / f"answers_{name}.jsonl").read_text().splitlines())
        solved = {row["instance_id"]: bool(row["published_resolved"]) for row in rows}
        alone = replace(really, name=name, ladder=Ladder({name: rung}), told="", max_attempts=1)
        attempts = [_published(unit, name, solved.get(unit, False)) for unit, _ in sorted(really.judged)]
        recordings.append(replace(alone, attempts=tuple(attempts)))
    evidence = Evidence(recordings, lambda _source, _row: 1.0)
    simulated = {
        one.unit: (bool(one.solved), one.attempts) for one in climbs(really.ladder, really.max_attempts, evidence)
    }
    true = {(row.instance_id, row.epoch): (row.solved, row.attempts) for row in run.summary.instances}
    differing = [unit for unit, found in simulated.items() if found != true[unit]]
    names = ", ".join(really.ladder.rungs)
    solved = sum(one for one, _ in simulated.values()), sum(one for one, _ in true.values())
    made = sum(count for _, count in simulated.values()), sum(count for _, count in true.values())
    print(f"{names}: simulated {solved[0]} solved in {made[0]:g} attempts, really run {solved[1]} in {made[1]}")
    print(f"instances on which outcome or attempts differ: {differing or 'none'}")
    return int(bool(differing))


def _published(unit: str, name: str, accepted: bool):
    from evalkit.core.results import AttemptRow  # noqa: PLC0415  as above

    failure = None if accepted else "test_failure"
    known = {"cost_usd": None, "tokens_prompt": None, "tokens_completion": None}
    seconds = {"seconds_model": 0.0, "seconds_verifier": 0.0, "prompt_digest": "p"}
    return AttemptRow(unit, 1, 1, name, 1, name, accepted, skipped=False, failure=failure, **known, **seconds)


def speed() -> int:
    """Made-up evidence: six models of rising strength, three draws each."""
    from evalkit.core.ladder import Ladder, Rung  # noqa: PLC0415  --speed alone needs the package
    from evalkit.core.results import AttemptRow  # noqa: PLC0415  as above
    from evalkit.core.simulate import Evidence, Recording, ladder_of, outcome, search, spec_name  # noqa: PLC0415  as above

    dice, units = random.Random(0), [f"i{number}" for number in range(300)]
    runs = []
    for strength in range(6):
        name, rows = f"m{strength}", []
        for unit in units:
            for draw in range(1, 4):
                accepted = dice.random() < 0.1 + 0.1 * strength
                failure = None if accepted else "test_failure"
                known = {"cost_usd": 2.0**strength, "tokens_prompt": None, "tokens_completion": None}
                seconds = {"seconds_model": 1.0, "seconds_verifier": 0.0, "prompt_digest": "p"}
                row = AttemptRow(
                    unit, 1, draw, name, draw, name, accepted, skipped=False, failure=failure, **known, **seconds
                )
                rows.append(row)
                if accepted:
                    break
        ladder = Ladder({name: Rung(f"x/{name}", attempts=3, temperature=0.7)})
        runs.append(Recording(name, ladder, 18, "", 0, tuple(rows), frozenset((unit, 1) for unit in units)))
    for told in ("", "told"):
        begun = time.process_time()
        evidence = Evidence([replace(one, told=told) for one in runs], lambda _source, row: row.cost_usd or 0.0)
        found = search(evidence, 18, dict.fromkeys(evidence.sources, 3))
        searched = time.process_time() - begun
        shown = [outcome(ladder_of(evidence, spec), 18, evidence) for spec in found.frontier]
        whole = time.process_time() - begun
        feedback = "feedback" if told else "no feedback"
        print(
            f"{feedback}: {found.ladders:,} ladders of 6 rungs on 300 instances: search {searched:.1f} s of CPU, with"
        )
        print(
            f"  the {len(shown)} of the frontier climbed one by one {whole:.1f} s; best {spec_name(found.best or ())}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
