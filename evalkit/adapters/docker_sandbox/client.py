"""The docker SDK: loaded when it is first needed, its errors translated."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from evalkit.core.errors import SandboxError

HELP = (
    "Start an engine (as root: scripts/engine.sh installs and starts docker.io; or systemctl start docker), "
    "point DOCKER_HOST to one, or run with sandbox=bubblewrap."
)


class EngineAwayError(SandboxError):
    """The engine did not answer: an outage of its own, whatever was asked."""


class ImageMissingError(SandboxError):
    """The engine answers, and has no such image."""


def connect(timeout_s: float = 30.0, threads: int = 8) -> Any:
    """A client of the engine that DOCKER_HOST names, or of this machine's. Raises what `translated` translates."""
    try:
        import docker  # noqa: PLC0415  for runs that need it only
    except ModuleNotFoundError as error:
        raise EngineAwayError("the docker SDK is not installed: pip install 'evalkit[docker]'") from error
    from docker.utils import kwargs_from_env  # noqa: PLC0415

    if os.environ.get("DOCKER_TLS_VERIFY") or os.environ.get("DOCKER_HOST", "").startswith(("ssh:", "https:")):
        # Such a connection cannot say that stdin has ended: a candidate would wait for it until its time is up.
        raise EngineAwayError("DOCKER_HOST with TLS or ssh:// is not supported. Forward the engine's socket: ssh -L")
    return docker.APIClient(version="auto", timeout=timeout_s, max_pool_size=threads, **kwargs_from_env())


def host() -> str:
    """The engine that is asked for; empty for this machine's."""
    return os.environ.get("DOCKER_HOST", "")


def not_found() -> type[Exception]:
    """What the SDK raises for a container or image that is not there."""
    import docker.errors  # noqa: PLC0415  as above

    missing: type[Exception] = docker.errors.NotFound
    return missing


@contextmanager
def translated(what: str) -> Iterator[None]:
    """The SDK's errors as ours: an engine that does not answer differs from one that refuses."""
    import docker.errors  # noqa: PLC0415
    import requests  # noqa: PLC0415  what the SDK speaks HTTP with, and whose errors it lets through

    try:
        yield
    except docker.errors.APIError as error:
        said = error.explanation or error
        if "bind source path does not exist" in str(said):
            said = f"{said}. It is there, so the engine is on another machine: a repository's tree needs one on this"
        raise SandboxError(f"{what}: the container engine refused: {said}") from error
    except (docker.errors.DockerException, requests.exceptions.RequestException, OSError) as error:
        raise EngineAwayError(f"{what}: no container engine answers: {_short(error)}. {HELP}") from error


def _short(error: Exception) -> str:
    """The innermost words: the libraries between wrap one another's messages."""
    while (cause := error.__cause__ or error.__context__) is not None and isinstance(cause, Exception):
        error = cause
    return str(error) or type(error).__name__
