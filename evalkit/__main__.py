"""python -m evalkit, and the console script."""

import sys

from evalkit.cli import main as _main


def main() -> None:
    """Exit with the command's code."""
    sys.exit(_main())


if __name__ == "__main__":
    main()
