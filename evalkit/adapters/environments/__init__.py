"""What repositories' tests run in, by recipe: built when first asked for, kept on disk for all runs."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path

from evalkit.adapters.environments.building import Place, place
from evalkit.adapters.environments.reading import Finds, Recipes, read
from evalkit.adapters.environments.tidying import FOLDER, environments, forget_environments
from evalkit.core.environment import Built, Environment
from evalkit.core.errors import ConfigError

__all__ = ["RecipeEnvironments", "environments", "forget_environments"]


SHOWN = 8


@dataclass
class RecipeEnvironments:
    """Environments by name (`owner/name@version`).

    `recipes`: a folder of conf/dataset/ or of your own, a YAML file, a list of these, or a mapping of recipes by name.
    `cache` is evalkit's cache folder.
    """

    recipes: Recipes
    cache: str
    places: Finds
    _ready: dict[str, Built] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def known(self) -> dict[str, Environment]:
        """All recipes by name. Raises ConfigError with one line a fault."""
        return read(self.recipes, self.places)

    def recipe(self, name: str) -> Environment:
        """The recipe of that name. Raises ConfigError with the nearest names."""
        if name in self.known:
            return self.known[name]
        near = get_close_matches(name, self.known, 3, 0.7)
        others = ", ".join(list(self.known)[:SHOWN]) + (
            f" and {len(self.known) - SHOWN} more" * (len(self.known) > SHOWN)
        )
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"there are {others}."
        raise ConfigError(f"no recipe for the environment {name!r}; {hint}")

    async def built(self, name: str) -> Built:
        """The same, built once and cached on disk. Raises ConfigError or SandboxError."""
        if name not in self._ready:
            self._ready[name] = await asyncio.to_thread(self._place(name).built)
        return self._ready[name]

    async def prepare(self, names: Iterable[str], say: Callable[[str], None]) -> None:
        """Build all that a dataset needs before its run begins, a line of progress each.

        Raises ConfigError or SandboxError.
        """
        for name in dict.fromkeys(names):
            await asyncio.to_thread(self._place(name).build, say)

    def _place(self, name: str) -> Place:
        return place(self.recipe(name), Path(self.cache, FOLDER))
