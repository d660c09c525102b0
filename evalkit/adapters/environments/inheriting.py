"""What a recipe takes over from the one that it starts from."""

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

MERGED = ("site", "files", "env")  # key by key; all else is replaced
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def resolved(
    recipes: Mapping[str, Mapping[str, Any]], base: Mapping[str, Any], where: str, faults: list[str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each recipe with all that it inherits, as the fields of an Environment; faults are added to `faults`."""
    for name, recipe in recipes.items():
        chain, asked = [recipe], [name]
        while "like" in chain[-1]:
            parent = chain[-1]["like"]
            if parent not in recipes:
                near = get_close_matches(parent, recipes, 1)
                hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(recipes)}"
                faults.append(f"{where}: {asked[-1]}: like: no {parent!r}; {hint}")
                break
            if parent in asked:
                faults.append(f"{where}: {name}: like: goes in a circle ({' > '.join([*asked, parent])})")
                break
            chain.append(recipes[parent])
            asked.append(parent)
        else:
            found = dict(base)
            for one in reversed(chain):
                found = merged(found, one)
            yield name, _frozen(found)


def merged(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """What `own` says over `base`: its packages beside the inherited ones, one of the same project instead."""
    both = {**base, **{key: value for key, value in own.items() if key != "like"}}
    for key in MERGED:
        if key in base and key in own:
            both[key] = {**base[key], **own[key]}
    if "packages" in base and "packages" in own:
        both["packages"] = _packages(base["packages"], own["packages"])
    return both


def _packages(inherited: Sequence[str], own: Sequence[str]) -> list[str]:
    again = {_project(requirement) for requirement in own}
    return [*(one for one in inherited if _project(one) not in again), *own]


def _project(requirement: str) -> str:
    """The project's name as the index compares it (PEP 503)."""
    found = NAME.match(requirement.strip())
    return re.sub(r"[-_.]+", "-", found[0]).lower() if found else requirement


def _frozen(recipe: Mapping[str, Any]) -> dict[str, Any]:
    frozen = dict(recipe)
    for key in ("packages", "test"):
        if key in frozen:
            frozen[key] = tuple(frozen[key])
    if "setup" in frozen:
        frozen["setup"] = tuple(tuple(command) for command in frozen["setup"])
    return frozen
