"""git as a process that does the same on every machine, whatever the user's settings and environment say."""

import os
import subprocess
from collections.abc import Mapping, Sequence

from evalkit.core.errors import ConfigError

# Nobody is asked anything, no hook and no helper of the source's own settings is started.
OPTIONS = ("-c", "safe.directory=*", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "gc.auto=0")
NETWORK = ("-c", "http.lowSpeedLimit=1000", "-c", "http.lowSpeedTime=60")  # a dead connection ends after a minute
MUTE = {"SSH_ASKPASS": "false", "SSH_ASKPASS_REQUIRE": "force"}  # ssh asks this program, which knows nothing
MISSING = "git is not installed here: apt-get install git (or your system's like)."


class GitError(Exception):
    """git said no; the text is the last line of what it said."""


def local_environment() -> dict[str, str]:
    """For work on objects and trees: none of the user's settings count."""
    return {
        **_plain(),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_NO_LAZY_FETCH": "1",
    }


def _plain() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return {**kept, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}


def local(*arguments: str) -> bytes:
    """What git prints. Raises GitError, ConfigError where there is no git."""
    return _run([*OPTIONS, *arguments], local_environment(), alone=True)


def remote(*arguments: str) -> bytes:
    """The same for clone and fetch, where the user's own credentials, proxies and certificates are needed."""
    return _run([*OPTIONS, *NETWORK, *arguments], {**_plain(), **MUTE}, alone=False)


def _run(arguments: Sequence[str], environment: Mapping[str, str], *, alone: bool) -> bytes:
    try:
        done = subprocess.run(
            ["git", *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            start_new_session=alone,  # Ctrl-C ends a clone, which takes long, and lets the rest come to its end
        )
    except FileNotFoundError as error:
        raise ConfigError(MISSING) from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise GitError(said[-1] if said else f"git ended with {done.returncode}")
    return done.stdout
