import pytest
import torch

from calrec_recbole.baselines.text.features import item_features
from calrec_recbole.baselines.text.features import text_settings as text_features_of
from calrec_recbole.baselines.unisrec.pretraining_data import drop_words, read_sources
from calrec_recbole.errors import DataError
from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.data.prepared import prepare


@pytest.fixture
def other_dataset(tiny_dataset):
    """The data set Other: Tiny's items a-h with other titles, three users."""
    folder = tiny_dataset / "Other"
    folder.mkdir()
    items = (tiny_dataset / "Tiny" / "Tiny.item").read_text()
    (folder / "Other.item").write_text(items.replace("Red", "Green").replace("Blue", "Steel"))
    rows = [
        f"v{user}\t{item}\t{1000 * place + user}"
        for user, history in enumerate(["abcdefh", "hgfe", "abc"])
        for place, item in enumerate(history)
    ]
    (folder / "Other.inter").write_text("\n".join(["user_id:token\titem_id:token\ttimestamp:float", *rows]) + "\n")
    return "Other"


def prepared(text_settings, *names):
    return [prepare(Config("UniSRec", name, config_dict={**text_settings, "dataset": name})) for name in names]


@pytest.mark.parametrize("longest", [2, 3, 50])
def test_rows_are_recboles_own_training_rows(longest, text_settings):
    (own,) = prepared({**text_settings, "MAX_ITEM_LIST_LENGTH": longest}, "Tiny")
    sources = read_sources([own], 0.15, longest)
    found = sources.batch(torch.arange(len(sources)))
    rows = own.loaders.train.dataset.inter_feat
    expected = {
        (*map(int, seq[:length]), int(target))
        for seq, length, target in zip(rows["item_id_list"], rows["item_length"], rows["item_id"], strict=True)
    }
    ours = [
        (*map(int, seq[:length]), int(target))
        for seq, length, target in zip(found.item_seq, found.lengths, found.targets, strict=True)
    ]
    assert (set(ours), len(ours)) == (expected, len(rows))
    assert (found.item_seq != 0).sum(dim=1).tolist() == found.lengths.tolist()


def test_items_of_several_data_sets_do_not_mix(text_settings, other_dataset):
    pair = prepared(text_settings, "Tiny", other_dataset)
    sources = read_sources(pair, 0.15, 50)
    own = [item_features(one, text_features_of(one.config))[1:] for one in pair]
    assert sources.n_items == len(own[0]) + len(own[1]) == 16
    assert torch.equal(sources.features[1:17], torch.cat(own))
    assert sources.features[0].tolist() == [0.0] * 12
    assert sources.features.shape == (1 + 2 * 16, 12)
    found = sources.batch(torch.arange(len(sources)))
    together = torch.cat([found.item_seq, found.targets[:, None]], dim=1)
    of_other = together > 8
    assert (of_other | (together == 0)).all(dim=1).sum() == 5  # v0: 4 rows of abcde, v1: 1 row of hg, v2: none
    assert not (of_other.any(dim=1) & ((together > 0) & ~of_other).any(dim=1)).any()


def test_an_epoch_is_every_row_once(text_settings):
    sources = read_sources(prepared(text_settings, "Tiny"), 0.15, 50)
    batches = list(sources.epoch(5))
    assert [len(batch.lengths) for batch in batches[:-1]] == [5] * (len(batches) - 1)
    targets = torch.cat([batch.targets for batch in batches])
    assert torch.equal(targets.sort().values, sources.batch(torch.arange(len(sources))).targets.sort().values)
    assert all(batch.item_seq.size(1) == batch.lengths.max() for batch in batches)


def test_words_are_dropped_alike_for_equal_texts():
    text = " ".join(map(str, range(10_000)))
    kept = drop_words(text, 0.15).split()
    assert drop_words(text, 0.15).split() == kept
    assert abs(len(kept) / 10_000 - 0.85) < 0.02  # standard deviation 0.0036
    assert kept == sorted(kept, key=int)
    assert drop_words("", 0.15) == ""


def test_a_data_set_without_training_rows_is_named(text_settings, other_dataset, tiny_dataset):
    file = tiny_dataset / "Other" / "Other.inter"
    kept = [line for line in file.read_text().splitlines() if not line.startswith(("v0", "v1"))]
    file.write_text("\n".join(kept) + "\n")
    with pytest.raises(DataError, match="pretrain_datasets: Other has no user with 4 events"):
        read_sources(prepared(text_settings, "Tiny", other_dataset), 0.15, 50)
