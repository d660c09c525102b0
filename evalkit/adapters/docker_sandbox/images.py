"""Images by name: which one a name means, whether the engine has it, and building what it has not."""

import fcntl
import json
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from evalkit.adapters.docker_sandbox import recipe as recipes
from evalkit.adapters.docker_sandbox.client import connect, not_found, translated
from evalkit.adapters.docker_sandbox.debian import Say, built
from evalkit.adapters.docker_sandbox.recipe import Finds, Recipe
from evalkit.core.errors import ConfigError, SandboxError

TIMEOUT_S = 600.0  # an import of some hundred megabytes on a busy disk


@dataclass(frozen=True)
class Image:
    """What the engine calls it, and how it comes to be where it is not there."""

    name: str  # as the config or the instance words it
    tag: str
    remedy: str

    def look(self, api: Any) -> tuple[str, tuple[str, ...]] | None:
        """The engine's id of it and the volumes that it declares; None if the engine has it not."""
        try:
            found = api.inspect_image(self.tag)
        except not_found():
            return None
        return str(found["Id"]), tuple(found["Config"].get("Volumes") or ())


def image(name: str, places: Finds) -> Image:
    """The image that a name means: a recipe's, else one that the engine knows by this very name."""
    found = recipes.find(name, places)
    if found is not None:
        return Image(name, found.tag, f"Build it: evalkit images build {name}")
    near = get_close_matches(name, places.names(recipes.FOLDER), 1)
    hint = f"Did you mean the recipe {near[0]!r}? Else bring it" if near else "Bring it"
    return Image(name, name, f"{hint} to the engine (docker pull {name}), or write conf/{recipes.FOLDER}/NAME.yaml")


def build(recipe: Recipe, cache: Path, say: Say) -> bool:
    """Build what the engine has not; False if it was there already. Raises SandboxError where a step fails."""
    cache.mkdir(parents=True, exist_ok=True)
    with translated("building an image"):
        api = connect(TIMEOUT_S)
    with (cache / f"{recipe.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a second builder waits, and finds it done
        with translated("building an image"):
            known = sizes(api, [recipe.tag])[recipe.tag] is not None
        if known:
            return False
        if recipe.dockerfile:
            _from_dockerfile(api, recipe, say)
        else:
            _from_debian(api, recipe, cache, say)
    return True


def listing(names: Iterable[Recipe]) -> dict[str, int | None]:
    """Bytes by tag of each recipe's image; None where it is not built. Raises SandboxError without an engine."""
    with translated("listing images"):
        return sizes(connect(), [recipe.tag for recipe in names])


def sizes(api: Any, tags: Iterable[str]) -> dict[str, int | None]:
    """Bytes by tag; None for what the engine has not."""
    found: dict[str, int | None] = {}
    for tag in tags:
        try:
            found[tag] = int(api.inspect_image(tag)["Size"])
        except not_found():
            found[tag] = None
    return found


def _from_debian(api: Any, recipe: Recipe, cache: Path, say: Say) -> None:
    repository, _, digest = recipe.tag.partition(":")
    changes = ["ENV LANG=C.UTF-8", f"LABEL evalkit.recipe={recipe.name}", 'CMD ["sh"]']
    with built(recipe, cache, say) as root:
        command = ["tar", "-C", str(root), "--numeric-owner", "--one-file-system", "-c", "."]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as packing, translated("importing the image"):
            answer = api.import_image_from_stream(packing.stdout, repository, digest, changes)
        if packing.returncode:
            raise SandboxError(f"tar of the image ended with exit code {packing.returncode}")
    if fault := _fault(str(answer).splitlines()):
        raise SandboxError(f"the engine did not import the image: {fault}")


def _from_dockerfile(api: Any, recipe: Recipe, say: Say) -> None:
    where = recipe.context
    name = Path(recipe.dockerfile).name
    said = []
    with translated(f"building {where / name}"):
        for line in api.build(path=str(where), dockerfile=name, tag=recipe.tag, forcerm=True, decode=True):
            said.append(json.dumps(line))
            if text := str(line.get("stream", "")).strip():
                say(f"  {text}")
    if fault := _fault(said):
        raise ConfigError(f"{where / name}: {fault}")


def _fault(lines: Iterable[str]) -> str:
    """The engine answers 200 and then says in its stream what went wrong."""
    for line in (part for one in lines for part in one.splitlines()):
        try:
            said = json.loads(line)
        except ValueError:
            continue
        if isinstance(said, dict) and said.get("error"):
            return str(said["error"]).strip()
    return ""
