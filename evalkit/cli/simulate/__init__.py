"""evalkit simulate: ladders never run, priced from recorded attempts, and the cost-quality frontier.

What any other order, subset, cap or number of attempts would have solved and cost on the instances of one or more
finished runs. No model is asked. A ladder is exact where its attempts were recorded as it would make them; else
bounds are given (docs/simulate.md).
"""

import argparse

from evalkit.cli.recordings import Recorded, refuse_unlike
from evalkit.cli.runs_of import run_folder
from evalkit.cli.simulate.found import Simulation
from evalkit.cli.simulate.picture import figures
from evalkit.cli.simulate.show import print_table, to_json
from evalkit.core.errors import ConfigError

EXAMPLE = "evalkit simulate small-starter big-starter --price big=2.5,10 --budget 0.50"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("runs", metavar="RUN", nargs="+", help="a run: its folder, name, key or MLflow id, or a prefix")
    parser.add_argument(
        "--ladder", action="append", default=[], metavar="A:2,B", help="simulate this ladder too; again for another"
    )
    parser.add_argument("--rungs", metavar="A,B", help="look at ladders of these rungs only")
    parser.add_argument("--attempts", type=int, metavar="N", help="attempts a rung at most (as many as were recorded)")
    parser.add_argument("--max-attempts", type=int, metavar="N", help="cap of a climb (that of the first run)")
    parser.add_argument(
        "--price",
        action="append",
        default=[],
        metavar="RUNG=PROMPT,COMPLETION",
        help="US dollars a million tokens, of every run's rung of that name; RUNG_2, as the table calls another run's "
        "rung of the same name, is priced alone",
    )
    parser.add_argument("--cost", choices=("auto", "usd", "tokens", "seconds", "attempts"), default="auto")
    parser.add_argument(
        "--feedback", choices=("recorded", "none"), default="recorded", help="none: ladders that are told nothing"
    )
    parser.add_argument(
        "--budget", type=float, metavar="USD", help="write the best ladder for so much on all instances"
    )
    parser.add_argument("--write", metavar="NAME", help="write the best ladder to conf/ladder/NAME.yaml (simulated)")
    parser.add_argument("--figure", metavar="FILE", help="where the picture goes: .png or .svg")
    parser.add_argument("--shared-only", action="store_true", help="simulate although the runs' instances differ")
    parser.add_argument("--allow-simulated", action="store_true", help="mix simulated runs with live ones")
    parser.add_argument("--seed", type=int, default=0, help="of the resampling")
    parser.add_argument("--format", choices=("table", "json"), default="table")


def run(args: argparse.Namespace) -> int:
    """Simulate."""
    for name in ("attempts", "max_attempts", "budget"):
        value = getattr(args, name)
        if value is not None and not value > 0:
            raise ConfigError(f"--{name.replace('_', '-')} is {value}; it must be above 0")
    runs = [Recorded(run_folder(name)) for name in dict.fromkeys(args.runs)]
    refuse_unlike(runs, shared_only=args.shared_only, simulated=args.allow_simulated)
    simulation = Simulation(runs, args)
    drawn = figures(simulation, args.figure)
    written = simulation.write()
    show = to_json if args.format == "json" else print_table
    show(simulation, drawn, written)
    return 0
