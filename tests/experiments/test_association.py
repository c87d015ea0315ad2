"""Rank correlation and curvature, against SciPy and NumPy."""

import numpy as np
import pytest
from scipy import stats

from experiments.common import association

RNG = np.random.default_rng(0)
X = RNG.integers(1, 5, 60)
Z = X + RNG.normal(size=60)
Y = Z + RNG.normal(size=60)


def test_spearman_is_scipys_with_an_interval_around_it():
    found, wanted = association.spearman(X, Y, seed=0), stats.spearmanr(X, Y)
    assert (found.value, found.p) == pytest.approx((wanted.statistic, wanted.pvalue))
    assert found.low < found.value < found.high
    assert found.n == 60
    assert found == association.spearman(X, Y, seed=0)


def test_partial_spearman_is_the_correlation_of_what_a_regression_leaves():
    x, y, z = (stats.rankdata(a) for a in (X, Y, Z))
    left = [a - np.polyval(np.polyfit(z, a, 1), z) for a in (x, y)]
    found = association.partial_spearman(X, Y, Z, seed=0)
    assert found.value == pytest.approx(np.corrcoef(*left)[0, 1])
    assert found.low < found.value < found.high
    # All that X and Y share comes from Z.
    assert found.p > 0.05 > association.spearman(X, Y, seed=0).p


def test_curvature_is_twice_the_leading_coefficient_of_the_best_parabola():
    x = RNG.uniform(10, 70, 80)
    y = 269 - 0.003 * (x - 90) ** 2 + RNG.normal(size=80)
    found = association.curvature(x, y, seed=0)
    assert found.value == pytest.approx(2 * np.polyfit(x, y, 2)[0])
    assert found.low < found.value < found.high < 0


def test_resamples_without_variation_do_not_matter():
    rare = np.array([0] * 9 + [1])
    found = association.spearman(rare, np.arange(10.0), seed=0)
    assert np.isfinite([found.low, found.high]).all()
