"""Images for sandbox=docker: build them from recipes (conf/sandbox/image/NAME.yaml), or list them."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

EXAMPLE = "evalkit images build python"
COLUMNS = {"name": "image", "tag": "tag", "built": "built", "size": "size", "description": "holds"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`build NAME…` and `list`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="build|list")
    build = actions.add_parser("build", help="build images; what is there already stays as it is")
    build.add_argument("names", nargs="+", metavar="NAME", help="a recipe of `evalkit images list`")
    build.add_argument("--cache", metavar="DIR", help="default: EVALKIT_CACHE, else ~/.cache/evalkit")
    listing = actions.add_parser("list", help="the recipes that there are, and which are built")
    listing.add_argument("--format", choices=("table", "json", "csv"), default="table")


def run(args: argparse.Namespace) -> int:
    """Build or list."""
    return _build(args.names, args.cache) if args.action == "build" else _list(args.format)


def _build(names: Sequence[str], cache: str | None) -> int:
    from evalkit.adapters.docker_sandbox.images import build  # noqa: PLC0415  `--help` need not load it

    known = _recipes()
    wanted = [_known(name, known) for name in names]  # a wrong name is said before the first is built
    for recipe in wanted:
        print(f"{recipe.name}: {recipe.tag}", flush=True)
        made = build(recipe, _cache(cache), say=lambda line: print(line, flush=True))
        print(f"{recipe.name}: {'built' if made else 'already built'}", flush=True)
    return 0


def _list(form: str) -> int:
    from evalkit.adapters.docker_sandbox.images import listing  # noqa: PLC0415
    from evalkit.cli.tables import show  # noqa: PLC0415
    from evalkit.core.errors import SandboxError  # noqa: PLC0415

    recipes = list(_recipes().values())
    try:
        sizes = listing(recipes)
    except SandboxError as error:
        sizes, built = {}, {recipe.tag: "unknown" for recipe in recipes}
        note = f"evalkit: {error}"
    else:
        built, note = {tag: "no" if size is None else "yes" for tag, size in sizes.items()}, ""
    rows = [
        {
            "name": recipe.name,
            "tag": recipe.tag,
            "built": built[recipe.tag],
            "size": f"{size / 1e6:,.0f} MB" if (size := sizes.get(recipe.tag)) else "–",
            "bytes": sizes.get(recipe.tag),
            "description": recipe.description,
            "path": recipe.path,
        }
        for recipe in recipes
    ]
    show(rows, COLUMNS, title="images", form=form)
    if note:
        import sys  # noqa: PLC0415

        print(note, file=sys.stderr)
    return 0


def _recipes() -> dict[str, Any]:
    """Every recipe by name, the user's own first."""
    from evalkit.adapters.docker_sandbox.recipe import FOLDER, read  # noqa: PLC0415
    from evalkit.places import folders  # noqa: PLC0415

    found: dict[str, Any] = {}
    for path in (path for conf in folders("conf") for path in sorted((conf / FOLDER).glob("*.yaml"))):
        if path.stem not in found:
            found[path.stem] = read(path)
    return found


def _known(name: str, recipes: dict[str, Any]) -> Any:
    from difflib import get_close_matches  # noqa: PLC0415

    from evalkit.core.errors import ConfigError  # noqa: PLC0415

    if name in recipes:
        return recipes[name]
    near = get_close_matches(name, recipes, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(recipes)}"
    raise ConfigError(f"no recipe {name!r}; {hint} A recipe is conf/sandbox/image/NAME.yaml.")


def _cache(folder: str | None) -> Path:
    return Path(folder or os.environ.get("EVALKIT_CACHE") or "~/.cache/evalkit").expanduser() / "images"
