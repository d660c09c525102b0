"""Which instances a sample holds: one seeded, stratified order, of which every sample is a beginning.

Nested (invariant 7): the sample of 5 is the beginning of the sample of 10. Every beginning of n instances
holds of each stratum less than one more or fewer than its share of n. Largest remainders computed for each n
can't be nested (a larger sample may need fewer of a stratum), hence a pfair schedule (Baruah, Cohen, Plaxton
and Varvel, Algorithmica 15, 1996): the j-th of a stratum is due between j/share and (j+1)/share, and the
earliest due goes first.
"""

import json
from collections.abc import Sequence
from difflib import get_close_matches
from hashlib import sha256
from heapq import heapify, heappop, heappush

from evalkit.core.ramp import shared_out
from evalkit.core.types import Instance

FIELDS = ("tags", "difficulty")


def sample(
    instances: Sequence[Instance],
    size: int | None = None,
    seed: int = 0,
    by: str | None = "tags",
    share: str | None = None,
) -> tuple[Instance, ...]:
    """The first `size` instances of the seeded order; None is all of them, in file order.

    `by` is `tags` (the first one counts), `difficulty` or a metadata field; empty for no strata. `share` takes of
    these its part, such as `1/2`: the parts 1/2 and 2/2 are disjoint, together they are all, and each holds its
    share of every stratum. Raises ValueError where the field is unknown, or size or share do not fit.
    """
    drawn = _drawn(instances, size, seed, by)
    part, parts = read_share(share)
    if parts == 1:
        return drawn
    ordered = drawn if size is not None else _ordered(instances, seed, by)  # not as the file happens to list them
    shares = {str(number): 1 / parts for number in range(1, parts + 1)}
    parted = shared_out({one.id: stratum(one, by) for one in ordered}, shares, seed)
    taken = tuple(one for one in drawn if parted[one.id] == str(part))
    if not taken:
        raise ValueError(f"the share {share} of {len(drawn)} instances is empty; use a larger sample or fewer parts")
    return taken


def read_share(share: str | None) -> tuple[int, int]:
    """`2/3` as the second of three parts; None is all, one of one. Raises ValueError on anything else."""
    if share is None:
        return 1, 1
    part, _, parts = share.partition("/")
    if not (part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
        raise ValueError(f"sample.share is {share!r}; write PART/PARTS, such as 1/2 and, for the other half, 2/2")
    return int(part), int(parts)


def _drawn(instances: Sequence[Instance], size: int | None, seed: int, by: str | None) -> tuple[Instance, ...]:
    """The whole sample."""
    if by:
        _check_field(instances, by)
    if size is None:
        return tuple(instances)
    if not 1 <= size <= len(instances):
        raise ValueError(
            f"sample size {size} does not fit: the dataset holds {len(instances)} instances. "
            f"Use 1 to {len(instances)}, or null for all."
        )
    return _ordered(instances, seed, by)[:size]


def stratum(instance: Instance, by: str | None) -> str:
    """The stratum's name: the first tag, the difficulty or the metadata field's value; else empty."""
    if not by:
        return ""
    if by == "tags":
        return instance.tags[0] if instance.tags else ""
    if by == "difficulty":
        return instance.difficulty
    value = instance.metadata.get(by, "")
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _check_field(instances: Sequence[Instance], by: str) -> None:
    there = [*FIELDS, *sorted({key for instance in instances for key in instance.metadata})]
    if by not in there:
        near = get_close_matches(by, there, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"the instances have no field {by!r} to sample by; there is {', '.join(there)}.{hint}")


def _ordered(instances: Sequence[Instance], seed: int, by: str | None) -> tuple[Instance, ...]:
    strata: dict[str, list[Instance]] = {}
    for instance in sorted(instances, key=lambda each: _rank(seed, "instance", each.id)):
        strata.setdefault(stratum(instance, by), []).append(instance)
    total = len(instances)
    waiting = [(0, _rank(seed, "stratum", name), name, 0) for name in strata]  # (from when, tie, stratum, j)
    heapify(waiting)
    due: list[tuple[int, str, str, int]] = []  # (until when, tie, stratum, j)
    order = []
    for now in range(total):
        while waiting and waiting[0][0] <= now:
            _, tie, name, index = heappop(waiting)
            heappush(due, (-(-(index + 1) * total // len(strata[name])), tie, name, index))
        _, tie, name, index = heappop(due)
        order.append(strata[name][index])
        if index + 1 < len(strata[name]):
            heappush(waiting, ((index + 1) * total // len(strata[name]), tie, name, index + 1))
    return tuple(order)


def _rank(seed: int, what: str, name: str) -> str:
    return sha256(f"{seed}\x1f{what}\x1f{name}".encode()).hexdigest()
