"""The sample of a ramp, drawn and frozen before the first call (invariant 7); pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from hashlib import sha256

from evalkit.core.digest import canonical
from evalkit.core.ramp import shared_out
from evalkit.core.sampling import sample, stratum
from evalkit.core.types import Dataset


@dataclass(frozen=True, slots=True)
class Drawn:
    """An instance in the sample's order; `ladder` is the share that it goes to, empty without shares."""

    id: str
    stratum: str
    ladder: str = ""


@dataclass(frozen=True, slots=True)
class Frozen:
    """sample.json: each phase takes the beginning of `instances`. `digest` covers all the rest."""

    dataset: str
    dataset_digest: str
    seed: int
    by: str | None
    instances: tuple[Drawn, ...]
    digest: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether it is what was frozen: nobody has edited it."""
        return self.digest == _digest(self)


def freeze(dataset: Dataset, size: int, seed: int, by: str | None, shares: Mapping[str, float]) -> Frozen:
    """Draw so many instances. Raises ValueError as `sample` does."""
    drawn = sample(dataset.instances, size, seed, by)
    return frozen(dataset, {one.id: stratum(one, by) for one in drawn}, seed, by, shares)


def frozen(
    dataset: Dataset, strata: Mapping[str, str], seed: int, by: str | None, shares: Mapping[str, float]
) -> Frozen:
    """The sample of these instances in this order, `strata` by id, shared out where there are shares."""
    ladders = shared_out(strata, shares, seed) if shares else {}
    instances = tuple(Drawn(name, kind, ladders.get(name, "")) for name, kind in strata.items())
    found = Frozen(dataset.name, dataset.digest, seed, by, instances)
    return replace(found, digest=_digest(found))


def _digest(found: Frozen) -> str:
    content = {key: value for key, value in asdict(found).items() if key != "digest"}
    return sha256(canonical(content).encode()).hexdigest()
