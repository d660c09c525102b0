"""Main effects and interactions of a sweep, against statsmodels' linear probability model."""

from itertools import product

import numpy as np
import pytest
from statsmodels.api import OLS

from evalkit.core.factors import Cell, effects, interactions

LEVELS = {"model": ("small", "big"), "feedback": ("none", "full"), "attempts": ("1", "2", "4")}
LIFTS = {"big": 0.2, "full": 0.1, "2": 0.05, "4": 0.15}


def sweep(size=120, extra=0.0, seed=0, skip=()):
    random = np.random.default_rng(seed)
    chance = random.uniform(0.0, 0.4, size)
    cells = []
    for levels in product(*LEVELS.values()):
        rate = chance + sum(LIFTS.get(one, 0) for one in levels) + extra * ("big" in levels and "full" in levels)
        outcomes = {f"i{n}": bool(random.random() < rate[n]) for n in range(size)}
        if levels not in skip:
            cells.append(Cell(dict(zip(LEVELS, levels, strict=True)), outcomes))
    return cells


@pytest.fixture(scope="module")
def cells():
    return sweep()


def model(cells, size=120):
    """The textbook's: an intercept for each instance, all levels, errors clustered by instance."""
    rows = [(cell, n, cell.outcomes[f"i{n}"]) for cell in cells for n in range(size)]
    instances = np.array([n for _, n, _ in rows])
    chosen = np.array([[float(one in cell.choices.values()) for one in LIFTS] for cell, _, _ in rows])
    design = np.column_stack([chosen, np.eye(size)[instances]])
    fit = OLS(np.array([float(y) for _, _, y in rows]), design)
    return fit.fit(cov_type="cluster", cov_kwds={"groups": instances}, use_t=True)


def test_main_effects_are_those_of_the_linear_model_with_clustered_errors(cells):
    found = effects(cells)
    fit = model(cells)
    assert [(one.factor, one.level, one.baseline) for one in found] == [
        ("model", "big", "small"), ("feedback", "full", "none"), ("attempts", "2", "1"), ("attempts", "4", "1"),
    ]  # fmt: skip
    for n, one in enumerate(found):
        low, high = fit.conf_int()[n]
        assert one.effect.value == pytest.approx(fit.params[n])
        assert (one.effect.low, one.effect.high) == (pytest.approx(low, abs=0.01), pytest.approx(high, abs=0.01))
        assert one.p_value == pytest.approx(fit.pvalues[n], abs=0.01)
        assert (one.instances, one.p_adjusted >= one.p_value) == (120, True)
    assert [one.matched for one in found] == [6, 6, 4, 4]
    assert found[0].conclusion == "better"


def test_the_baseline_can_be_named_and_turns_the_sign(cells):
    plain, turned = effects(cells)[0], effects(cells, baseline={"model": "big"})[0]
    assert (turned.level, turned.baseline, turned.conclusion) == ("small", "big", "worse")
    assert turned.effect.value == pytest.approx(-plain.effect.value)
    with pytest.raises(ValueError, match="baseline is model='huge'; it must be one of 'small', 'big'"):
        effects(cells, baseline={"model": "huge"})


def test_what_two_levers_add_together_is_found():
    found = interactions(sweep(extra=0.3, seed=4))
    assert (found[0].factors, found[0].levels, found[0].notable) == (("model", "feedback"), ("big", "full"), True)
    assert found[0].effect.low < 0.3 < found[0].effect.high
    assert found[0].matched == 3
    assert len(found) == 5  # model by feedback, and each of them by two levels of attempts


def test_cells_that_do_not_match_are_fitted_together():
    cells = sweep(size=300)
    drawn = [cells[n] for n in (0, 4, 8, 5, 9, 7)]  # no two differ in the model alone
    by_level = {one.level: one for one in effects(drawn)}
    assert by_level["big"].matched == 0
    assert by_level["big"].effect.low < 0.2 < by_level["big"].effect.high


@pytest.mark.parametrize("solves", [lambda n, _: True, lambda n, _: n % 2 == 0, lambda _, model: model == "big"])
def test_a_fitted_level_that_changes_nothing_on_any_instance_is_neither_better_nor_worse(solves):
    chosen = [("small", "1"), ("big", "2"), ("small", "3"), ("big", "3")]  # attempts=2 matches no other cell
    cells = [
        Cell({"model": model, "attempts": attempts}, {f"i{n}": solves(n, model) for n in range(8)})
        for model, attempts in chosen
    ]
    found = next(one for one in effects(cells) if one.level == "2")
    assert (found.matched, found.effect.value, found.p_value) == (0, 0.0, 1.0)
    assert found.effect.low < -0.3
    assert found.effect.high > 0.3
    assert found.conclusion == "no_difference_shown"


def test_a_fit_to_a_few_instances_concludes_nothing():
    chosen = [("small", "1"), ("big", "2"), ("small", "3"), ("big", "3")]
    cells = [
        Cell({"model": model, "attempts": attempts}, {f"i{n}": attempts == "2" for n in range(3)})
        for model, attempts in chosen
    ]
    assert next(one for one in effects(cells) if one.level == "2").conclusion == "cannot_show"


def test_a_level_that_cannot_be_told_from_another_is_left_out():
    alike = [
        Cell({"model": "a", "prompt": "x"}, {"i": True, "j": False}),
        Cell({"model": "b", "prompt": "y"}, {"i": True, "j": True}),
    ]
    assert effects(alike) == ()


def test_an_instance_counts_in_the_cells_that_judged_it(cells):
    gone = [Cell(cell.choices, {k: v for k, v in cell.outcomes.items() if k != "i0"}) for cell in cells[:2]] + list(
        cells[2:]
    )
    assert effects(gone)[0].instances == 120
    only = [Cell({"m": "a"}, {"i": True}), Cell({"m": "b"}, {"j": True})]
    assert (effects(only)[0].instances, effects(only)[0].conclusion) == (0, "cannot_show")


def test_cells_of_the_same_choices_are_repeats_of_one():
    one, other = ([True, False], [True, True])
    cells = [Cell({"m": "a"}, {"i": y}) for y in one] + [Cell({"m": "b"}, {"i": y}) for y in other]
    assert effects(cells)[0].effect.value == pytest.approx(0.5)


def test_sweeps_without_cells_or_with_other_factors_are_refused(cells):
    with pytest.raises(ValueError, match="without cells"):
        effects([])
    with pytest.raises(ValueError, match="different factors"):
        effects([*cells, Cell({"model": "small"}, {})])
