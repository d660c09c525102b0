"""evalkit sweep NAME: every cell of sweeps/NAME.yaml as a run of its own, tied by a tag; again resumes."""

import argparse
import sys
from collections.abc import Sequence

from hydra._internal.utils import get_args_parser  # the one way to tell its flags from overrides as Hydra does

from evalkit.cli.hydra_app import launch, sweep_names
from evalkit.cli.sweep.plan import SweepPlan
from evalkit.core.errors import ConfigError

HELP = """evalkit sweep NAME [OVERRIDE…]: every cell of sweeps/NAME.yaml as a run of its own; again skips done cells.

The sweeps: {names}

options:
  --fail-fast       begin no further cell after one that failed
  --format FORMAT   of the leaderboard: table (default), json or csv
Hydra's own work too: --cfg job, --info, hydra/launcher=joblib, hydra/sweeper=optuna (docs/sweeps.md).

example: evalkit sweep ladders sample.size=5"""


def main(argv: Sequence[str]) -> int:
    """Run a sweep's cells; one that fails does not stop the others unless asked."""
    if not argv or argv[0] in ("-h", "--help"):
        print(HELP.format(names=", ".join(sweep_names())))
        return 0 if argv else 2
    name, *rest = argv
    if name not in sweep_names():
        from difflib import get_close_matches  # noqa: PLC0415  for a slip only

        near = get_close_matches(name, sweep_names(), 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sweep_names())}"
        raise ConfigError(f"no sweep {name!r}; {hint}")
    own, hydras = _own().parse_known_args(rest)
    asked = get_args_parser().parse_args(hydras)
    if asked.cfg or asked.info or asked.hydra_help or asked.shell_completion or asked.help:
        return launch([f"+sweeps={name}", *hydras], "evalkit sweep", _nothing)
    from evalkit.cli.sweep.run import SweepRun  # noqa: PLC0415  what only shows need not pay

    plan = SweepPlan(name, tuple(asked.overrides), asked.config_dir)
    flags = [one for one in hydras if one not in asked.overrides]
    return SweepRun(plan, flags, fail_fast=own.fail_fast, form=own.format).run()


def _own() -> argparse.ArgumentParser:
    """What is not Hydra's; errors as one line and exit code 2."""
    parser = argparse.ArgumentParser(prog="evalkit sweep NAME", add_help=False, allow_abbrev=False)
    parser.add_argument("--fail-fast", action="store_true")
    parser.add_argument("--format", choices=("table", "json", "csv"), default="table")
    return parser


def _nothing(_composed: object) -> int:
    print("nothing was run", file=sys.stderr)
    return 0
