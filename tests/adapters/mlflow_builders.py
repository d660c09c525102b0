"""Run folders for tests, made of facts the way a run makes them, and what a store holds of them."""

import sqlite3
from pathlib import Path

from evalkit.adapters.mlflow_store import local_uri
from evalkit.adapters.run_folder import RunFolder
from evalkit.core.failure import Failure
from evalkit.core.ladder import Ladder, Rung
from evalkit.core.ports import RunRecord
from evalkit.core.summary import DatasetFacts, Facts, Summary
from evalkit.core.tally import Tally
from evalkit.core.types import (
    Attempt,
    Candidate,
    Completion,
    Finding,
    Message,
    Prompt,
    Solution,
    Status,
    Verdict,
)

LADDER = Ladder({"small": Rung("scripted/small"), "big": Rung("scripted/big")}, name="local")
KEY = "0123456789ab"


def attempt(number: int, rung: str, *, accepted: bool, cost: float | None = 0.25) -> Attempt:
    """One attempt with everything that a trace shows."""
    prompt = Prompt((Message("system", "Be brief."), Message("user", f"Say it, {number}.")), number=number)
    completion = Completion("the answer", f"scripted/{rung}", "stop", 12, 3, cost, seconds=0.5)
    findings = () if accepted else (Finding("word", "Say the word."),)
    verdict = Verdict(accepted, None if accepted else Failure.RULE_VIOLATION, findings, seconds=0.25)
    return Attempt(number, rung, 1, prompt, completion, Candidate("answer"), verdict)


def solved(name: str, on: str = "small", **more) -> Solution:
    tries = [attempt(1, "small", accepted=on == "small", **more)]
    if on == "big":
        tries.append(attempt(2, "big", accepted=True, **more))
    return Solution(name, 1, Status.SOLVED, "accepted", tuple(tries))


def unsolved(name: str, **more) -> Solution:
    tries = attempt(1, "small", accepted=False, **more), attempt(2, "big", accepted=False, **more)
    return Solution(name, 1, Status.UNSOLVED, "ladder_exhausted", tries)


def unfinished(name: str) -> Solution:
    tries = (attempt(1, "small", accepted=False),)
    return Solution(name, 1, Status.UNFINISHED, "outage", tries, Failure.RATE_LIMIT, "429: slow down")


MIXED = (solved("a"), solved("b", on="big"), unsolved("c"))


class MadeRun:
    """A run folder under `home`, as far as it has come."""

    def __init__(self, home: Path, climbs: int = 3, *, key: str = KEY, params=None, tags=None) -> None:
        self.home, self.path = home, home / "mlruns" / "runs" / key
        self.path.mkdir(parents=True, exist_ok=True)
        self.folder = RunFolder(self.path)
        self.record = RunRecord(
            key=key,
            name="local-starter",
            kind="run",
            folder=str(self.path),
            experiment="evalkit",
            params={"ladder": "local", "max_attempts": "10", **(params or {})},
            tags={"evalkit.simulated": "true", "evalkit.version": "0.1.0", **(tags or {})},
            dataset="starter",
            dataset_digest="ab" * 32,
            instances=climbs,
            climbs=climbs,
        )
        self.folder.begin(self.record, "tracker: {}\n", {"evalkit": "0.1.0"}, "name: brief\n")

    def end(self, *solutions: Solution, status: str = "complete") -> Summary:
        """Write every climb and the summary."""
        tally = Tally(LADDER)
        for solution in solutions:
            self.folder.climbed(solution)
            tally.add(solution)
            for one in solution.attempts:
                tally.spend(one.completion)
        dataset = DatasetFacts("starter", self.record.dataset_digest, len(solutions))
        facts = Facts(self.record.key, self.record.name, dataset, "local", simulated=True, tags=self.record.tags)
        summary = tally.summary(facts, status=status, why="", wall_seconds=2.5)
        self.folder.finish(summary)
        return summary


def dump(home: Path) -> list[str]:
    """All that a sqlite store holds, line by line."""
    with sqlite3.connect(local_uri(str(home)).removeprefix("sqlite:///")) as connection:
        found = list(connection.iterdump())
    connection.close()
    return found


def files(folder: Path) -> dict[str, bytes]:
    """The content of every file in a folder, by its path."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
