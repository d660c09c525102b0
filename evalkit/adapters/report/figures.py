"""The numbers behind the page's charts: pure, from a run's summary."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evalkit.core.summary import InstanceRow, Summary
from evalkit.core.types import JUDGED

BARS = 12  # of the histogram: above, several numbers of attempts share one


@dataclass(frozen=True)
class Stair:
    """One rung: of all judged climbs, so many `before` were solved below it, `solved` on it, and `left` after it.

    `came` were tried on it. Shares are of the judged climbs, 0 to 100.
    """

    name: str
    model: str
    before: int
    solved: int
    left: int
    came: int
    attempts: int
    cost_usd: float | None
    seconds: float
    share_before: float
    share_solved: float
    share_so_far: float


@dataclass(frozen=True)
class Bar:
    """Judged climbs that took `label` attempts; `so_far` is the share of all that were solved within them, 0 to 100."""

    label: str
    solved: int
    unsolved: int
    share_solved: float
    share_unsolved: float
    so_far: float


@dataclass(frozen=True)
class Badge:
    """A mark of how a run was made, and what it means."""

    text: str
    meaning: str


def stairs(summary: Summary, came: Mapping[str, int]) -> list[Stair]:
    """The climb by rung, in climbing order."""
    judged = [row for row in summary.instances if row.status in JUDGED]
    solved_on = Counter(row.rung for row in judged if row.solved)
    total, before, found = len(judged) or 1, 0, []
    for rung in summary.by_rung:
        here = solved_on[rung.name]
        found.append(
            Stair(
                name=rung.name,
                model=rung.model,
                before=before,
                solved=here,
                left=len(judged) - before - here,
                came=came.get(rung.name, 0),
                attempts=rung.attempts,
                cost_usd=rung.cost_usd,
                seconds=rung.seconds,
                share_before=100 * before / total,
                share_solved=100 * here / total,
                share_so_far=100 * (before + here) / total,
            )
        )
        before += here
    return found


def histogram(rows: Sequence[InstanceRow]) -> list[Bar]:
    """Judged climbs by their number of attempts."""
    judged = [row for row in rows if row.status in JUDGED]
    if not judged:
        return []
    solved, unsolved = (Counter(row.attempts for row in judged if row.solved is kind) for kind in (True, False))
    most = max(row.attempts for row in judged)
    width = -(-(most + 1) // BARS)
    found, so_far = [], 0
    for low in range(0, most + 1, width):
        numbers = range(low, min(low + width, most + 1))
        yes, no = (sum(counter[number] for number in numbers) for counter in (solved, unsolved))
        so_far += yes
        if low + width > 1 or yes or no:  # no bar for 0 attempts, unless there are such climbs
            label = str(low) if width == 1 else f"{numbers[0]}–{numbers[-1]}"
            found.append(Bar(label, yes, no, 0.0, 0.0, 100 * so_far / len(judged)))
    highest = max(bar.solved + bar.unsolved for bar in found) or 1
    return [
        Bar(bar.label, bar.solved, bar.unsolved, 100 * bar.solved / highest, 100 * bar.unsolved / highest, bar.so_far)
        for bar in found
    ]


def badges(summary: Summary) -> list[Badge]:
    """What a reader must know before the numbers."""
    tags = summary.tags
    marks = [
        (summary.simulated, "simulated", "no live model answered: recorded or scripted answers"),
        (tags.get("evalkit.sandbox") == "unconfined", "unconfined", "candidates ran without a sandbox"),
        (
            tags.get("evalkit.context") == "oracle",
            "oracle",
            "prompts showed the files that the known-good patch changes",
        ),
        (
            tags.get("evalkit.feedback") == "hidden-tests",
            "hidden tests in feedback",
            "models were told how hidden tests ended",
        ),
        (summary.status != "complete", summary.status, summary.why or "the run did not come to its end"),
        (
            bool(tags.get("evalkit.flaky_excluded")),
            "flaky tests left out",
            f"{tags.get('evalkit.flaky_excluded')} tests that go both ways do not count",
        ),
        (
            bool(tags.get("evalkit.sandbox_fallback")),
            "sandbox fallback",
            tags.get("evalkit.sandbox_fallback", ""),
        ),
        (bool(summary.skipped_rungs), "rungs skipped", ", ".join(summary.skipped_rungs)),
    ]
    return [Badge(text, meaning) for told, text, meaning in marks if told]
