"""Values that an audit's own code found on the real Scientific."""

import numpy as np
import pytest

from calrec_recbole.data import PrepareSettings, known_categories, prepare
from calrec_recbole.data.atomic import read_atomic
from calrec_recbole.data.locate import find_metadata, find_reviews
from calrec_recbole.plugin.runner import run
from calrec_recbole.training.micro_batches.batches import truncated


@pytest.fixture(scope="module")
def scientific(shared_data, tmp_path_factory):
    out = tmp_path_factory.mktemp("dataset")
    category = known_categories()["Scientific"]
    reviews = find_reviews(shared_data, category.stem)
    metadata = find_metadata([reviews.parent], category.stem)
    prepare(reviews, metadata, out, PrepareSettings("Scientific", root=category.root, ties=category.ties))
    return out


@pytest.mark.parametrize(
    ("engine", "values"),
    [
        (
            "lucene",
            {"ndcg": (0.0552, 0.0454), "r1": (0.0113, 0.0003), "r10": (0.1000, 0.0918), "mrr": (0.0451, 0.0352)},
        ),
        ("okapi", {"ndcg": (0.0551, 0.0453), "r1": (0.0114, 0.0004), "r10": (0.0999, 0.0914), "mrr": (0.0449, 0.0351)}),
    ],
)
def test_lir_has_the_audits_metrics(engine, values, scientific, tmp_path):
    told = {"data_path": str(scientific), "output_dir": str(tmp_path), "retrieval": engine, "show_progress": False}
    found = run("LIR", "Scientific", overrides=told | {"gpu_id": ""}, show=False).test
    names = {"ndcg": "ndcg_{}@10", "r1": "recall_{}@1", "r10": "recall_{}@10", "mrr": "mrr_{}"}
    for short, expected in values.items():
        ours = tuple(found[names[short].format(case)] for case in ("opt", "pes"))
        assert ours == pytest.approx(expected, abs=5.1e-5), short


def test_truncation_leaves_the_audits_share_of_one_item_histories(scientific):
    """k even over what a user has: 32.0 % (51.6 % where it is clamped), 35.5 % of newest targets, 2.92 items."""
    users = [row["user_id"] for row in read_atomic(scientific / "Scientific" / "Scientific.inter")]
    lengths = np.unique(users, return_counts=True)[1] - 2  # validation and test are held out
    rng = np.random.default_rng(0)
    drawn = [len(truncated(range(length), 4, rng)) for _ in range(20) for length in lengths]
    kept, whole = np.asarray(drawn), np.tile(lengths, 20)
    assert np.mean(kept == 2) == pytest.approx(0.320, abs=0.0025)
    assert np.mean(kept == whole) == pytest.approx(0.355, abs=0.0025)
    assert np.mean(kept - 1) == pytest.approx(2.92, abs=0.01)
