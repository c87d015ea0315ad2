"""How two measurements go together: rank correlation, and whether a curve bends.

Each with a 95 % percentile bootstrap interval over the observations.
"""

import dataclasses

import numpy as np
from scipy import stats

RESAMPLES = 1000


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A statistic with its interval.

    Attributes:
        value: The statistic of all observations; NaN if it is not defined.
        low: Lower end of the 95 % bootstrap interval.
        high: Upper end.
        p: Two-sided p-value of no association; NaN where none is computed.
        n: Number of observations.
    """

    value: float
    low: float
    high: float
    p: float
    n: int


def spearman(x: np.ndarray, y: np.ndarray, seed: int, resamples: int = RESAMPLES) -> Estimate:
    """Returns Spearman's rank correlation of x and y, both [observation]."""
    found = stats.spearmanr(x, y)
    interval = _interval((x, y), _rank_correlation, seed, resamples)
    return Estimate(float(found.statistic), *interval, float(found.pvalue), len(x))


def partial_spearman(
    x: np.ndarray, y: np.ndarray, given: np.ndarray, seed: int, resamples: int = RESAMPLES
) -> Estimate:
    """Returns the rank correlation of x and y that is left once the ranks of a third are known.

    It is the correlation of what remains of the ranks of x and y after a linear regression on those
    of `given`; its p-value is of Student's t with n - 3 degrees of freedom (Kendall 1942). All
    arguments are [observation].
    """
    value = float(_partial(x, y, given))
    freedom = len(x) - 3
    t = value * np.sqrt(freedom / max(1 - value**2, np.finfo(float).eps))
    interval = _interval((x, y, given), _partial, seed, resamples)
    return Estimate(value, *interval, float(2 * stats.t.sf(abs(t), freedom)), len(x))


def curvature(x: np.ndarray, y: np.ndarray, seed: int, resamples: int = RESAMPLES) -> Estimate:
    """Returns the second derivative of the parabola that fits y(x) best, both [observation].

    Below 0 with its whole interval, the curve is concave: the rise slows down.
    """

    def second_derivative(x: np.ndarray, y: np.ndarray, axis: int = -1) -> np.ndarray:
        # By regression of y on the part of x^2 that no line in x explains.
        centred = x - x.mean(axis, keepdims=True)
        square = centred**2
        bend = square - square.mean(axis, keepdims=True)
        slope = _ratio((bend * centred).sum(axis), (centred**2).sum(axis))
        bend = bend - np.expand_dims(slope, axis) * centred
        return 2 * _ratio((bend * y).sum(axis), (bend**2).sum(axis))

    interval = _interval((x, y), second_derivative, seed, resamples)
    return Estimate(float(second_derivative(x, y)), *interval, np.nan, len(x))


def _rank_correlation(x: np.ndarray, y: np.ndarray, axis: int = -1) -> np.ndarray:
    """Returns Spearman's rho; 0 where one of the two is constant, as a resample may be."""
    x, y = (stats.rankdata(a, axis=axis) for a in (x, y))
    x, y = (a - a.mean(axis, keepdims=True) for a in (x, y))
    return _ratio((x * y).sum(axis), np.sqrt((x**2).sum(axis) * (y**2).sum(axis)))


def _partial(x: np.ndarray, y: np.ndarray, given: np.ndarray, axis: int = -1) -> np.ndarray:
    xy, xz, yz = (_rank_correlation(a, b, axis) for a, b in ((x, y), (x, given), (y, given)))
    left = np.clip(1 - xz**2, 0, None) * np.clip(1 - yz**2, 0, None)
    return _ratio(xy - xz * yz, np.sqrt(left))


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Divides; 0 where the divisor is 0."""
    return np.where(below == 0, 0, above / np.where(below == 0, 1, below))


def _interval(data, statistic, seed: int, resamples: int) -> tuple[float, float]:
    if len(data[0]) < 2:
        return np.nan, np.nan
    interval = stats.bootstrap(
        data,
        statistic,
        n_resamples=resamples,
        paired=True,
        vectorized=True,
        method="percentile",
        # Bounds the memory that the resamples take.
        batch=100,
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(interval.low), float(interval.high)
