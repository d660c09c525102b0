"""Start a project: tasks of your own with tests, a ladder, rules, a sweep, and a README with three commands.

It runs at once, without a model: `evalkit run dataset=mine ladder=scripted`. Nothing that is there is overwritten.
"""

import argparse
import os
from pathlib import Path

from evalkit.core.errors import ConfigError, StorageError
from evalkit.places import home

EXAMPLE = "evalkit init my-evals"
TEMPLATE = Path(__file__).with_name("project")
RENAMED = {"gitignore": ".gitignore"}  # under its own name git would obey it here


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument("folder", nargs="?", type=Path, default=Path(), metavar="FOLDER", help="default: this one")


def run(args: argparse.Namespace) -> int:
    """Lay the files. Returns the exit code. Raises ConfigError, before any is laid, where one is there already."""
    folder = args.folder.expanduser()
    files = template()
    _refuse(folder, sorted(files))
    try:
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:  # "x": what came there a moment ago is not overwritten either
                file.write(text)
            print(f"  {path}")
    except OSError as error:
        raise StorageError(
            f"{error.filename}: {error.strerror}. Make the folder writable, or choose another."
        ) from error
    print("next:")
    for line in _next(args.folder):
        print(f"  {line}")
    return 0


def template() -> dict[str, bytes]:
    """The project's files by their path in it."""
    found = (path for path in sorted(TEMPLATE.rglob("*")) if path.is_file())
    named = {RENAMED.get(str(at := path.relative_to(TEMPLATE)), str(at)): path.read_bytes() for path in found}
    return dict(sorted(named.items()))


def _refuse(folder: Path, names: list[str]) -> None:
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{str(folder)!r} is a file; name a folder")
    if there := [name for name in names if os.path.lexists(folder / name)]:
        where = "this folder" if folder == Path() else repr(str(folder))
        raise ConfigError(
            f"nothing was written: {where} has {', '.join(there)} already. "
            f"Choose another folder, such as `evalkit init {folder / 'evals'}`."
        )


def _next(folder: Path) -> list[str]:
    """The README's commands, where they are to be given from."""
    enter = [] if folder == Path() else [f"cd {folder}"]
    if os.environ.get("EVALKIT_HOME") and home().resolve() != folder.expanduser().resolve():
        enter.append(f"unset EVALKIT_HOME   # it is {home()}, where conf/ and mlruns/ would be looked for")
    return [*enter, "evalkit dataset check mine", "evalkit run dataset=mine ladder=scripted"]
