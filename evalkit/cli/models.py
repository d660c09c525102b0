"""Embedded models: fetch their weights into the cache, or list them."""

import argparse

EXAMPLE = "evalkit models fetch smollm2-135m"
COLUMNS = {
    "name": "model",
    "size": "size",
    "licence": "licence",
    "fetched": "fetched",
    "sha256": "SHA-256",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`fetch [NAME…]` and `list`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="fetch|list")
    fetch = actions.add_parser("fetch", help="bring weights into the cache (all models where none is named)")
    fetch.add_argument("names", nargs="*", metavar="NAME", help="a model of `evalkit models list`")
    listing = actions.add_parser("list", help="the models that there are, and which are fetched")
    listing.add_argument("--format", choices=("table", "json", "csv"), default="table")
    for action in (fetch, listing):
        action.add_argument("--cache", metavar="DIR", help="default: EVALKIT_CACHE, else ~/.cache/evalkit")


def run(args: argparse.Namespace) -> int:
    """Fetch or list."""
    return _fetch(args) if args.action == "fetch" else _list(args)


def _fetch(args: argparse.Namespace) -> int:
    from evalkit.adapters.local_model.fetch import fetch  # noqa: PLC0415  `--help` need not load it
    from evalkit.adapters.local_model.weights import MODELS, known  # noqa: PLC0415

    names = [known(name).name for name in args.names or MODELS]  # a wrong name is said before the first download
    for name in names:
        path = fetch(name, args.cache, say=lambda line: print(line, flush=True))
        print(f"{name}: ready in {path}", flush=True)
    return 0


def _list(args: argparse.Namespace) -> int:
    from evalkit.adapters.local_model.weights import MODELS, place  # noqa: PLC0415
    from evalkit.cli.tables import show  # noqa: PLC0415

    rows = [
        {
            "name": each.name,
            "model": f"local/{each.name}",
            "size": f"{each.size / 1e6:,.0f} MB",
            "bytes": each.size,
            "licence": each.licence,
            "context": each.context,
            "fetched": "yes" if place(each.name, args.cache).is_file() else "no",
            "path": str(place(each.name, args.cache)),
            "sha256": each.sha256 if args.format != "table" else f"{each.sha256[:12]}…",
        }
        for each in MODELS.values()
    ]
    show(rows, COLUMNS, title="embedded models", form=args.format)
    return 0
