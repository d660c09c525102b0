"""A cache of the tests' own, so that they leave nothing in the user's, whose weights they do share."""

import os
from pathlib import Path

import pytest

from evalkit.adapters.local_model.weights import MODELS, place
from evalkit.places import cache

USERS = cache()  # before any test changes where it lies


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """One for all tests and workers: what is built in it is built once.

    It is there before the first test, and the tests' commands get it (tests/e2e/command.py).
    """
    base = tmp_path_factory.getbasetemp()
    made = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "evalkit-cache"
    made.mkdir(mode=0o755, exist_ok=True)
    for name in MODELS:  # also of weights that are not there: fetched into the user's, they are here as well
        weights = place(name, str(USERS))
        _link(made, weights)
        _link(made, weights.with_name(f"{weights.name}.verified"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EVALKIT_CACHE", str(made))
        yield made


def _link(folder: Path, users: Path) -> None:
    """Another worker may be doing the same."""
    try:
        (folder / users.name).symlink_to(users)
    except FileExistsError:
        return
