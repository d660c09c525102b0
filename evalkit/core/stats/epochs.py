"""Two runs on the same instances with any number of epochs, and with clusters: uplift, test and conclusion."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from statistics import NormalDist
from typing import Any

from evalkit.core.power import FINE, sample_for
from evalkit.core.stats.pairs import FEWEST_DISCORDANT, conclusion_of, difference, exact_mcnemar
from evalkit.core.stats.rates import Interval
from evalkit.core.stats.shares import FEWEST_CLUSTERS, labels_of, mean_of_differences, standard_error

FEW = 12  # units that differ, up to which all signs are tried: 4,096, which scipy writes out one by one
DRAWS = 300_000  # about as many random numbers a test
LEVEL_AND_POWER = NormalDist().inv_cdf(0.975) + NormalDist().inv_cdf(0.8)
EQUAL = 1e-12  # sums of shares that differ by less differ in rounding only


@dataclass(frozen=True, slots=True)
class Compared:
    """The same instances under A and B, each with its judged epochs. `uplift` is B minus A in solved share.

    `gained` and `lost` are the instances of which B solves a larger or smaller share. `both` and `neither` (all solved,
    none solved, on both sides) say the rest; `mixed` counts those of equal share between. `p_value` is of `test`,
    two-sided: exact McNemar with one epoch, else sign-flip. `clusters` is how many clusters interval and test are by,
    None: by instance; the p is then the larger of both tests', as clusters are no reason to be surer, and
    `p_by_instance` the one without them. `note` is what a reader must know of this. `sample` is how many instances
    would show a true uplift as large as the one found (power 80 %), None where that is 0. `conclusion` is better,
    worse, no_difference_shown or cannot_show (fewer than 6 instances or clusters differ: too few for any result).
    """

    instances: int
    epochs: int
    both: int
    gained: tuple[str, ...]
    lost: tuple[str, ...]
    neither: int
    mixed: int
    uplift: Interval
    p_value: float
    p_by_instance: float
    test: str
    conclusion: str
    clusters: int | None
    note: str
    sample: int | None


def compared(
    a: Mapping[str, Sequence[bool]], b: Mapping[str, Sequence[bool]], clusters: Mapping[str, str] | None = None
) -> Compared:
    """Compare two runs on the instances that both judged; `a` and `b`: an instance's id and its judged epochs.

    `clusters`: an instance's id and what it shares with others, e.g. its repository (Miller 2024, arXiv 2411.00640,
    section 2.2). With fewer than 6 clusters they say nothing of others, so the result is by instance, and the note
    says so. Raises ValueError where the runs share no judged instance.
    """
    pairs = Pairs(a, b, clusters)
    by_instance = pairs.p_by_instance()
    p_value = pairs.p_value(by_instance)
    uplift = pairs.uplift()
    test = "exact McNemar" if pairs.epochs == 1 else "sign-flip"
    return Compared(
        instances=len(pairs.names),
        epochs=pairs.epochs,
        both=int((pairs.shares.min(axis=1) == 1).sum()),
        gained=pairs.where(pairs.differences > 0),
        lost=pairs.where(pairs.differences < 0),
        neither=int((pairs.shares.max(axis=1) == 0).sum()),
        mixed=len(pairs.where((pairs.differences == 0) & (pairs.shares[:, 0] % 1 > 0))),
        uplift=uplift,
        p_value=p_value,
        p_by_instance=by_instance,
        test=test if pairs.labels is None else f"{test} and sign-flip by cluster",
        conclusion=pairs.conclusion(uplift.value, p_value),
        clusters=None if pairs.labels is None else int(pairs.labels.max()) + 1,
        note=pairs.note,
        sample=pairs.sample(),
    )


class Pairs:
    """What two runs share, as arrays: `shares` (instances x 2), `differences`, `labels` of clusters (None: none).

    Raises ValueError where they share no judged instance.
    """

    def __init__(
        self, a: Mapping[str, Sequence[bool]], b: Mapping[str, Sequence[bool]], clusters: Mapping[str, str] | None
    ) -> None:
        import numpy as np  # noqa: PLC0415  most commands need none

        self.names = sorted(name for name in a.keys() & b.keys() if a[name] and b[name])
        if not self.names:
            raise ValueError("the runs share no judged instance, so there is nothing to pair")
        self.shares = np.array([(sum(a[name]) / len(a[name]), sum(b[name]) / len(b[name])) for name in self.names])
        self.differences = self.shares[:, 1] - self.shares[:, 0]
        self.differences[np.abs(self.differences) < EQUAL] = 0.0
        self.epochs = max(max(len(a[name]), len(b[name])) for name in self.names)
        self.labels, self.note = _labels(self.names, clusters)

    def p_by_instance(self) -> float:
        """Two-sided p without clusters."""
        if self.epochs > 1:
            return sign_flip(self.differences)
        return exact_mcnemar(int((self.differences < 0).sum()), int((self.differences > 0).sum()))

    def p_value(self, by_instance: float | None = None) -> float:
        """Two-sided p, the larger of those with and without clusters."""
        one = self.p_by_instance() if by_instance is None else by_instance
        return one if self.labels is None else max(one, sign_flip(self._by_cluster()))

    def uplift(self) -> Interval:
        """The mean difference with its bounds."""
        if self.epochs > 1 or self.labels is not None:
            return mean_of_differences(self.differences, self.epochs, self.labels)
        return difference(int((self.differences < 0).sum()), int((self.differences > 0).sum()), len(self.names))

    def where(self, mask: Any) -> tuple[str, ...]:
        """The names of some instances."""
        return tuple(name for name, here in zip(self.names, mask, strict=True) if here)

    def conclusion(self, uplift: float, p_value: float) -> str:
        """Better and worse by the sign of the uplift, which need not be that of most instances."""
        units = self.differences if self.labels is None else self._by_cluster()
        found = conclusion_of(int((units < -EQUAL).sum()), int((units > EQUAL).sum()), p_value)
        return found if found not in ("better", "worse") else "better" if uplift > 0 else "worse"

    def sample(self) -> int | None:
        """As many instances as would show this uplift; by clusters: with as many instances a cluster as here."""
        uplift = float(abs(self.differences.mean()))
        if uplift < FINE:
            return None
        if self.epochs == 1 and self.labels is None:
            return sample_for(uplift, discordant_share=float(abs(self.differences).mean()))
        error, _ = standard_error(self.differences, self.labels)
        needed = ceil(len(self.names) * (LEVEL_AND_POWER * error / uplift) ** 2)
        return max(FEWEST_DISCORDANT, needed)

    def _by_cluster(self) -> Any:
        import numpy as np  # noqa: PLC0415  as above

        return np.bincount(self.labels, self.differences)


def sign_flip(differences: Any, *, seed: int = 0) -> float:
    """Two-sided p of "A and B could be exchanged": how often random signs give a mean as far from 0 as the one found.

    A paired permutation test (Fisher 1935, The Design of Experiments, section 21) by scipy: all signs of up to 12
    units that differ, 9,999 to 49,999 drawn ones above. Unlike Wilcoxon's it tests the mean, which is the uplift.
    """
    import numpy as np  # noqa: PLC0415  most commands need none
    from scipy.stats import permutation_test  # noqa: PLC0415  scipy costs 0.5 s

    differ = differences[np.abs(differences) > EQUAL]
    if len(differ) < 2:  # noqa: PLR2004  of one, either sign is as far
        return 1.0
    if len(differ) > FEW:
        return _drawn_signs(differ, seed)
    flips = {"permutation_type": "samples", "vectorized": True, "n_resamples": 2**FEW}
    return float(permutation_test((differ,), lambda units, axis: units.sum(axis=axis).round(9), **flips).pvalue)


def _drawn_signs(differ: Any, seed: int) -> float:
    """Equal sizes are drawn together, as binomials: many instances cost no more than few."""
    import numpy as np  # noqa: PLC0415  as above
    from scipy.stats import monte_carlo_test  # noqa: PLC0415  as above

    sizes, which, counts = np.unique(np.abs(differ).round(12), return_inverse=True, return_counts=True)
    draws = np.random.default_rng(seed)
    found = monte_carlo_test(
        np.bincount(which, np.sign(differ)) * sizes,
        lambda size: sizes * (2 * draws.binomial(counts, 0.5, size) - counts),
        lambda sums, axis: np.abs(sums.sum(axis=axis)).round(9),  # sums of thirds tie but for rounding
        vectorized=True,
        alternative="greater",
        n_resamples=int(np.clip(DRAWS // len(sizes), 9_999, 49_999)),
        batch=max(1, 2_000_000 // len(sizes)),
    )
    return float(found.pvalue)


def _labels(names: Sequence[str], clusters: Mapping[str, str] | None) -> tuple[Any, str]:
    labels = labels_of(names, clusters)
    if labels is None:
        return None, ""
    count = int(labels.max()) + 1
    if count == len(names):
        return None, ""
    if count < FEWEST_CLUSTERS:
        return None, (
            f"{count} cluster{'s' * (count > 1)}: too few to judge by, so this speaks of instances "
            "like these in the same clusters, not of other clusters"
        )
    return labels, ""
