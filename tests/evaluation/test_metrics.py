import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from calrec_recbole.evaluation import METRICS, expected, ndcg, recall, reciprocal_rank, tie_ranks


def test_ndcg_by_hand():
    assert ndcg(torch.tensor([1, 2, 3, 10, 11]), k=10).tolist() == pytest.approx(
        [1, 1 / math.log2(3), 1 / 2, 1 / math.log2(11), 0]
    )


def test_recall_by_hand():
    assert recall(torch.tensor([1, 2, 10, 11]), k=1).tolist() == [1, 0, 0, 0]
    assert recall(torch.tensor([1, 2, 10, 11]), k=10).tolist() == [1, 1, 1, 0]


def test_reciprocal_rank_has_no_cut_off_unless_asked():
    assert reciprocal_rank(torch.tensor([1, 4, 5000])).tolist() == [1, 1 / 4, 1 / 5000]
    assert reciprocal_rank(torch.tensor([1, 4, 5000]), k=10).tolist() == [1, 1 / 4, 0]


@pytest.mark.parametrize("name", METRICS)
def test_numpy_and_torch_give_float64_tensors(name):
    ranks = np.array([1, 7, 30])
    from_numpy, from_torch = METRICS[name](ranks, 10), METRICS[name](torch.tensor(ranks), 10)
    assert from_numpy.dtype == torch.float64
    assert torch.equal(from_numpy, from_torch)


@pytest.mark.parametrize("name", METRICS)
def test_wrong_input_is_named(name):
    with pytest.raises(ValueError, match="k=0 must be at least 1"):
        METRICS[name](torch.tensor([1]), 0)
    with pytest.raises(ValueError, match="1-based"):
        METRICS[name](torch.tensor([0, 1]), 10)


@given(ranks=st.lists(st.integers(1, 60), min_size=1, max_size=20), k=st.integers(1, 50))
def test_a_worse_rank_is_never_better(ranks, k):
    ordered = torch.tensor(sorted(ranks))
    for metric in METRICS.values():
        values = metric(ordered, k)
        assert ((values >= 0) & (values <= 1)).all()
        assert (values.diff() <= 0).all()


@pytest.mark.parametrize("k", [1, 5, 10])
def test_without_ties_both_ranks_give_recboles_own_numbers(k):
    from recbole.evaluator import Collector, Evaluator

    import calrec_recbole.plugin  # noqa: F401 - RecBole under numpy 2

    generator = torch.Generator().manual_seed(3)
    scores = torch.stack([torch.randperm(50, generator=generator) for _ in range(64)]).float()
    targets = torch.randint(0, 50, (64,), generator=generator)
    config = {
        "metrics": ["NDCG", "Recall", "MRR", "Hit", "Precision", "MAP"],
        "topk": [k],
        "metric_decimal_place": 12,
        "eval_args": {"mode": "full"},
        "device": torch.device("cpu"),
    }
    collector = Collector(config)
    collector.eval_batch_collect(scores, None, torch.arange(64), targets)
    theirs = Evaluator(config).evaluate(collector.get_data_struct())
    for ranks in tie_ranks(scores, targets):
        for name, metric in METRICS.items():
            assert float(metric(ranks, k).mean()) == pytest.approx(theirs[f"{name}@{k}"], abs=1e-7)


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("k", [1, 10])
def test_expected_is_the_mean_over_the_places_of_the_tie(name, k):
    pairs = [(1, 1), (1, 19), (9, 12), (10, 10), (11, 40), (3, 7)]
    optimistic, pessimistic = torch.tensor(pairs).T
    by_hand = [np.mean([float(METRICS[name](torch.tensor([rank]), k)) for rank in range(a, b + 1)]) for a, b in pairs]
    assert expected(METRICS[name], optimistic, pessimistic, k).tolist() == pytest.approx(by_hand, abs=1e-15)


def test_expected_is_the_mean_of_200_random_tie_breaks():
    """Scores of six values, broken by noise."""
    rng = np.random.default_rng(5)
    scores, targets = rng.integers(0, 6, (300, 60)), rng.integers(0, 60, 300)
    pair = tie_ranks(torch.from_numpy(scores), torch.from_numpy(targets))
    drawn = {name: [] for name in METRICS}
    for _ in range(200):
        broken = scores + 0.5 * rng.random(scores.shape)
        ranks = torch.from_numpy(1 + (broken > broken[np.arange(300), targets][:, None]).sum(1))
        for name, metric in METRICS.items():
            drawn[name].append(metric(ranks, 10).numpy())
    for name, metric in METRICS.items():
        users = np.array(drawn[name])  # (200, 300)
        error = np.sqrt((users.var(axis=0, ddof=1) / 200).sum()) / 300
        assert float(expected(metric, *pair, 10).mean()) == pytest.approx(users.mean(), abs=4 * error)


def test_expected_of_no_user_and_of_crossed_ranks():
    none = torch.empty(0, dtype=torch.int64)
    assert expected(ndcg, none, none, 10).tolist() == []
    with pytest.raises(ValueError, match="lies above"):
        expected(ndcg, torch.tensor([3]), torch.tensor([2]), 10)
