"""Register a run's config as a model version in MLflow's registry, with its evidence.

With --alias, the version takes the alias over if a comparison with the version that has it allows it: on the same
instances it is better, or shown not to be worse by more than --margin (the interval of the uplift lies above it).
A run that solved nothing takes none over, and is no best of any. Else nothing is registered, and the exit code is 4.
`evalkit run from=models:/NAME@ALIAS` runs the config again, and `mlflow models serve -m models:/NAME@ALIAS
--env-manager local` serves it.
"""

import argparse
import json
from typing import TYPE_CHECKING

from evalkit.cli.store import add_uri, store_uri
from evalkit.core.errors import ConfigError
from evalkit.places import home

if TYPE_CHECKING:
    from evalkit.cli.register.registering import Registered

EXAMPLE = "evalkit register local-starter --name solver --alias champion"
MARGIN = 0.05


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument("run", metavar="RUN", nargs="?", help="a run's folder, name, key or MLflow id")
    parser.add_argument("--name", required=True, help="the registered model")
    parser.add_argument("--alias", help="what the version is called from now on, such as champion")
    parser.add_argument("--best", metavar="METRIC", help="instead of RUN, the best by a metric; of equals the cheaper")
    parser.add_argument("--experiment", default="evalkit", help="where --best looks, default evalkit")
    parser.add_argument("--where", default="", metavar="FILTER", help="MLflow's filter of the runs for --best")
    parser.add_argument("--margin", type=_share, default=MARGIN, help=f"default {MARGIN}: 5 points of solved rate")
    parser.add_argument("--force", action="store_true", help="move the alias although a rule forbids it; recorded")
    parser.add_argument("--allow-simulated", action="store_true", help="take scripted or replayed answers; recorded")
    parser.add_argument("--format", choices=("table", "json"), default="table")
    add_uri(parser)


def run(args: argparse.Namespace) -> int:
    """Register. Returns the exit code; a refusal is an error with 4."""
    if bool(args.run) == bool(args.best):
        raise ConfigError("give either RUN or --best METRIC")
    from evalkit.cli.register.registering import Registering  # noqa: PLC0415  --help needs none of it

    done = Registering(args, store_uri(args.uri), str(home())).registered()
    if args.format == "json":
        print(json.dumps(done.plain, indent=2))
    else:
        _tell(done)
    return 0


def _tell(done: "Registered") -> None:
    version = done.version
    made = "made" if done.made else "was made before"
    print(f"{version.uri} {made} of run {done.run} ({done.key})")
    for line in done.lines:
        print(line)
    used = f"models:/{version.name}@{done.alias}" if done.alias else version.uri
    print(f"next: evalkit run from={used}   ·   mlflow models serve -m {used} --env-manager local")


def _share(text: str) -> float:
    number = float(text)
    if not 0 <= number < 1:
        raise argparse.ArgumentTypeError(f"{text} is no share from 0 to 1, such as 0.05")
    return number
