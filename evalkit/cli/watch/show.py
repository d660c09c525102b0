"""A picture of a run for a terminal, and as one line for a log."""

from collections.abc import Iterator

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from evalkit.cli.outcome import money, rate
from evalkit.cli.tables import counted
from evalkit.cli.watch.picture import Picture, RungSeen
from evalkit.core.shown import visible
from evalkit.core.types import JUDGED

COLOURS = {"complete": "green", "running": "cyan", "preparing": "cyan", "ending": "cyan", "killed": "red"}
WIDE = 110  # columns: then the models are named too
UNITS = {"cost_usd": "cost", "tokens": "tokens", "calls": "calls", "seconds": "seconds"}


def picture(seen: Picture, width: int) -> Group:
    """All of it; tables give way to the terminal's width."""
    parts: list[Text | Table] = [_head(seen), *([Text(seen.why)] if seen.why else []), _bar(seen)]
    parts += [Text(line) for line in _lines(seen)]
    if seen.rungs:
        parts.append(_rungs(seen, narrow=width < WIDE))
    if seen.failures:
        parts += [Text("failed last:"), _failures(seen, width)]
    return Group(*parts)


def line(seen: Picture) -> str:
    """One line for where there is no terminal."""
    parts = [f"{seen.state} {_share(seen)}", _counts(seen), rate(seen.solved_rate)]
    parts += [counted(seen.attempts, "attempt"), money(seen.cost_usd), *_pace(seen)]
    return " · ".join(part for part in parts if part)


def _head(seen: Picture) -> Text:
    mark = "  [simulated: no live model answered]" if seen.simulated else ""
    text = Text(f"{seen.name}  {seen.key}  ", style="bold")
    text.append(seen.state, style=COLOURS.get(seen.state, "yellow"))
    by = f" (process {seen.process})" if seen.process else ""
    return text.append(f"{by}{mark}", style="not bold")


def _bar(seen: Picture) -> Table:
    bar = Table.grid(padding=(0, 1))
    bar.add_row(ProgressBar(total=seen.climbs or 1, completed=seen.ended, width=30), Text(f"{_share(seen)} climbs"))
    return bar


def _lines(seen: Picture) -> Iterator[str]:
    yield f"{_counts(seen)} · solved rate {rate(seen.solved_rate)}"
    doing = [f"{seen.under_way} under way"] if seen.under_way else []
    took = [f"{_time(seen.seconds)} so far" if seen.process else f"took {_time(seen.seconds)}"] if seen.seconds else []
    if told := [*doing, *took, *_pace(seen)]:
        yield " · ".join(told)
    tokens = "tokens unknown" if seen.tokens is None else f"{seen.tokens} tokens"
    again = seen.requests - seen.attempts
    retries = f", {again} beyond one an attempt" if again > 0 else ""
    yield f"cost {money(seen.cost_usd)} · {tokens} · {counted(seen.requests, 'request')}{retries}"
    limits = [f"{UNITS[name]} {_used(name, used)} of {most:g}" for name, (used, most) in seen.limits.items()]
    if seen.concurrency:
        limits.insert(0, f"concurrency {seen.concurrency}")
    yield "limits: " + " · ".join(limits or ["none"])
    for name, one in seen.providers.items():
        cut = f", cut {counted(one.cuts, 'time')}" if one.cuts else ""
        yield f"{name}: {one.under_way} of {one.limit} requests at once (most used {one.highest}{cut})"


def _used(name: str, used: float | None) -> str:
    if used is None:
        return "unknown"
    return f"{used:.4f}" if name == "cost_usd" else f"{used:.0f}"


def _share(seen: Picture) -> str:
    if seen.climbs is None:
        return f"{seen.ended} of ?"
    done = f"{seen.ended / seen.climbs:.0%}".replace("%", " %") if seen.climbs else "–"
    return f"{seen.ended} of {seen.climbs} ({done})"


def _counts(seen: Picture) -> str:
    shown = [f"{number} {name}" for name, number in seen.counts.items() if number or name in JUDGED]
    return ", ".join(shown)


def _pace(seen: Picture) -> Iterator[str]:
    if seen.per_minute is not None:
        yield f"{seen.per_minute:.3g} climbs a minute"
    if seen.seconds_left is not None:
        yield f"about {_time(seen.seconds_left)} left"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def _rungs(seen: Picture, *, narrow: bool) -> Table:
    """In climbing order; on a narrow terminal without the models' names, which the ladder's file has."""
    headings = {"rung": "left", "model": "left", "attempts": "right", "solved": "right", "under way": "right"}
    headings |= {"s each": "right", "cost": "right", "most often": "left"}
    left_out = {*(["model"] if narrow else []), *(["under way"] if seen.is_over else [])}
    rows = [_cells(one) for one in seen.rungs]
    table = Table(box=SIMPLE_HEAD)
    for heading, justify in headings.items():
        if heading in left_out:
            continue
        widest = max(len(heading), *(len(row[heading]) for row in rows))
        gives_way = heading in ("model", "most often")
        table.add_column(
            heading,
            justify="right" if justify == "right" else "left",
            no_wrap=True,
            overflow="ellipsis",
            min_width=None if gives_way else widest,
        )
    for row in rows:
        table.add_row(*(Text(text) for heading, text in row.items() if heading not in left_out))
    return table


def _cells(one: RungSeen) -> dict[str, str]:
    share = f" ({one.solved / one.attempts:.0%})".replace("%", " %") if one.attempts else ""
    return {
        "rung": one.name,
        "model": one.model,
        "attempts": str(one.attempts),
        "solved": f"{one.solved}{share}",
        "under way": str(one.under_way or ""),
        "s each": "–" if one.seconds_mean is None else f"{one.seconds_mean:.1f}",
        "cost": money(one.cost_usd),
        "most often": "given up for this run" if one.given_up else one.often,
    }


def _failures(seen: Picture, width: int) -> Table:
    """`qwen #3` is the climb's third attempt, on that rung; what was said gives way to the terminal's width."""
    rows = [
        (
            one.instance_id if one.epoch == 1 else f"{one.instance_id} ({one.epoch})",
            one.where or "outage",
            one.failure,
            " ".join(visible(one.message).split())[:width],
        )
        for one in seen.failures
    ]
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for at in range(3):
        widest = max(len(row[at]) for row in rows)
        table.add_column(no_wrap=True, overflow="ellipsis", min_width=min(widest, width // 4))
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    for row in rows:
        table.add_row(*map(Text, row))
    return table
