"""A run while it goes, in a second terminal: rungs, rates, limits, cost, time left, the last failures.

It reads the run's folder and journal only, so it neither slows nor disturbs the run; of one that was killed, or has
ended, it says so. Without a terminal it prints a line now and then. RUN is a run's folder, name, key or MLflow id;
without RUN, it is the newest that somebody works on, and then the next, such as a sweep's cells.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.core.errors import ConfigError
from evalkit.places import mlruns

if TYPE_CHECKING:
    from evalkit.cli.watch.picture import Picture

EXAMPLE = "evalkit watch local-starter"
EVERY_S = 2.0  # between two looks on a terminal
PLAIN_S = 10.0  # between two lines elsewhere
OF_A_LOOK = 10  # times as long as a look takes is waited at least, so that a huge run is not read all the time


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument(
        "run", nargs="?", metavar="RUN", help="default: the newest that somebody works on, else the newest"
    )
    parser.add_argument("--once", action="store_true", help="a single picture, and end")
    parser.add_argument("--every", type=_seconds, metavar="SECONDS", help="between two looks (2; lines: 10)")
    parser.add_argument(
        "--format", choices=("table", "json"), default="table", help="json: a single picture for programs"
    )


def run(args: argparse.Namespace) -> int:
    """Show the run until nobody works on it any more. Returns the exit code."""
    if args.format == "json" or args.once:
        _once(args)
        return 0
    with suppress(KeyboardInterrupt):  # the way to leave; the run does not notice
        (_live if sys.stdout.isatty() else _plainly)(args)
    return 0


def _once(args: argparse.Namespace) -> None:
    from evalkit.cli.watch.looking import Looking  # noqa: PLC0415  msgspec and yaml, which --help need not load

    seen = Looking(_chosen(args.run)).look(time.time())
    if args.format == "json":
        import msgspec  # noqa: PLC0415  as above

        print(msgspec.json.format(msgspec.json.encode(seen), indent=2).decode())
        return
    _print(seen)


def _print(seen: "Picture") -> None:
    from rich.console import Console  # noqa: PLC0415  as above

    from evalkit.cli.watch.show import picture  # noqa: PLC0415

    console = Console()
    console.print(picture(seen, console.width))


def _live(args: argparse.Namespace) -> None:
    from rich.console import Console  # noqa: PLC0415  as above
    from rich.live import Live  # noqa: PLC0415

    from evalkit.cli.watch.show import picture  # noqa: PLC0415

    console = Console()
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        for seen in _looks(args.run, args.every or EVERY_S):
            live.update(picture(seen, console.width), refresh=True)


def _plainly(args: argparse.Namespace) -> None:
    from evalkit.cli.watch.show import line  # noqa: PLC0415  as above

    seen, said = None, ""
    for seen in _looks(args.run, args.every or PLAIN_S):
        if (text := f"{seen.key} {line(seen)}") != said:
            print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)
            said = text
    if seen is not None:
        _print(seen)


def _looks(name: str | None, every: float) -> "Iterator[Picture]":
    """A picture now and then, until nobody works on the run, nor, where none is named, on another."""
    from evalkit.cli.watch.looking import Looking  # noqa: PLC0415  as above

    looking = Looking(_chosen(name))
    while True:
        began = time.monotonic()
        seen = looking.look(time.time())
        took = time.monotonic() - began
        yield seen
        if seen.is_over:
            after = None if name is not None else _worked_on()
            if after is None:
                return
            looking = Looking(after)
            continue
        time.sleep(max(every, OF_A_LOOK * took))


def _chosen(name: str | None) -> Path:
    """The run's folder. Raises ConfigError where there is none."""
    from evalkit.cli.runs_of import run_folder  # noqa: PLC0415  as above

    if name is not None:
        return run_folder(name, journal=True)
    if (found := _worked_on()) is not None:
        return found
    if not (runs := _by_age()):
        raise ConfigError(f"no run in {mlruns() / 'runs'} yet; `evalkit run` begins one, and names its folder")
    return runs[0]


def _worked_on() -> Path | None:
    from evalkit.cli.watch.held import held_by  # noqa: PLC0415  as above

    return next((folder for folder in _by_age() if held_by(folder / "journal.jsonl") is not None), None)


def _by_age() -> list[Path]:
    """The runs' folders, by what was written in their journals last."""
    found = {}
    for path in (mlruns() / "runs").glob("*/journal.jsonl"):
        with suppress(OSError):
            found[path.parent] = path.stat().st_mtime
    return sorted(found, key=lambda folder: -found[folder])


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return number
