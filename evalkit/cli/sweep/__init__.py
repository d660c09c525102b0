"""evalkit sweep NAME: every cell of sweeps/NAME.yaml as a run of its own, tied by a tag; again resumes."""

import sys
from collections.abc import Sequence
from difflib import get_close_matches

from evalkit.cli.hydra_app import launch, sweep_names
from evalkit.cli.hydra_arguments import parsed
from evalkit.cli.own_options import take
from evalkit.cli.sweep.plan import SweepPlan
from evalkit.core.errors import ConfigError

FORMATS = ("table", "json", "csv")
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
        near = get_close_matches(name, sweep_names(), 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sweep_names())}"
        raise ConfigError(f"no sweep {name!r}; {hint}")
    fail_fast, form = _take_own(rest)
    given = parsed(rest, "evalkit sweep")
    asked = given.asked
    if asked.cfg or asked.info or asked.hydra_help or asked.shell_completion or asked.help:
        return launch([f"+sweeps={name}", *rest], "evalkit sweep", _nothing)
    from evalkit.cli.sweep.run import SweepRun  # noqa: PLC0415  what only shows need not pay

    plan = SweepPlan(name, given.overrides, asked.config_dir)
    return SweepRun(plan, given.flags, fail_fast=fail_fast, form=form).run()


def _take_own(argv: list[str]) -> tuple[bool, str]:
    """What is not Hydra's, taken out of `argv`: fail-fast, and the leaderboard's format. Raises ConfigError."""
    form = take(argv, "--format") or "table"
    if form not in FORMATS:
        near = get_close_matches(form, FORMATS, 1)
        raise ConfigError(f"--format {form!r}: {f'did you mean {near[0]!r}?' if near else 'it is table, json or csv'}")
    fail_fast = "--fail-fast" in argv
    while "--fail-fast" in argv:
        argv.remove("--fail-fast")
    return fail_fast, form


def _nothing(_composed: object) -> int:
    print("nothing was run", file=sys.stderr)
    return 0
