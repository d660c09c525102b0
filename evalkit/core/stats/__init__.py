"""Rates, paired differences and rankings with intervals. Sources and measured coverage: docs/statistics.md.

Rates: `solved_rate`, `wilson`, `pass_at_k`, `pass_hat_k`. Two runs on the same instances: `paired` (one epoch: exact
McNemar), `compared` (any epochs, clusters), `pass_at_k_difference`, `pass_hat_k_difference`, `mean_difference` (of
several quantities at once: `mean_differences`), `cost_per_solved`, `cost_per_solved_ratio` (or `costs_per_solved`).
Several runs: `against`, `ranked`, `holm`. Main effects of a sweep are in core/factors.py, power in core/power.py.
"""

from evalkit.core.stats.epochs import Compared, compared
from evalkit.core.stats.pairs import FEWEST_DISCORDANT, Paired, difference, paired
from evalkit.core.stats.passes import pass_at_k, pass_at_k_difference, pass_hat_k, pass_hat_k_difference
from evalkit.core.stats.rates import Interval, Z, solved_rate, wilson
from evalkit.core.stats.resampled import (
    cost_per_solved,
    cost_per_solved_ratio,
    costs_per_solved,
    mean_difference,
    mean_differences,
)
from evalkit.core.stats.several import Against, Place, against, holm, ranked

__all__ = [
    "FEWEST_DISCORDANT",
    "Against",
    "Compared",
    "Interval",
    "Paired",
    "Place",
    "Z",
    "against",
    "compared",
    "cost_per_solved",
    "cost_per_solved_ratio",
    "costs_per_solved",
    "difference",
    "holm",
    "mean_difference",
    "mean_differences",
    "paired",
    "pass_at_k",
    "pass_at_k_difference",
    "pass_hat_k",
    "pass_hat_k_difference",
    "ranked",
    "solved_rate",
    "wilson",
]
