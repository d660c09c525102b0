"""Which lever lifted: main effects and interactions of a sweep's factors, paired on instances."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from evalkit.core.stats.epochs import EQUAL, sign_flip
from evalkit.core.stats.pairs import FEWEST_DISCORDANT, conclusion_of
from evalkit.core.stats.rates import Interval
from evalkit.core.stats.several import LEVEL, holm
from evalkit.core.stats.shares import judged_clusters, mean_of_differences

Choices = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Cell:
    """A run of a sweep: its choice of each factor, and each judged instance's outcome (a boolean or a solved share).

    `epochs` is how many climbs a share is of: bounds are the closer the more there are.
    """

    choices: Mapping[str, str]
    outcomes: Mapping[str, float]
    epochs: int = 1


@dataclass(frozen=True, slots=True)
class Effect:
    """What `level` of `factor` adds to the solved rate over `baseline`, averaged over cells that are alike in all else.

    `matched` counts those pairs of cells; 0: there are none, and the effect is a regression's (see `effects`).
    `p_adjusted` is Holm's over all effects; `conclusion` (better, worse, no_difference_shown, cannot_show) is by it.
    """

    factor: str
    level: str
    baseline: str
    effect: Interval
    p_value: float
    p_adjusted: float
    conclusion: str
    instances: int
    matched: int


@dataclass(frozen=True, slots=True)
class Interaction:
    """How much more `levels` of two `factors` add together than each adds alone: a difference of differences, -2 to 2.

    `matched` counts the squares of four cells alike in all else. `p_adjusted` is Holm's over all interactions;
    `notable` ones are below 0.05.
    """

    factors: tuple[str, str]
    levels: tuple[str, str]
    baselines: tuple[str, str]
    effect: Interval
    p_value: float
    p_adjusted: float
    notable: bool
    instances: int
    matched: int


def effects(
    cells: Sequence[Cell], *, baseline: Mapping[str, str] | None = None, clusters: Mapping[str, str] | None = None
) -> tuple[Effect, ...]:
    """Each factor's levels against its baseline level: that of `baseline`, or else the first cell's.

    Cells share instances, so an instance's differences are averaged over the matched cells first, and interval and
    test (sign-flip) are over instances: a linear probability model with an effect for each instance and errors
    clustered by instance. Where no cells match (a random sweep), statsmodels fits that model with all factors'
    levels; a level that it cannot tell from the others is left out. Raises ValueError.
    """
    table = _Table(cells, baseline or {}, clusters)
    found: list[tuple[tuple[str, str, str], Interval, float, Any, int]] = []
    for factor, level in table.levels():
        name = (factor, level, table.base[factor])
        matched = table.pairs(factor, level)
        if matched:
            differences = _mean([table.rows[one] - table.rows[other] for one, other in matched])
            found.append((name, *table.judge(differences, len(matched)), differences, len(matched)))
        elif (fitted := table.fitted(factor, level)) is not None:
            found.append((name, *fitted, None, 0))
    adjusted = holm([p_value for _, _, p_value, _, _ in found])
    return tuple(
        Effect(
            *name,
            effect=effect,
            p_value=p_value,
            p_adjusted=p,
            conclusion=_concluded(effect, differences, p, len(table.names)),
            instances=len(table.names) if differences is None else _count(differences),
            matched=matched,
        )
        for (name, effect, p_value, differences, matched), p in zip(found, adjusted, strict=True)
    )


def interactions(
    cells: Sequence[Cell], *, baseline: Mapping[str, str] | None = None, clusters: Mapping[str, str] | None = None
) -> tuple[Interaction, ...]:
    """Each two factors' levels, the surest first; those without four matching cells are left out. Raises ValueError."""
    table = _Table(cells, baseline or {}, clusters)
    found = []
    for (factor, level), (other, second) in combinations(table.levels(), 2):
        squares = table.squares(factor, level, other, second) if factor != other else []
        if not squares:
            continue
        rows = [table.rows[a] - table.rows[b] - table.rows[c] + table.rows[d] for a, b, c, d in squares]
        differences = _mean(rows)
        half, p_value = table.judge(differences / 2, 2 * len(squares))  # a half is the mean of two differences
        effect = Interval(2 * half.value, 2 * half.low, 2 * half.high)
        name = ((factor, other), (level, second), (table.base[factor], table.base[other]))
        found.append((name, effect, p_value, _count(differences), len(squares)))
    adjusted = holm([p_value for _, _, p_value, _, _ in found])
    rows_of = (
        Interaction(*name, effect, p_value, p, p < LEVEL, instances, matched)
        for (name, effect, p_value, instances, matched), p in zip(found, adjusted, strict=True)
    )
    return tuple(sorted(rows_of, key=lambda one: (one.p_value, -abs(one.effect.value))))


