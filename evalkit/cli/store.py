"""Which tracking store a command looks at."""

import argparse

from evalkit.adapters.mlflow_store import local_uri
from evalkit.core.errors import ConfigError
from evalkit.places import folders, home


def add_uri(parser: argparse.ArgumentParser) -> None:
    """Add --uri."""
    parser.add_argument("--uri", help="the tracking store; default: what conf/tracker/local.yaml names")


def store_uri(given: str | None, tracker: str = "local") -> str:
    """What --uri says, else the user's or the installed conf/tracker/local.yaml, else sqlite under EVALKIT_HOME.

    `tracker` is another option of that group, which may name none. Raises ConfigError for what is no address.
    """
    uri = given or _configured(tracker) or _configured("local") or local_uri(str(home()))
    if "://" not in uri:
        raise ConfigError(f"the store {uri!r} is no address; it must be sqlite:///PATH or http://HOST:PORT")
    return uri


def _configured(tracker: str) -> str | None:
    from omegaconf import OmegaConf  # noqa: PLC0415  60 ms, which --help need not pay
    from omegaconf.errors import OmegaConfBaseException  # noqa: PLC0415

    for folder in folders("conf"):
        file = folder / "tracker" / f"{tracker}.yaml"
        if file.is_file():
            try:
                found = OmegaConf.to_container(OmegaConf.load(file), resolve=True)
            except OmegaConfBaseException as error:
                raise ConfigError(f"{file}: {str(error).splitlines()[0]}") from error
            return str(found["uri"]) if isinstance(found, dict) and found.get("uri") else None
    return None
