"""How often each interval covers what is true, and how often each test is wrong, in simulated comparisons.

    python benchmarks/simulated_comparisons.py [--comparisons 2000] [--only WORD] [--processes 2]

Each row is a situation with a known truth, drawn again and again from a stated seed. Goals: an interval covers 93 to
97 times in a hundred, and a test at 0.05 rejects what is true at most 5.5 times. `*` marks a row outside; `power` rows
have no truth to reject and are held against what core/power.py foretells. docs/statistics.md keeps the results.
"""

import argparse
import gc
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import product
from math import sqrt

import numpy as np

from evalkit.core.factors import Cell, effects
from evalkit.core.factors import _mean as mean_of
from evalkit.core.factors import _Table as Sweep
from evalkit.core.power import power_of
from evalkit.core.stats import (
    Interval,
    against,
    cost_per_solved,
    cost_per_solved_ratio,
    mean_difference,
    pass_at_k,
    pass_hat_k,
    ranked,
    wilson,
)
from evalkit.core.stats.epochs import Pairs, sign_flip
from evalkit.core.stats.shares import mean_of_differences

Draw = Callable[[np.random.Generator], tuple[bool | None, bool | None]]  # covered, rejected
Outcomes = dict[str, list[bool]]
SWEBENCH_LITE = (114, 77, 23, 23, 17, 16, 6, 6, 5, 5, 4, 4)  # instances of each of its 12 repositories
UNEQUAL = (30, 20, 15, 10, 8, 6, 5, 3, 2, 1)


@dataclass(frozen=True)
class Situation:
    """What is drawn, what of (rate, pair, repeats, clusters, ...), and whether a rejection would be wrong."""

    of: str
    name: str
    draw: Draw
    power: float | None = None


def rates(size: int, rate: float) -> Draw:
    def draw(random: np.random.Generator) -> tuple[bool, None]:
        return covers(wilson(random.binomial(size, rate), size), rate), None

    return draw


def one_epoch(size: int, lost: float, won: float) -> Draw:
    return lambda random: judged(pairs_of(random, size, lost, won), won - lost)


def pairs_of(random: np.random.Generator, size: int, lost: float, won: float) -> Pairs:
    kind = random.choice(["lost", "won", "both", "neither"], size, p=[lost, won, *[(1 - lost - won) / 2] * 2])
    return Pairs(named(np.isin(kind, ["lost", "both"])), named(np.isin(kind, ["won", "both"])), None)


def repeats(size: int, epochs: int, lift: float, spread: float = 1.0) -> Draw:
    """Instances' chances are Beta(spread, spread) under A; B lifts each by `lift` of what is missing to 1."""

    def draw(random: np.random.Generator) -> tuple[bool, bool]:
        chance = random.beta(spread, spread, size)
        a, b = tries(random, chance, epochs), tries(random, chance + lift * (1 - chance), epochs)
        return judged(Pairs(a, b, None), lift / 2)

    return draw


def clustered(sizes: tuple[int, ...], epochs: int, sd: float, lift: float) -> Draw:
    """Each cluster has an uplift of its own, normal about `lift` (cut at +-0.5 around it)."""

    def draw(random: np.random.Generator) -> tuple[bool, bool]:
        own = lift + np.clip(random.normal(0, sd, len(sizes)), -0.5 + lift, 0.5 - lift)
        cluster = np.repeat(np.arange(len(sizes)), sizes)
        chance = random.uniform(0.25, 0.75, len(cluster))
        shift = own[cluster] / 2
        a, b = (tries(random, np.clip(chance + side * shift, 0, 1), epochs) for side in (-1, 1))
        return judged(Pairs(a, b, clusters_of(cluster)), lift)

    return draw


