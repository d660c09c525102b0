"""Shell completion of `evalkit run …`, by Hydra: eval "$(evalkit -sc install=bash)"."""

import os
import re
from collections.abc import Sequence

from evalkit.cli.hydra_app import launch


def main(argv: Sequence[str]) -> int:
    """Answer a completion query. Hydra knows one command, so the subcommand is taken out of the line it reads."""
    line = os.environ.get("COMP_LINE")
    primary = "ramp" if re.match(r"\S+\s+ramp\b", line or "") else "run"
    if line is not None:
        shorter = re.sub(r"^(\S+)\s+(run|sweep|ramp|doctor|regrade\s+\S+(?=\s))\b", r"\1", line)
        os.environ["COMP_POINT"] = str(max(0, int(os.environ.get("COMP_POINT", len(line))) - len(line) + len(shorter)))
        os.environ["COMP_LINE"] = shorter
    return launch(argv, "evalkit", lambda _: 0, primary)