class _Table:
    """Cells by choices, and their outcomes as rows over all instances (nan: not judged)."""

    def __init__(self, cells: Sequence[Cell], baseline: Mapping[str, str], clusters: Mapping[str, str] | None) -> None:
        _check(cells, baseline)
        self.names = sorted({name for cell in cells for name in cell.outcomes})
        self.base = {name: baseline.get(name, level) for name, level in cells[0].choices.items()}
        self.rows = _rows(cells, self.names)
        self.epochs = max(cell.epochs for cell in cells)
        self.labels = judged_clusters(self.names, clusters)
        self._fit: Mapping[tuple[str, str], tuple[Interval, float]] | None = None

    def levels(self) -> list[tuple[str, str]]:
        """Each factor's levels that are not its baseline, in the order of the cells."""
        seen = dict.fromkeys(choice for cell in self.rows for choice in sorted(cell, key=self._order))
        found = [(factor, level) for factor, level in seen if level != self.base[factor]]
        return sorted(found, key=lambda one: list(self.base).index(one[0]))

    def _order(self, choice: tuple[str, str]) -> int:
        return list(self.base).index(choice[0])

    def pairs(self, factor: str, level: str) -> list[tuple[Choices, Choices]]:
        """Cells with this level, each with the one that differs from it in the factor's baseline only."""
        here = [(cell, self._at_base(cell, factor)) for cell in self.rows if (factor, level) in cell]
        return [(cell, other) for cell, other in here if other in self.rows]

    def squares(self, factor: str, level: str, other: str, second: str) -> list[tuple[Choices, ...]]:
        """Cells with both levels, each with those at one baseline, the other and both."""
        found = []
        for cell in self.rows:
            if (factor, level) in cell and (other, second) in cell:
                one, two = self._at_base(cell, factor), self._at_base(cell, other)
                found.append((cell, one, two, self._at_base(one, other)))
        return [square for square in found if all(cell in self.rows for cell in square)]

    def _at_base(self, cell: Choices, factor: str) -> Choices:
        return frozenset((name, self.base[name] if name == factor else level) for name, level in cell)

    def judge(self, differences: Any, matched: int) -> tuple[Interval, float]:
        """The mean over instances with its bounds, and two-sided p; by clusters too where there are enough."""
        import numpy as np  # noqa: PLC0415  most commands need none

        known = ~np.isnan(differences)
        differences = differences[known]
        if not len(differences):
            return Interval(0.0, -1.0, 1.0), 1.0
        labels = None if self.labels is None else np.unique(self.labels[known], return_inverse=True)[1]
        p_value = sign_flip(differences)
        if labels is not None:
            p_value = max(p_value, sign_flip(np.bincount(labels, differences)))
        return mean_of_differences(differences, matched * self.epochs, labels), p_value

    def fitted(self, factor: str, level: str) -> tuple[Interval, float] | None:
        """The level's effect by regression; None where the cells cannot tell it from the others."""
        if self._fit is None:
            self._fit = _regression(self.rows, self.levels(), self.labels)
        return self._fit.get((factor, level))


