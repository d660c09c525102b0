"""The scripts that run inside the sandbox: plain Python, nothing of evalkit is there to import."""

from functools import cache
from importlib.resources import files


@cache
def script(name: str) -> str:
    """The text of one script, e.g. `cases`."""
    return text(f"{name}.py")


@cache
def text(name: str) -> str:
    """The text of one file, e.g. `rust/main.rs`."""
    return files(__name__).joinpath(name).read_text(encoding="utf-8")
