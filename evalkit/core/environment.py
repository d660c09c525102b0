"""What a repository's tests run in: a recipe as data, and what comes of building it."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Environment:
    """A recipe. `test` is the argv of the test command, in which `{targets}` stands for an instance's targets.

    `python` is a version (`3.11`); empty: evalkit's own. `packages` are pip requirements, installed once without the
    repository itself; `image` is a recipe of conf/sandbox/image/ or a container image whose Python runs them instead.
    `site` are files for Python beside the packages (`sitecustomize.py`, a dist-info), out of the candidate's reach.
    `files` are laid into the tree (path: text) and `setup` are commands run in it (in the sandbox, without network)
    before the tests, each an argv. `env` are environment variables. `report` says how outcomes are read: `pytest`,
    `unittest` (also Django's runner) or `sympy` (bin/test).
    """

    name: str
    test: tuple[str, ...]
    report: str = "pytest"
    python: str = ""
    image: str = ""
    packages: tuple[str, ...] = ()
    site: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    setup: tuple[tuple[str, ...], ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 1800.0
    memory_mb: int = 2048
    description: str = ""


@dataclass(frozen=True)
class Built:
    """An environment that is ready. `python` is the argv[0] that its commands' `python` stands for.

    `mounts` are the host's folders that it needs, readable at their own paths; `env` is the recipe's and what the
    build adds. `digest` changes with anything that may change an outcome.
    """

    environment: Environment
    python: str
    digest: str
    mounts: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