def passes(estimate: Callable[..., Interval | None], size: int, epochs: int, k: int) -> Draw:
    """Chances are uniform, so pass@k is k / (k + 1) and pass^k is 1 / (k + 1)."""
    truth = k / (k + 1) if estimate is pass_at_k else 1 / (k + 1)

    def draw(random: np.random.Generator) -> tuple[bool, None]:
        return covers(estimate(tries(random, random.random(size), epochs), k), truth), None

    return draw


def costs(size: int, sigma: float, extra: float, sizes: tuple[int, ...] | None = None) -> Draw:
    """Lognormal costs with mean 1; B's are dearer by `extra` on average, and by something of each cluster's own."""

    def draw(random: np.random.Generator) -> tuple[bool, bool]:
        cluster = np.arange(size) if sizes is None else np.repeat(np.arange(len(sizes)), sizes)
        a, b = (
            random.lognormal(-(sigma**2) / 2, sigma, len(cluster)) * (1 + (extra if side else 0)) for side in (0, 1)
        )
        b = b + random.normal(0, 0.0 if sizes is None else 0.5, cluster.max() + 1)[cluster]
        found = mean_difference(valued(a), valued(b), clusters=None if sizes is None else clusters_of(cluster))
        return covers(found, extra), not covers(found, 0.0) if extra == 0 else None

    return draw


def per_solved(size: int, rate: float, *, ratio: bool = False) -> Draw:
    """An unsolved climb costs twice a solved one on average."""

    def draw(random: np.random.Generator) -> tuple[bool | None, None]:
        sides = []
        for side in (0, 1):
            won = random.random(size) < rate * (1 + 0.5 * side)
            sides.append((valued(random.lognormal(-0.18, 0.6, size) * np.where(won, 1, 2)), valued(won)))
        truths = [(2 - one) / one for one in (rate, rate * 1.5)]
        found = cost_per_solved_ratio(*sides) if ratio else cost_per_solved(*sides[0])
        return (None if found is None else covers(found, truths[1] / truths[0] if ratio else truths[0])), None

    return draw


def main_effect(size: int, lift: float, *, random_sweep: bool = False) -> Draw:
    """2 models x 2 kinds of feedback x 2 numbers of attempts; one factor lifts by `lift`, another by 0.1."""

    def draw(random: np.random.Generator) -> tuple[bool, bool]:
        cells = sweep(random, size, lift, 0.0)
        if random_sweep:
            cells = [cells[n] for n in (0, 3, 5, 6)]
            found = next(one for one in effects(cells) if one.factor == "model")
            return covers(found.effect, lift), found.p_value < 0.05 if lift == 0 else None
        alone = Sweep(cells, {}, None)  # of all effects this one alone, which `effects` judges in the same way
        differences = mean_of([alone.rows[one] - alone.rows[other] for one, other in alone.pairs("model", "b")])
        return covers(mean_of_differences(differences, 4), lift), sign_flip(differences) < 0.05 if lift == 0 else None

    return draw


def interaction(size: int, extra: float) -> Draw:
    def draw(random: np.random.Generator) -> tuple[bool, bool]:
        alone = Sweep(sweep(random, size, 0.1, extra), {}, None)
        squares = alone.squares("model", "b", "feedback", "f")
        half = mean_of([alone.rows[a] - alone.rows[b] - alone.rows[c] + alone.rows[d] for a, b, c, d in squares]) / 2
        rejected = sign_flip(half) < 0.05 if extra == 0 else None
        return covers(mean_of_differences(half, 2 * len(squares)), extra / 2), rejected

    return draw


def any_effect(size: int) -> Draw:
    """Nothing has an effect: whether Holm lets any through."""

    def draw(random: np.random.Generator) -> tuple[None, bool]:
        cells = sweep(random, size, 0.0, 0.0, other=0.0)
        return None, any(one.p_adjusted < 0.05 for one in effects(cells))

    return draw


