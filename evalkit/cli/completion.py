"""Shell completion: eval "$(evalkit -sc install=bash)". Settings by Hydra; commands, options and runs by ourselves."""

import argparse
import os
import re
from collections.abc import Iterable, Sequence
from importlib import import_module

from evalkit.cli.hydra_app import groups, launch, options, sweep_names
from evalkit.cli.hydra_arguments import OWN

HYDRAS = ("--help", "--cfg", "--info", "--multirun", "--config-dir")
FILES = ("--junit", "--out")  # the shell completes these itself


def main(argv: Sequence[str]) -> int:
    """Answer a completion query. Hydra knows one command, so the subcommand is taken out of the line it reads."""
    line = os.environ.get("COMP_LINE")
    primary = "ramp" if re.match(r"\S+\s+ramp\b", line or "") else "run"
    if line is not None:
        line = line[: int(os.environ.get("COMP_POINT") or len(line))]
        found = candidates(line)
        if found is not None:
            print("\n".join(found))  # bash takes blanks or line ends, fish one a line
            return 0
        shorter = re.sub(r"^(\S+)\s+(run|sweep|ramp|plan|doctor|regrade\s+\S+(?=\s))\b", r"\1", line)
        os.environ |= {"COMP_LINE": shorter, "COMP_POINT": str(len(shorter))}
    return launch(argv, "evalkit", lambda _: 0, primary)


def candidates(line: str) -> list[str] | None:
    """What the last word of a command line may become; None: one of Hydra's overrides."""
    from evalkit.cli import COMMANDS, HYDRA  # noqa: PLC0415  it imports this module when it is asked to complete

    words = line.split() + ([""] if line[-1:].isspace() else [])
    if len(words) < 3:  # noqa: PLR2004  evalkit and the command
        return _begin(words[-1] if len(words) > 1 else "", COMMANDS)
    command, before, word = words[1], words[2:-1], words[-1]
    if command not in HYDRA:
        return _ordinary(command, before, word) if command in COMMANDS else []
    if before[-1:] == ["--format"]:
        return _begin(word, ("table", "json"))
    if before[-1:] and before[-1] in FILES:
        return []
    if word.startswith("-"):
        return _begin(word, (*OWN[command], *HYDRAS))
    return _begin(word, sweep_names()) if command == "sweep" and not before else None


def _begin(word: str, known: Iterable[str]) -> list[str]:
    return sorted(name for name in known if name.startswith(word))


def _ordinary(command: str, before: Sequence[str], word: str) -> list[str] | None:
    """By the command's own parser: its options, their choices, its subcommands, and what its arguments name."""
    module = import_module(f"evalkit.cli.{command}")
    parser = argparse.ArgumentParser(add_help=True)
    module.add_arguments(parser)
    for one in before:
        parser = _subcommands(parser).get(one, parser)
    actions = parser._actions  # noqa: SLF001  argparse has no other way to tell what it takes
    if before and (chosen := [one for one in actions if before[-1] in one.option_strings and one.nargs != 0]):
        return _begin(word, map(str, chosen[0].choices or ()))
    if word.startswith("-"):
        taken = [name for one in actions for name in one.option_strings if name.startswith("--")]
        return _begin(word, [*taken, *(["--json"] if "--format" in taken else [])])
    if "=" in word or word.split("=", maxsplit=1)[0] in groups():
        return None
    return _begin(word, [*_subcommands(parser), *_named(command, actions)])


def _subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    kind = argparse._SubParsersAction  # noqa: SLF001  see above
    return next((dict(one.choices) for one in parser._actions if isinstance(one, kind)), {})  # noqa: SLF001


def _named(command: str, actions: Iterable[argparse.Action]) -> list[str]:
    """What the arguments may name, by how the help calls them."""
    shown = {str(one.metavar) for one in actions if not one.option_strings}
    if "NAME_OR_PATH" in shown:
        return options("dataset")
    if "RUN" in shown or command == "compare":
        return _runs()
    if command == "rubric":
        from evalkit.adapters.rubric_files import RubricFolder  # noqa: PLC0415  for this command only
        from evalkit.places import rubric_folders  # noqa: PLC0415

        return RubricFolder(rubric_folders()).names()
    return []


def _runs() -> list[str]:
    """The runs on this machine by name and key."""
    from evalkit.cli.runs_of import told  # noqa: PLC0415  for runs only
    from evalkit.places import mlruns  # noqa: PLC0415

    folders = [path.parent for path in (mlruns() / "runs").glob("*/record.json")]
    return [name for path in folders for name in (told(path, "record.json", "name"), path.name) if name]
