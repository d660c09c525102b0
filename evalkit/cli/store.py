"""Which tracking store a command looks at."""

import argparse

from evalkit.adapters.mlflow_store import local_uri
from evalkit.core.errors import ConfigError
from evalkit.places import folders, home


def add_uri(parser: argparse.ArgumentParser) -> None:
    """Add --uri."""
    parser.add_argument("--uri", help="the tracking store; default: what conf/tracker/local.yaml names")


def store_uri(given: str | None) -> str:
    """What --uri says, else the user's or the installed conf/tracker/local.yaml, else sqlite under EVALKIT_HOME."""
    uri = given or _configured() or local_uri(str(home()))
    if "://" not in uri:
        raise ConfigError(f"the store {uri!r} is no address; it must be sqlite:///PATH or http://HOST:PORT")
    return uri


def _configured() -> str | None:
    from omegaconf import OmegaConf  # noqa: PLC0415  60 ms, which --help need not pay

    for folder in folders("conf"):
        file = folder / "tracker" / "local.yaml"
        if file.is_file():
            found = OmegaConf.to_container(OmegaConf.load(file), resolve=True)
            return str(found["uri"]) if isinstance(found, dict) and found.get("uri") else None
    return None
