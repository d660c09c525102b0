"""What is known of an instance beside its outcome: what comparisons group by."""

from collections.abc import Iterable
from dataclasses import dataclass

from evalkit.core.types import Instance

CLUSTER = ("cluster", "repo")  # of an instance's metadata, where it has no repository of its own


@dataclass(frozen=True, slots=True)
class Traits:
    """Of one instance. `cluster` names what it shares with others that makes them alike (its repository), or is ""."""

    instance_id: str
    tags: tuple[str, ...] = ()
    difficulty: str = ""
    cluster: str = ""


def traits(instances: Iterable[Instance]) -> tuple[Traits, ...]:
    """The traits of instances, in their order."""
    return tuple(Traits(one.id, one.tags, one.difficulty, _cluster(one)) for one in instances)


def _cluster(instance: Instance) -> str:
    if instance.repo is not None:
        return instance.repo.name
    named = (instance.metadata.get(key) for key in CLUSTER)
    return next((name for name in named if isinstance(name, str) and name), "")