def family(runs: int, size: int, epochs: int, *, all_pairs: bool) -> Draw:
    """All runs are alike: whether any difference is called real."""

    def draw(random: np.random.Generator) -> tuple[None, bool]:
        chance = random.random(size)
        table = {f"r{n}": tries(random, chance, epochs) for n in range(runs)}
        if all_pairs:
            return None, any(len(place.level_with) < runs - 1 for place in ranked(table))
        return None, any(one.conclusion in ("better", "worse") for one in against("r0", table))

    return draw


def shown(size: int, uplift: float, share: float) -> Draw:
    return lambda random: (None, pairs_of(random, size, (share - uplift) / 2, (share + uplift) / 2).p_value() < 0.05)


def situations() -> list[Situation]:
    found = [
        Situation("rate", f"{n} instances, rate {p}", rates(n, p)) for n in (20, 100, 500) for p in (0.1, 0.5, 0.9)
    ]
    for n, (lost, won) in product((20, 50, 200), ((0.1, 0.1), (0.2, 0.2), (0.05, 0.2), (0.1, 0.4))):
        found.append(Situation("pair", f"{n} instances, lost {lost}, won {won}", one_epoch(n, lost, won)))
    for n, epochs, lift in product((10, 30, 200), (3, 8), (0.0, 0.3)):
        found.append(Situation("repeats", f"{n} instances x {epochs}, lift {lift}", repeats(n, epochs, lift)))
    found.append(Situation("repeats", "30 instances x 3, lift 0, chances near 0 or 1", repeats(30, 3, 0.0, 0.2)))
    shapes = {"10 x 10": (10,) * 10, "20 x 10": (10,) * 20, "10 unequal": UNEQUAL, "SWE-bench Lite": SWEBENCH_LITE}
    for (name, sizes), epochs, lift in product(shapes.items(), (1, 3), (0.0, 0.15)):
        what = f"{name}, epochs {epochs}, uplift {lift}"
        found.append(Situation("clusters", what, clustered(sizes, epochs, 0.2, lift)))
    for estimate, n, k in product((pass_at_k, pass_hat_k), (20, 100), (1, 3)):
        found.append(Situation("pass", f"{estimate.__name__}, k {k}, {n} instances x 5", passes(estimate, n, 5, k)))
    for n, sigma, extra in (
        (10, 0.5, 0.0),
        (10, 1.0, 0.5),
        (30, 0.5, 0.5),
        (30, 1.0, 0.5),
        (100, 1.0, 0.5),
    ):
        found.append(Situation("means", f"{n} instances, sigma {sigma}, B dearer by {extra}", costs(n, sigma, extra)))
    found += [Situation("means", f"clusters {name}", costs(0, 0.5, 0.0, sizes)) for name, sizes in shapes.items()]
    for n, rate in ((20, 0.3), (20, 0.6), (100, 0.3)):
        found.append(Situation("cost per solved", f"A's, {n} instances, rate {rate}", per_solved(n, rate)))
        found.append(Situation("cost per solved", f"B's over A's, {n}, rate {rate}", per_solved(n, rate, ratio=True)))
    for n, lift in product((20, 100), (0.0, 0.15)):
        found.append(Situation("main effect", f"{n} instances, {lift}", main_effect(n, lift)))
    found += [
        Situation("main effect", f"random sweep, 50, {x}", main_effect(50, x, random_sweep=True)) for x in (0.0, 0.15)
    ]
    found += [Situation("interaction", f"50 instances, {x}", interaction(50, x)) for x in (0.0, 0.1)]
    found.append(Situation("family", "any of 3 main effects, 50 instances", any_effect(50)))
    for runs, epochs, pairs in ((4, 3, False), (4, 1, True), (4, 3, True)):
        what = f"{runs} runs alike, epochs {epochs}, {'all pairs' if pairs else 'against one'}"
        found.append(Situation("family", what, family(runs, 60, epochs, all_pairs=pairs)))
    for n, uplift, share in ((100, 0.1, 0.2), (100, 0.15, 0.25), (300, 0.1, 0.3), (30, 0.3, 0.4)):
        foretold = power_of(n, uplift, discordant_share=share)
        found.append(Situation("power", f"{n} instances, {uplift} of {share}", shown(n, uplift, share), foretold))
    return found


