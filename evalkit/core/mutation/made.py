"""What is made of an example: another text, and how it came about."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice, zip_longest

# What a rewrite that means the same may change, and a rule may be meant to see (`sensitive`).
CHANGES = ("comments", "layout", "names", "order", "numbers")


@dataclass(frozen=True, slots=True)
class Mutation:
    """Another text and how it was made, such as "delete a statement" or "rename a local"."""

    operator: str
    text: str


@dataclass(frozen=True, slots=True)
class Rewrite(Mutation):
    """A mutation that means the same; `changes` is one of CHANGES."""

    changes: str


def sampled(mutations: Iterable[Mutation], most: int, seed: int = 0) -> list[Mutation]:
    """At most so many, of every operator in turn; which ones follows from the seed and the texts alone."""
    by_operator: dict[str, list[Mutation]] = defaultdict(list)
    for mutation in mutations:
        by_operator[mutation.operator].append(mutation)
    shuffled = (sorted(group, key=lambda one: _lot(one, seed)) for group in by_operator.values())
    dealt = (one for row in zip_longest(*shuffled) for one in row if one is not None)
    return list(islice(dealt, most))


def _lot(mutation: Mutation, seed: int) -> str:
    return sha256(f"{seed}\x1f{mutation.text}".encode(errors="surrogatepass")).hexdigest()
