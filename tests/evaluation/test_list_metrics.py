"""Against plain loops: over every way to break the ties, and over random ones."""

import math
import random
from itertools import combinations, product

import numpy as np
import pytest
import torch

from calrec_recbole.evaluation.list_metrics import GatheredLists, ItemValues, ListCounts, gini, item_values

POPULARITY, NOVELTY = [5.0, 1.0, 2.0, 7.0, 0.0], [0.5, 3.0, 2.0, 0.25, 4.0]
VALUES = ItemValues(torch.tensor(POPULARITY).double(), torch.tensor(NOVELTY).double())
SCORES = [  # users: no tie; a tie of three for one place; all tie; a tie above the cut, which is none
    [0.9, 0.1, 0.8, 0.2, 0.3],
    [0.5, 0.9, 0.5, 0.5, 0.1],
    [0.3, 0.3, 0.3, 0.3, 0.3],
    [0.1, 0.8, 0.0, 0.8, 0.2],
]
K = 2


def possible(scores: list[float], k: int = K) -> list[tuple[int, ...]]:
    """Every top k that some way to break the ties gives; all of them are as likely."""
    cut = sorted(scores, reverse=True)[k - 1]
    above = tuple(item for item, score in enumerate(scores) if score > cut)
    tied = [item for item, score in enumerate(scores) if score == cut]
    return [above + rest for rest in combinations(tied, k - len(above))]


ALL = list(product(*(possible(scores) for scores in SCORES)))  # every outcome of all four users
COUNTED = {
    "coverage": lambda lists: len({item for one in lists for item in one}) / len(POPULARITY),
    "popularity": lambda lists: np.mean([np.mean([POPULARITY[item] for item in one]) for one in lists]),
    "novelty": lambda lists: np.mean([np.mean([NOVELTY[item] for item in one]) for one in lists]),
}


@pytest.fixture
def counts():
    found = ListCounts(K, VALUES)
    found.add(torch.tensor(SCORES[:1]))
    found.add(torch.tensor(SCORES[1:]))
    return found


def test_there_are_many_outcomes():
    assert len(ALL) == 1 * 3 * 10 * 1


@pytest.mark.parametrize("name", COUNTED)
def test_the_expectation_is_the_mean_of_all_outcomes(counts, name):
    values = [COUNTED[name](lists) for lists in ALL]
    assert counts.summary([name])[f"{name}_exp@{K}"] == pytest.approx(np.mean(values))


@pytest.mark.parametrize("name", ["popularity", "novelty"])
def test_the_bounds_of_a_mean_are_the_least_and_the_greatest_outcome(counts, name):
    values = [COUNTED[name](lists) for lists in ALL]
    found = counts.summary([name])
    assert (found[f"{name}_low@{K}"], found[f"{name}_high@{K}"]) == pytest.approx((min(values), max(values)))


def test_the_bounds_of_coverage_enclose_every_outcome(counts):
    values = [COUNTED["coverage"](lists) for lists in ALL]
    found = counts.summary(["coverage"])
    assert found[f"coverage_low@{K}"] == 4 / 5  # items 0 to 3 are certain: of the first, the second and the last user
    assert found[f"coverage_low@{K}"] <= min(values)
    assert found[f"coverage_high@{K}"] >= max(values)


def test_coverage_counts_no_more_items_than_there_are_free_places():
    one = ListCounts(1, VALUES)
    one.add(torch.zeros(2, 5))  # two users, a place each, five items that tie
    assert one.summary(["coverage"]) == pytest.approx(
        {"coverage_low@1": 0.0, "coverage_exp@1": 1 - (4 / 5) ** 2, "coverage_high@1": 2 / 5}
    )


def test_gini_is_that_of_the_mean_exposure_under_random_ties(counts):
    draw, exposure, rounds = random.Random(0), np.zeros(5), 20_000
    for _ in range(rounds):
        for scores in SCORES:
            for item in draw.choice(possible(scores)):
                exposure[item] += 1 / rounds
    pairs = sum(abs(a - b) for a in exposure for b in exposure)  # the mean difference of two items
    assert counts.summary(["gini"])[f"gini_exp@{K}"] == pytest.approx(pairs / (2 * 5 * exposure.sum()), abs=0.01)


@pytest.mark.parametrize("shares", [[1, 2, 3], [0, 0, 5], [4, 4, 4], [2.5, 0.5, 0]])
def test_gini_is_half_the_relative_mean_difference(shares):
    pairs = sum(abs(a - b) for a in shares for b in shares)
    assert gini(torch.tensor(shares)) == pytest.approx(pairs / (2 * len(shares) * sum(shares)))


def test_popularity_counts_events_and_novelty_users():
    users, items = np.array([1, 1, 2, 3, 4, 4]), np.array([0, 0, 0, 1, 1, 2])
    found = item_values(users, items, 4)
    assert found.popularity.tolist() == [3, 2, 1, 0]
    half, quarter = 1.0, 2.0  # bits
    assert found.novelty.tolist() == [half, half, quarter, -math.log2(1 / 4)]  # the last: as if one user had it


def test_users_in_two_parts_are_those_of_one(counts):
    parts = [ListCounts(K, VALUES), ListCounts(K, VALUES)]
    for part, rows in zip(parts, (SCORES[:2], SCORES[2:]), strict=True):
        part.add(torch.tensor(rows))
    parts[0].merge(parts[1])
    names = ["coverage", "popularity", "gini", "novelty"]
    assert parts[0].summary(names) == pytest.approx(counts.summary(names))


def test_the_lists_come_by_user_and_place():
    lists = GatheredLists(["gini"], [1, 2], 2, VALUES)
    padded = torch.nn.functional.pad(torch.tensor(SCORES), (1, 0), value=-torch.inf)
    lists.add(torch.tensor([2, 1]), padded[:2])
    rows = lists.frame(["[PAD]", "u1", "u2"], ["[PAD]", *"abcde"]).to_dict("records")
    assert [(row["user_id"], row["place"], row["item_id"]) for row in rows] == [
        ("u1", 1, "b"),
        ("u1", 2, "a"),
        ("u2", 1, "a"),
        ("u2", 2, "c"),
    ]
    assert [row["chance"] for row in rows] == pytest.approx([1, 1 / 3, 1, 1])
    assert [row["score"] for row in rows] == pytest.approx([0.9, 0.5, 0.9, 0.8])
    assert set(lists.summary()) == {"gini_exp@1", "gini_exp@2"}


def test_a_list_that_is_shorter_is_a_mean_over_what_it_holds():
    counts = ListCounts(3, VALUES)
    counts.add(torch.tensor([[2.0, -1.0, 1.0, -1.0, -1.0]]), unretrieved=-1.0)
    assert counts.summary(["popularity"])["popularity_exp@3"] == pytest.approx((5 + 2) / 2)
