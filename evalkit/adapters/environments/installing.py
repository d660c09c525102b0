"""Packages by pip: into a virtual environment, or into a folder for the Python of an image."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from evalkit.adapters.environments.markers import unmet
from evalkit.core.environment import Environment
from evalkit.core.errors import ConfigError, SandboxError

PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input")
MISREAD = ("No matching distribution", "Invalid requirement", "ResolutionImpossible", "Cannot install ")
UNBUILT = ("subprocess-exited-with-error", "metadata-generation-failed", "Failed building", "Failed to build")
AWAY = ("connection broken", "Temporary failure", "Network is unreachable", "Max retries", "timed out", "ProxyError")
TAIL = 12  # lines


def new_venv(folder: Path) -> None:
    """An empty virtual environment of this machine's Python. Raises SandboxError."""
    done = _run((sys.executable, "-m", "venv", "--without-pip", str(folder)))
    if done.returncode:
        raise SandboxError(f"no virtual environment could be made in {str(folder)!r}:\n{_tail(done.stderr)}")


def into_venv(folder: Path, recipe: Environment) -> None:
    """Install a recipe's packages. Raises ConfigError or SandboxError with what pip said."""
    if recipe.packages:
        _pip(("--python", str(folder / "bin" / "python"), "install", "--no-warn-script-location"), recipe)


def for_another(python: str, folder: Path, recipe: Environment) -> None:
    """Install a recipe's packages for another version of CPython: wheels only, as nothing can be built for it here.

    Raises ConfigError or SandboxError with what pip said.
    """
    meant = ("--python-version", python, "--implementation", "cp", "--only-binary=:all:")
    command = ("install", "--target", str(folder), *meant, "--no-compile", "--no-warn-script-location")
    also: list[str] = []
    while recipe.packages:
        shutil.rmtree(folder, ignore_errors=True)
        _pip(command, recipe, also)
        # pip reads `python_version < "3.11"` as speaking of the Python that runs it, and leaves out what only older
        # ones need.
        missing = sorted(set(unmet(folder, python)) - set(also))
        if not missing:
            return
        also += missing


def _pip(command: Sequence[str], recipe: Environment, also: Sequence[str] = ()) -> None:
    done = _run((*PIP, *command, *recipe.packages, *also))
    if not done.returncode:
        return
    said = f"{done.stdout}\n{done.stderr}"
    if "No module named pip" in said:
        raise ConfigError("environments are built with pip, which is not installed here: pip install 'pip>=23'")
    faults = [line.strip() for line in said.splitlines() if line.lstrip().startswith(("ERROR", "error:"))]
    kind = ConfigError if any(map(said.count, MISREAD + UNBUILT)) and not any(map(said.count, AWAY)) else SandboxError
    raise kind(
        f"{recipe.name}: pip could not install its packages: {(faults or ['it gave no reason'])[-1]}\n{_tail(said)}"
    )


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    # What the user's own Python is told would end up in the environment, or keep packages out of it.
    ours = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PIP_TARGET", "PIP_USER")}
    return subprocess.run(command, env=ours, capture_output=True, text=True, errors="replace", check=False, umask=0o022)


def _tail(said: str) -> str:
    lines = [line for line in said.splitlines() if line.strip()]
    return "\n".join(f"  {line}" for line in lines[-TAIL:])
