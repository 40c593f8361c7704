"""Residual k-means against loops; ids are unique."""

import warnings

import numpy as np

from calrec_recbole.baselines.tiger.semantic_ids import distinct_ids, residual_codes

VECTORS = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)


def squared(one, other):
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))


def test_a_code_is_the_nearest_mean_of_what_the_levels_before_left():
    """By loops: of each level the means of its clusters' residuals, to none of which an item is nearer than to its
    own; what remains is the next level's.
    """
    codes = residual_codes(VECTORS, levels=3, codes=5, seed=1)
    residuals = [[float(value) for value in row] for row in VECTORS]
    for level in codes.T.tolist():
        assert set(level) == set(range(5))
        means = []
        for code in range(5):
            members = [row for row, own in zip(residuals, level, strict=True) if own == code]
            means.append([sum(column) / len(members) for column in zip(*members, strict=True)])
        for row, own in zip(residuals, level, strict=True):
            distances = [squared(row, mean) for mean in means]
            assert distances[own] <= min(distances) + 1e-12
        residuals = [
            [a - b for a, b in zip(row, means[own], strict=True)] for row, own in zip(residuals, level, strict=True)
        ]


def test_each_level_leaves_less():
    left = []
    for levels in (1, 2, 3):
        codes = residual_codes(VECTORS, levels, codes=5, seed=1)
        cells = {tuple(row): VECTORS[(codes == row).all(axis=1)].mean(axis=0) for row in codes.tolist()}
        own = (cells[tuple(row)] for row in codes.tolist())
        left.append(sum(squared(vector, mean) for vector, mean in zip(VECTORS, own, strict=True)))
    assert left[0] > left[1] > left[2]


def test_the_seed_decides():
    first, again, other = (residual_codes(VECTORS, 2, 7, seed) for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_few_vectors_have_few_codes_and_equal_ones_the_same():
    """Three distinct vectors: their own means, so that nothing is left for the second level; no warning is raised."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        codes = residual_codes(np.array([[0.0, 1], [5, 5], [0, 1], [9, 9]]), levels=2, codes=256, seed=0)
    assert sorted({row[0] for row in codes.tolist()}) == [0, 1, 2]
    assert codes[0].tolist() == codes[2].tolist()
    assert not codes[:, 1].any()


def test_ids_are_unique_and_count_in_the_order_of_the_items():
    codes = np.random.default_rng(1).integers(0, 3, size=(50, 2))
    ids = distinct_ids(codes)
    assert len({tuple(row) for row in ids.tolist()}) == 50
    seen = []
    for row, place in zip(codes.tolist(), ids[:, -1].tolist(), strict=True):
        assert place == seen.count(row)
        seen.append(row)
