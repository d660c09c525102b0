"""evalkit sweep NAME: every cell of sweeps/NAME.yaml as a run of its own, tied by a tag."""

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import yaml

from evalkit.cli.hydra_app import Composed, launch, sweep_names
from evalkit.cli.run import job
from evalkit.core.errors import ConfigError, EvalkitError
from evalkit.places import folders

HELP = """evalkit sweep NAME [OVERRIDE…]: every cell of sweeps/NAME.yaml as a run of its own; again skips done cells.

The sweeps: {names}

example: evalkit sweep ladders sample.size=5"""


def main(argv: Sequence[str]) -> int:
    """Run a sweep's cells one after the other; a cell that fails does not stop the others."""
    if not argv or argv[0] in ("-h", "--help"):
        print(HELP.format(names=", ".join(sweep_names())))
        return 0 if argv else 2
    name, *overrides = argv
    if name not in sweep_names():
        raise ConfigError(f"no sweep {name!r}; there are {', '.join(sweep_names())}")
    _refuse_one_run(name, overrides)
    identity = hashlib.sha256(" ".join([name, *sorted(overrides)]).encode()).hexdigest()[:12]
    print(f"sweep {name}: the runs carry the tag evalkit.sweep={identity}", file=sys.stderr)
    return launch([f"+sweeps={name}", *overrides], "evalkit sweep", partial(_cell, identity))


def _refuse_one_run(name: str, overrides: Sequence[str]) -> None:
    """A sweep's file without Hydra's word for several runs would be one run, without its params."""
    path = next(path for folder in folders("sweeps") if (path := Path(folder) / f"{name}.yaml").is_file())
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is no YAML: {' '.join(str(error).split())}") from error
    hydra = content.get("hydra") if isinstance(content, dict) else None
    mode = hydra.get("mode") if isinstance(hydra, dict) else None
    if mode != "MULTIRUN" and not {"-m", "--multirun", "hydra.mode=MULTIRUN"} & set(overrides):
        said = "has no hydra.mode" if mode is None else f"has hydra.mode {mode!r}"
        raise ConfigError(f"{path} {said}, and would be one run. Add under `hydra:` the line `mode: MULTIRUN`.")


def _cell(identity: str, composed: Composed) -> int:
    cell = " ".join(override for override in composed.overrides if not override.startswith("+sweeps="))
    print(f"cell: {cell or 'as it is'}", file=sys.stderr)
    try:
        return job(_named(composed, cell), {"evalkit.sweep": identity, "evalkit.cell": cell})
    except EvalkitError as error:
        print(f"evalkit: this cell failed: {error}", file=sys.stderr)
        return error.exit_code


def _named(composed: Composed, cell: str) -> Composed:
    """A cell is called after what makes it differ, unless it was given a name."""
    name = composed.config.get("name") or " ".join(part for part in cell.split() if not part.startswith("dataset"))
    return replace(composed, config={**composed.config, "name": name})
