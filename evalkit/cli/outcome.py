"""The end of a run, for people: the rate with its interval, by rung, what went wrong, and what to do next."""

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from evalkit.cli.suspect_lines import lines
from evalkit.cli.tables import counted
from evalkit.core.stats import Interval
from evalkit.core.summary import Summary
from evalkit.core.triage import Triage, located, words
from evalkit.places import home

CAUSES = 5  # that a run's end shows
GAP = 3  # blanks that a column takes
COUNTED = ("ended", "attempts")


def show(summary: Summary, where: str, *, tracked: bool = True) -> None:
    """Print a run's outcome to stdout; `tracked` says whether MLflow has it."""
    console = Console()
    mark = "  [simulated: no live model answered]" if summary.simulated else ""
    if summary.tags.get("evalkit.sandbox") == "unconfined":
        mark += "  [unconfined: candidates ran without a sandbox]"
    if summary.tags.get("evalkit.context") == "oracle":
        mark += "  [oracle: prompts showed the files that the known-good patch changes]"
    console.print(Text(f"{summary.name}  {where}{mark}", style="bold"))
    console.print(Text(_first_line(summary)))
    console.print(Text(_second_line(summary)))
    console.print(_rungs(summary))
    if summary.failures:
        console.print(
            Text("failed attempts and outages: " + ", ".join(f"{k} {n}" for k, n in summary.failures.items()))
        )
    if summary.triage and any(row.climbs for row in summary.triage.rows):
        console.print(_causes(summary.triage, console.width))
        more = f"evalkit triage {summary.key}: every cause, its instances, what to do"
        console.print(Text(f"{located(summary.triage.located)}; {more}" if summary.triage.located else more))
    for rung, why in summary.skipped_rungs.items():
        console.print(Text(f"rung {rung} was skipped: {why}"))
    for line in lines(summary.suspects):
        console.print(Text(line))
    if summary.cached:
        cost = f" ({money(summary.cached.cost_usd)} when asked)" if summary.cached.cost_usd else ""
        console.print(Text(f"from the cache: {counted(summary.cached.answers, 'answer')}{cost}, not paid again"))
    if summary.untested:
        one = summary.untested == 1
        which = f"{summary.untested} {'answer was' if one else 'answers were'} rejected by one rule alone, untested"
        console.print(Text(f"{which}: evalkit regrade {summary.key} --suspects tells whether that rule is wrong"))
    page = "report.html" if (home() / where / "report.html").is_file() else "instances/"
    console.print(Text(f"every answer: {where}/{page}"))
    console.print(Text("next: evalkit runs   ·   evalkit ui" if tracked else f"next: evalkit publish {where}"))


def rate(interval: Interval | None) -> str:
    """`60 % (31–83)`; a dash where nothing was judged."""
    if interval is None:
        return "–"
    return f"{interval.value:.0%} ({interval.low:.0%}–{interval.high:.0%})".replace("%", " %")


def money(cost: float | None) -> str:
    """US dollars; unknown is said, never zero."""
    return "unknown" if cost is None else f"${cost:.4f}"


def _first_line(summary: Summary) -> str:
    counts = summary.counts
    judged = counts["solved"] + counts["unsolved"]
    text = f"solved {counts['solved']} of {judged}: {rate(summary.solved_rate)}, 95 % Wilson interval"
    if not judged:
        text = "no climb was judged"
    if len(instances := {row.instance_id for row in summary.instances}) < len(summary.instances):
        text += f" over {counted(len(instances), 'instance')}"  # repeats are none of their own
    others = [f"{counts[name]} {name}" for name in ("unfinished", "quarantined") if counts.get(name)]
    return text + (f"; not counted: {', '.join(others)}" if others else "")


def _second_line(summary: Summary) -> str:
    mean = summary.attempts["mean"]
    attempts = f"{mean:.2f}" if isinstance(mean, float | int) else "–"
    tokens = " + ".join(
        "?" if summary.tokens[name] is None else str(summary.tokens[name]) for name in ("prompt", "completion")
    )
    if cached := summary.tokens.get("prompt_cached"):
        tokens += f" ({cached} of the prompts' from providers' caches)"
    cost = money(summary.cost_usd)
    if summary.graders:
        cost += f" (of it graders {money(summary.graders.cost_usd)})"
    return f"attempts {attempts} a climb · cost {cost} · tokens {tokens} · {summary.wall_seconds:.1f} s"


def _causes(triage: Triage, width: int) -> Table:
    """The most frequent ends, one line each."""
    headings = ("cause", "ended", "attempts", "lever", "example")
    rows = [
        (row.cause, str(row.climbs), str(row.attempts), str(row.lever), words(row.example))
        for row in triage.rows[:CAUSES]
    ]
    table = Table(box=SIMPLE_HEAD)
    widths = [max(map(len, cells)) for cells in zip(headings[:-1], *(row[:-1] for row in rows), strict=True)]
    left = max(len(headings[-1]), width - sum(widths) - GAP * len(headings) - 1)  # the example gives way
    for heading, most in zip(headings, [*widths, left], strict=True):
        table.add_column(heading, justify="right" if heading in COUNTED else "left", no_wrap=True, max_width=most)
    for row in rows:
        table.add_row(*(Text(cell, overflow="ellipsis") for cell in row))
    return table


def _rungs(summary: Summary) -> Table:
    table = Table(box=SIMPLE_HEAD)
    for heading in ("rung", "model", "attempts", "solved", "seconds", "cost"):
        table.add_column(heading, justify="left" if heading in ("rung", "model") else "right")
    for row in summary.by_rung:
        table.add_row(
            Text(row.name),
            Text(row.model),
            str(row.attempts),
            str(row.solved),
            f"{row.seconds:.1f}",
            money(row.cost_usd),
        )
    return table