def _check(cells: Sequence[Cell], baseline: Mapping[str, str]) -> None:
    if not cells:
        raise ValueError("a sweep without cells has no effects")
    factors = set(cells[0].choices)
    odd = next((cell for cell in cells if set(cell.choices) != factors), None)
    if odd is not None:
        raise ValueError(f"cells choose different factors: {sorted(factors)} and {sorted(odd.choices)}")
    for factor, level in baseline.items():
        known = dict.fromkeys(cell.choices.get(factor, "") for cell in cells)
        if factor not in factors or level not in known:
            what = f"one of {', '.join(map(repr, known))}" if factor in factors else f"of {', '.join(sorted(factors))}"
            raise ValueError(f"baseline is {factor}={level!r}; it must be {what}")


def _rows(cells: Sequence[Cell], names: Sequence[str]) -> dict[Choices, Any]:
    """Cells of the same choices (seeds, say) are repeats: their mean."""
    import numpy as np  # noqa: PLC0415  as above

    found: dict[Choices, list[Any]] = {}
    for cell in cells:
        row = np.array([cell.outcomes.get(name, np.nan) for name in names], float)
        found.setdefault(frozenset(cell.choices.items()), []).append(row)
    return {choices: _mean(rows) for choices, rows in found.items()}


def _mean(rows: Sequence[Any]) -> Any:
    """By instance, over the rows that know it; nan where none does."""
    import numpy as np  # noqa: PLC0415  as above

    table = np.array(rows)
    known = (~np.isnan(table)).sum(axis=0)
    return np.where(known > 0, np.nansum(table, axis=0) / np.maximum(known, 1), np.nan)


def _count(differences: Any) -> int:
    return int((differences == differences).sum())  # noqa: PLR0124  nan is not itself


def _regression(
    rows: Mapping[Choices, Any], levels: Sequence[tuple[str, str]], labels: Any
) -> dict[tuple[str, str], tuple[Interval, float]]:
    """A linear probability model: instance effects (taken out by demeaning), all levels, errors clustered."""
    import numpy as np  # noqa: PLC0415  as above
    from statsmodels.regression.linear_model import OLS  # noqa: PLC0415  costs a second

    chosen = np.array([[float(level in cell) for level in levels] for cell in rows])
    table = np.array(list(rows.values()))
    cell, instance = np.nonzero(~np.isnan(table))
    column = np.column_stack([table[cell, instance], chosen[cell]])
    sizes = np.maximum(np.bincount(instance), 1)
    means = np.column_stack([np.bincount(instance, one) / sizes for one in column.T])
    within = column - means[instance]
    if np.linalg.matrix_rank(within[:, 1:]) < len(levels) or len(set(instance)) < 2:  # noqa: PLR2004  no clusters
        return {}
    groups = instance if labels is None else labels[instance]
    fit = OLS(within[:, 0], within[:, 1:]).fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True)
    bounds, count = fit.conf_int(0.05), len(set(groups))
    return {
        level: (Interval(float(fit.params[n]), float(bounds[n][0]), float(bounds[n][1])), float(fit.pvalues[n]))
        if fit.bse[n] > EQUAL
        else _alike(float(fit.params[n]), count)
        for n, level in enumerate(levels)
    }


def _alike(effect: float, count: int) -> tuple[Interval, float]:
    """As matched cells are judged, where all instances (or clusters) show the same: rounding is no standard error."""
    import numpy as np  # noqa: PLC0415  as above

    same = np.full(count, effect if abs(effect) > EQUAL else 0.0).clip(-1, 1)
    return mean_of_differences(same, 1), sign_flip(same)


def _concluded(effect: Interval, differences: Any, p_adjusted: float, instances: int) -> str:
    if differences is not None:
        favour = conclusion_of(int((differences < 0).sum()), int((differences > 0).sum()), p_adjusted)
        if favour not in ("better", "worse"):
            return favour
    elif instances < FEWEST_DISCORDANT:  # a fit to fewer has standard errors of nothing
        return "cannot_show"
    elif p_adjusted >= LEVEL:
        return "no_difference_shown"
    return "better" if effect.value > 0 else "worse"
