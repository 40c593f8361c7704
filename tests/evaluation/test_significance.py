"""Against scipy on the same vectors, and by hand where scipy has no answer."""

import doctest
from itertools import product

import numpy as np
import pytest
import scipy.stats

from calrec_recbole.errors import ConfigError, DataError
from calrec_recbole.evaluation import significance
from calrec_recbole.evaluation.significance import bootstrap_means, cohens_d, holm, interval, sign_flip_test, t_test


@pytest.fixture
def pair():
    """Reciprocal ranks of two models for 400 users, mostly equal, as those of real runs are."""
    rng = np.random.default_rng(0)
    ours = 1 / rng.integers(1, 60, 400)
    other = np.where(rng.random(400) < 0.7, ours, 1 / rng.integers(1, 60, 400))
    return ours, other


def permutation_test(ours, other, resamples, seed=0):
    def statistic(x, y, axis):
        return (x - y).mean(axis=axis)

    rng = np.random.default_rng(seed)
    options = {"permutation_type": "samples", "vectorized": True, "n_resamples": resamples, "rng": rng}
    return scipy.stats.permutation_test((ours, other), statistic, **options).pvalue


def test_docstring_examples():
    assert doctest.testmod(significance).failed == 0


def test_the_t_test_is_scipys(pair):
    ours, other = pair
    expected = [scipy.stats.ttest_rel(ours, other).pvalue, scipy.stats.ttest_rel(ours**2, other).pvalue]
    assert t_test(np.stack([ours - other, ours**2 - other], axis=1)).tolist() == pytest.approx(expected, rel=1e-12)


def test_no_difference_is_p_1_also_for_one_unit():
    for units in (1, 5):
        assert t_test(np.zeros(units)).tolist() == [1]
        assert sign_flip_test(np.zeros(units)).tolist() == [1]
        assert cohens_d(np.zeros(units)).tolist() == [0]


def test_one_unit_that_differs_proves_nothing():
    assert np.isnan(t_test([0.5])).all()
    assert np.isnan(cohens_d([0.5])).all()
    assert sign_flip_test([0.5]).tolist() == [1]  # both swaps are as extreme


def test_a_constant_difference_has_no_variance():
    assert t_test([0.1, 0.1, 0.1]).tolist() == [0]
    assert cohens_d([-0.1, -0.1, -0.1]).tolist() == [-np.inf]
    assert sign_flip_test([0.1, 0.1, 0.1]).tolist() == [2 / 8]  # +++ and ---


def test_exact_sign_flips_by_loops():
    differences = [0.3, -0.1, 0.2, 0.05, 0.0]
    sums = [sum(s * d for s, d in zip(signs, differences, strict=True)) for signs in product((1, -1), repeat=5)]
    expected = np.mean([abs(one) >= 0.45 - 1e-12 for one in sums])
    assert sign_flip_test(differences).tolist() == [expected]


@pytest.mark.parametrize("units", [2, 7, 12])
def test_exact_sign_flips_are_scipys(units, pair):
    ours, other = pair[0][:units], pair[1][::-1][:units]
    assert sign_flip_test(ours - other)[0] == pytest.approx(permutation_test(ours, other, 9999), rel=1e-12)


def test_random_sign_flips_agree_with_scipys(pair):
    """Both are Monte Carlo: 4,000 swaps leave a standard error below 0.008 each."""
    ours, other = pair
    shifted = other - 0.01
    found = sign_flip_test(np.stack([ours - other, ours - shifted], axis=1), resamples=4000)
    expected = [permutation_test(ours, other, 4000), permutation_test(ours, shifted, 4000)]
    assert found.tolist() == pytest.approx(expected, abs=5 * np.sqrt(2) * 0.008)
    assert found[1] < found[0]


def test_random_sign_flips_under_no_effect_are_uniform():
    """Of 300 columns of pure noise as many fall below p as p says, within 4 standard errors."""
    p_values = sign_flip_test(np.random.default_rng(1).normal(size=(60, 300)), resamples=999)
    for level in (0.05, 0.5):
        assert abs((p_values <= level).mean() - level) < 4 * np.sqrt(level * (1 - level) / 300)


def test_swaps_that_tie_with_the_observed_sum_count_whatever_the_rounding():
    """Means of three seeds are thirds, whose sums round by their order; as whole numbers they are exact."""
    whole = np.random.default_rng(3).integers(-3, 4, size=(300, 100))
    for parts in (3, 7):
        assert sign_flip_test(whole / parts, 999).tolist() == sign_flip_test(whole, 999).tolist()


def test_a_p_is_never_0():
    assert sign_flip_test(np.ones(100), resamples=99).tolist() == [1 / 100]


def test_bootstrap_means_by_loops(pair):
    values = np.stack(pair, axis=1)
    found = bootstrap_means(values, resamples=3, seed=5)
    drawn = np.random.default_rng([5, 1]).integers(400, size=(3, 400))
    expected = [[np.mean([values[unit, column] for unit in row]) for column in (0, 1)] for row in drawn]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_intervals_agree_with_scipys(pair):
    """Ends of 4,000 resamples; their Monte Carlo error is some 3 % of the interval's width."""
    difference = pair[0] - pair[1]
    means = bootstrap_means(np.stack(pair, axis=1), resamples=4000)
    low, high = interval(means[:, 0] - means[:, 1])
    options = {"method": "percentile", "n_resamples": 4000, "batch": 200, "rng": np.random.default_rng(0)}
    expected = scipy.stats.bootstrap((difference,), np.mean, **options).confidence_interval
    width = expected.high - expected.low
    assert (low[0], high[0]) == pytest.approx(tuple(expected), abs=0.15 * width)


def test_an_interval_is_a_pair_of_quantiles():
    low, high = interval(np.arange(101.0), level=0.9)
    assert (low[0], high[0]) == pytest.approx((5, 95))


def test_cohens_d_by_hand():
    # differences 1, 2, 3: mean 2, standard deviation 1
    assert cohens_d([1.0, 2.0, 3.0]).tolist() == [2]


def test_holm_by_hand():
    # sorted .005 .01 .03 .04 times 4 3 2 1: .02 .03 .06 .04, the last raised to .06
    found = holm([[0.01, 0.04], [0.03, 0.005]])
    np.testing.assert_allclose(found, [[0.03, 0.06], [0.06, 0.02]])


def test_holm_stops_at_1_and_leaves_out_what_is_no_test():
    np.testing.assert_allclose(holm([0.5, np.nan, 0.6]), [1, np.nan, 1])
    np.testing.assert_allclose(holm([0.02, np.nan]), [0.02, np.nan])
    assert holm([]).shape == (0,)


def test_wrong_arguments_are_named():
    with pytest.raises(DataError, match="one unit or more"):
        t_test(np.empty((0, 2)))
    with pytest.raises(ConfigError, match="resamples=0"):
        sign_flip_test([1.0], resamples=0)
    with pytest.raises(ConfigError, match="level=95"):
        interval([1.0, 2.0], level=95)
