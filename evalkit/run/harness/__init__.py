"""The scripts that run inside the sandbox: plain Python, nothing of evalkit is there to import."""

from functools import cache
from importlib.resources import files


@cache
def script(name: str) -> str:
    """The text of one script, e.g. `cases`."""
    return files(__name__).joinpath(f"{name}.py").read_text(encoding="utf-8")
