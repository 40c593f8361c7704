"""Is a difference between two models more than chance? Tests on paired vectors, with one row a unit.

A unit is a user, or a data set where each contributes its mean. Every function takes one column a comparison and shares
the resampling between the columns, so that all metrics and models of a table cost little more than one of them.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.stats
from numpy.typing import ArrayLike, NDArray

from calrec_recbole.errors import ConfigError, DataError

__all__ = ["RESAMPLES", "bootstrap_means", "cohens_d", "holm", "interval", "sign_flip_test", "t_test"]

RESAMPLES = 9_999  # scipy's default
ROUNDING = float(np.finfo(np.float64).eps)  # of one addition
ROWS_AT_ONCE = 256  # resamples held at a time: some 20 MB of weights at 10,000 users

Vector = NDArray[np.float64]


def t_test(differences: ArrayLike) -> Vector:
    """Two-sided p of the paired t-test, as in Table 4: (n_units, n_columns) differences -> (n_columns,).

    Equal to ``scipy.stats.ttest_rel`` of the two vectors. 1 where all differences are zero; where all are the same and
    not zero the variance is zero, and p is 0. NaN with a single unit that differs: it has no variance.
    """
    differences = _columns(differences)
    degenerate = (differences == differences[:1]).all(axis=0)
    p_values = np.where((differences == 0).all(axis=0), 1.0, np.nan if len(differences) == 1 else 0.0)
    if not degenerate.all():
        found = scipy.stats.ttest_1samp(differences[:, ~degenerate], 0.0)
        p_values[~degenerate] = found.pvalue
    return p_values


def sign_flip_test(differences: ArrayLike, resamples: int = RESAMPLES, seed: int = 0) -> Vector:
    """Two-sided p of the paired permutation test of the mean: (n_units, n_columns) differences -> (n_columns,).

    Each unit's two values are swapped with probability 1/2, which turns the sign of its difference. With n units that
    differ in any column and 2^n <= ``resamples`` all swaps are tried and p is exact; otherwise ``resamples`` random
    ones are, and p is (1 + those at least as extreme) / (1 + resamples). As ``scipy.stats.permutation_test`` with
    ``permutation_type="samples"``, but for the random numbers.
    """
    _check_resamples(resamples)
    columns = _columns(differences)
    columns = columns[(columns != 0).any(axis=1)]  # swapping equal values changes nothing
    observed = np.abs(columns.sum(axis=0))
    least = observed - ROUNDING * len(columns) * np.abs(columns).sum(axis=0)  # equal but for the order of the sum
    exact = 2 ** min(len(columns), 63) <= resamples
    swaps = _all_signs(len(columns)) if exact else _random_signs(len(columns), resamples, seed)
    extreme = np.zeros(columns.shape[1])
    tried = 0
    for signs in swaps:
        extreme += (np.abs(signs @ columns) >= least).sum(axis=0)
        tried += len(signs)
    return extreme / tried if exact else (1 + extreme) / (1 + tried)


def bootstrap_means(values: ArrayLike, resamples: int = RESAMPLES, seed: int = 0) -> Vector:
    """(n_units, n_columns) values -> (resamples, n_columns) means of n units drawn with replacement.

    A resample is the same units in every column, so the difference of two columns of the answer is the paired bootstrap
    of the difference of their means.
    """
    _check_resamples(resamples)
    values = _columns(values)
    units, rng = len(values), np.random.default_rng([seed, 1])
    means = []
    for start in range(0, resamples, ROWS_AT_ONCE):
        rows = min(ROWS_AT_ONCE, resamples - start)
        drawn = rng.integers(units, size=(rows, units)) + units * np.arange(rows)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=rows * units).reshape(rows, units)
        means.append(counts.astype(np.float64) @ values / units)
    return np.concatenate(means)


def interval(means: ArrayLike, level: float = 0.95) -> tuple[Vector, Vector]:
    """(resamples, n_columns) bootstrap means -> the lower and upper ends (n_columns,) of the percentile interval."""
    if not 0 < level < 1:
        raise ConfigError(f"level={level} must lie between 0 and 1, such as 0.95")
    low, high = np.quantile(_columns(means), [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high


def cohens_d(differences: ArrayLike) -> Vector:
    """Cohen's d_z of paired samples: mean difference / its standard deviation (n - 1) -> (n_columns,).

    0 where all differences are zero; infinite, or NaN with one unit, where they do not vary otherwise.
    """
    differences = _columns(differences)
    mean = differences.mean(axis=0)
    if len(differences) == 1:
        return np.where(mean == 0, 0.0, np.nan)
    constant = (differences == differences[:1]).all(axis=0)  # rounding may leave a deviation of 1e-17
    deviation = np.where(constant, 0.0, differences.std(axis=0, ddof=1))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(mean == 0, 0.0, mean / deviation)


def holm(p_values: ArrayLike) -> Vector:
    """Holm's step-down correction over all of ``p_values``, of any shape -> adjusted p, at most 1.

    The i-th smallest of m is multiplied by m - i + 1 and is at least as large as the ones before it. NaN is no test: it
    stays and does not count.

    >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    given = np.asarray(p_values, np.float64)
    adjusted = given.ravel().copy()
    tests = np.flatnonzero(~np.isnan(adjusted))
    order = tests[np.argsort(adjusted[tests], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(adjusted[order] * factors), 1.0)
    return adjusted.reshape(given.shape)


def _all_signs(units: int) -> Iterator[NDArray[Any]]:
    """Every vector of +1 and -1 of ``units`` places, some rows at a time."""
    numbers = np.arange(2**units)
    for start in range(0, len(numbers), ROWS_AT_ONCE):
        bits = numbers[start : start + ROWS_AT_ONCE, None] >> np.arange(units) & 1
        yield 1.0 - 2.0 * bits


def _random_signs(units: int, resamples: int, seed: int) -> Iterator[NDArray[Any]]:
    rng = np.random.default_rng([seed, 0])
    for start in range(0, resamples, ROWS_AT_ONCE):
        rows = min(ROWS_AT_ONCE, resamples - start)
        bits = np.unpackbits(np.frombuffer(rng.bytes(rows * -(-units // 8)), np.uint8).reshape(rows, -1), axis=1)
        yield 1.0 - 2.0 * bits[:, :units]


def _columns(values: ArrayLike) -> Vector:
    """(n_units, n_columns) float64; one vector becomes one column."""
    array = np.asarray(values, np.float64)
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or not len(array):
        raise DataError(
            f"values of shape {array.shape} cannot be compared: give (n_units, n_columns), one unit or more"
        )
    return array


def _check_resamples(resamples: int) -> None:
    if resamples < 1:
        raise ConfigError(f"resamples={resamples} must be at least 1")