def covers(found: Interval | None, truth: float) -> bool:
    return found is not None and found.low - 1e-9 <= truth <= found.high + 1e-9


def judged(pairs: Pairs, truth: float) -> tuple[bool, bool | None]:
    return covers(pairs.uplift(), truth), pairs.p_value() < 0.05 if truth == 0 else None


def named(outcomes: np.ndarray) -> Outcomes:
    return {f"i{n}": [bool(one)] for n, one in enumerate(outcomes)}


def valued(values: np.ndarray) -> dict[str, float]:
    return {f"i{n}": float(one) for n, one in enumerate(values)}


def tries(random: np.random.Generator, chance: np.ndarray, epochs: int) -> Outcomes:
    table = random.random((len(chance), epochs)) < chance[:, None]
    return {f"i{n}": row for n, row in enumerate(table.tolist())}


def clusters_of(cluster: np.ndarray) -> Mapping[str, str]:
    return {f"i{n}": str(one) for n, one in enumerate(cluster)}


def sweep(random: np.random.Generator, size: int, lift: float, extra: float, other: float = 0.1) -> list[Cell]:
    """Each instance has its own uplift of the model, uniform about `lift`; feedback lifts by `other`."""
    chance = random.uniform(0.1, 0.5, size)
    own = random.uniform(lift - 0.1, lift + 0.1, size)
    cells = []
    for model, feedback, attempts in product((0, 1), (0, 1), (1, 2)):
        rate = chance + model * own + feedback * other + model * feedback * extra
        outcomes = valued(random.random(size) < rate)
        cells.append(Cell({"model": "ab"[model], "feedback": "nf"[feedback], "attempts": str(attempts)}, outcomes))
    return cells


def measure(number: int, comparisons: int) -> tuple[list[bool], list[bool]]:
    situation = situations()[number]
    gc.freeze()  # statsmodels' Holm collects garbage at each call, which would walk all that is imported
    random = np.random.default_rng([number, 20261122])
    found = [situation.draw(random) for _ in range(comparisons)]
    return tuple([one[n] for one in found if one[n] is not None] for n in (0, 1))


def row(situation: Situation, covered: list[bool], rejected: list[bool]) -> str:
    cover, reject = (100 * float(np.mean(one)) if one else None for one in (covered, rejected))
    if situation.power is not None:
        expected = 100 * situation.power
        noise = 300 * sqrt(situation.power * (1 - situation.power) / len(rejected))
        mark = "" if abs(reject - expected) <= noise else " *"
        return f"| {situation.of} | {situation.name} | | {reject:.1f} shown, foretold {expected:.1f}{mark} |"
    cover_text = "" if cover is None else f"{cover:.1f}" + ("" if 93 <= cover <= 97 else " *")
    reject_text = "" if reject is None else f"{reject:.1f}" + ("" if reject <= 5.5 else " *")
    return f"| {situation.of} | {situation.name} | {cover_text} | {reject_text} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--comparisons", type=int, default=2000)
    parser.add_argument("--only", default="", help="rows whose kind or name contains this")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    chosen = [(n, one) for n, one in enumerate(situations()) if options.only in f"{one.of}: {one.name}"]
    print(
        f"{options.comparisons} comparisons a row\n\n"
        "| of | situation | covered, % | wrongly rejected, % |\n|---|---|---|---|",
        flush=True,
    )
    with ProcessPoolExecutor(options.processes) as pool:
        results = pool.map(partial(measure, comparisons=options.comparisons), [n for n, _ in chosen])
        for (_, situation), (covered, rejected) in zip(chosen, results, strict=True):
            print(row(situation, covered, rejected), flush=True)


if __name__ == "__main__":
    main()
