"""evalkit dataset from-git: an instance from a commit that brings tests."""

import argparse
from typing import Any


def add_command(commands: Any) -> None:
    """The subcommand."""
    commands.add_parser("from-git")


def run(args: argparse.Namespace) -> int:
    return 2
