"""A dataset's instances: as rows of a table, and by id."""

from difflib import get_close_matches
from typing import Any

from evalkit.cli.tables import counted
from evalkit.core.errors import ConfigError
from evalkit.core.types import Dataset, Instance

LISTED = {"id": "id", "kind": "kind", "difficulty": "difficulty", "answer": "answer", "tests": "judged by"}


def row(instance: Instance) -> dict[str, Any]:
    """What is listed of it."""
    judged = [instance.tests.kind] if instance.tests else []
    judged += [counted(len(instance.rubric.rules), "rule")] if instance.rubric else []
    return {
        "id": instance.id,
        "kind": instance.tags[0] if instance.tags else "",
        "tags": ", ".join(instance.tags),
        "difficulty": instance.difficulty,
        "answer": instance.answer,
        "tests": ", ".join(judged),
    }


def find(dataset: Dataset, name: str) -> Instance:
    """The instance of that id. Raises ConfigError with the nearest ones."""
    found = {instance.id: instance for instance in dataset.instances}
    if name not in found:
        near = get_close_matches(name, found, n=3, cutoff=0.5) or list(found)[:3]
        raise ConfigError(f"{dataset.name} has no instance {name!r}; did you mean {' or '.join(map(repr, near))}?")
    return found[name]
