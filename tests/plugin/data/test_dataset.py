import pytest
import torch

from calrec_recbole.errors import ConfigError, DataError
from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.data.dataset import item_tokens, user_tokens
from calrec_recbole.plugin.data.prepared import prepare


def loaded(model, settings, **more):
    config = Config(model, config_dict={**settings, **more})
    dataset = prepare(config).dataset
    return config, dataset, dataset.prepared.loaders


def rows(loader, dataset):
    """user -> (history, target) in original ids, from an evaluation loader."""
    users, items = user_tokens(dataset), item_tokens(dataset)
    found = {}
    for interaction, history_mask, places, targets in loader:
        assert history_mask is None  # histories are candidates too
        assert torch.equal(places, torch.arange(len(targets)))
        for row in range(len(targets)):
            history = interaction["item_id_list"][row][: interaction["item_length"][row]]
            found[users[interaction["user_id"][row]]] = ("".join(items[i] for i in history), items[targets[row]])
    return found


def test_the_last_event_is_test_and_the_one_before_is_valid(tiny_settings):
    _, dataset, data = loaded("SASRec", tiny_settings)
    assert rows(data.test, dataset)["u0"] == ("abcde", "f")
    assert rows(data.valid, dataset)["u0"] == ("abcd", "e")
    assert rows(data.test, dataset)["u3"] == ("gabc", "h")
    assert len(rows(data.test, dataset)) == len(rows(data.valid, dataset)) == 8


def test_every_prefix_of_the_training_part_is_a_row(tiny_settings):
    _, _, data = loaded("SASRec", tiny_settings)
    assert len(data.train._dataset) == sum(length - 3 for length in (6, 6, 6, 5, 6, 5, 6, 5))


@pytest.mark.parametrize("model", ["Pop", "LIR", "GRU4Rec", "FPMC", "FDSA"])
def test_users_targets_and_candidates_are_those_of_sasrec(model, tiny_settings, tiny_dataset):
    """FDSA loads .item, which has no row for g, and one for z, which has no event."""
    with open(tiny_dataset / "Tiny" / "Tiny.item", "a", encoding="utf-8") as lines:
        lines.write("z\tNobody's\tTools\tAcme\t$9.00\n")
    _, reference, expected = loaded("SASRec", tiny_settings)
    _, dataset, data = loaded(model, tiny_settings, **({"selected_features": ["category"]} if model == "FDSA" else {}))
    assert rows(data.test, dataset) == rows(expected.test, reference)
    assert rows(data.valid, dataset) == rows(expected.valid, reference)
    assert sorted(item_tokens(dataset)) == sorted(item_tokens(reference)) == ["[PAD]", *"abcdefgh"]


def test_an_unsorted_file_is_put_into_order_before_times_collapse(tiny_settings, tiny_dataset):
    """1.5e9 seconds as float32 lie 128 apart, so the 40 seconds between a user's events are lost."""
    file = tiny_dataset / "Tiny" / "Tiny.inter"
    head, *lines = file.read_text().splitlines()
    file.write_text("\n".join([head, *reversed(lines)]) + "\n")
    _, dataset, data = loaded("SASRec", tiny_settings)
    assert rows(data.test, dataset)["u0"] == ("abcde", "f")


def test_equal_times_keep_the_order_of_the_file(tiny_settings, tiny_dataset):
    file = tiny_dataset / "Tiny" / "Tiny.inter"
    head, *lines = file.read_text().splitlines()
    file.write_text("\n".join([head, *(line.rpartition("\t")[0] + "\t7" for line in lines)]) + "\n")
    _, dataset, data = loaded("SASRec", tiny_settings)
    assert rows(data.test, dataset)["u0"] == ("abcde", "f")


def test_the_catalogue_follows_internal_ids(tiny_settings):
    _, dataset, _ = loaded("LIR", tiny_settings)
    catalogue = dataset.prepared.catalogue
    assert list(catalogue.item_ids) == item_tokens(dataset)[1:]
    texts = dict(zip(catalogue.item_ids, catalogue.texts, strict=True))
    assert texts["d"] == 'Title: Green "Pen". Category: Office Pens. Brand: Bolt. Price: Unknown.'
    assert texts["g"] == "Title: Unknown. Category: Unknown. Brand: Unknown. Price: Unknown."
    assert texts["b"] == texts["h"]


def test_a_wrong_template_is_a_config_error(tiny_settings):
    prepared = prepare(Config("LIR", config_dict={**tiny_settings, "item_attributes": [{"name": "title"}]}))
    with pytest.raises(ConfigError, match="item_attributes="):
        _ = prepared.catalogue


@pytest.mark.parametrize(
    ("name", "reason"),
    [("Scientific", "calrec prepare"), ("Tinny", "did you mean 'Tiny'"), ("ml-1000k", "did you mean 'ml-100k'")],
)
def test_a_missing_data_set_says_what_to_do(name, reason, tiny_settings):
    with pytest.raises(DataError, match=reason) as caught:
        prepare(Config("SASRec", config_dict={**tiny_settings, "dataset": name}))
    assert "\n" not in str(caught.value)


def test_a_missing_item_column_is_named(tiny_settings):
    with pytest.raises(ConfigError, match=r"selected_features=\['class'\] names no column of Tiny.item; its columns"):
        prepare(Config("FDSA", config_dict=tiny_settings))


def test_a_missing_time_is_named(tiny_settings):
    with pytest.raises(DataError, match="TIME_FIELD='timestamp'"):
        loaded("SASRec", {**tiny_settings, "load_col": {"inter": ["user_id", "item_id"]}})


def test_a_column_that_load_col_names_must_be_there(tiny_settings):
    with pytest.raises(DataError, match=r"load_col names 'rating', which is no column of .*Tiny.inter"):
        loaded("SASRec", {**tiny_settings, "load_col": {"inter": ["user_id", "item_id", "timestamp", "rating"]}})


def test_too_few_events_to_evaluate(tiny_settings, tiny_dataset):
    (tiny_dataset / "Tiny" / "Tiny.inter").write_text(
        "user_id:token\titem_id:token\ttimestamp:float\n" + "".join(f"u\t{item}\t{item}\n" for item in (1, 2, 3))
    )
    with pytest.raises(DataError, match="no user with 4 events"):
        loaded("SASRec", tiny_settings)


def test_what_items_lack_is_filled_with_every_pandas(tiny_settings, tiny_dataset):
    """A lost number becomes the mean, as RecBole says; pandas 3 lets RecBole's own filling go to a copy."""
    file = tiny_dataset / "Tiny" / "Tiny.item"
    head, first, *others = file.read_text().splitlines()
    rows = [f"{first}\t", *(f"{row}\t{number}" for number, row in enumerate(others))]
    file.write_text("\n".join([f"{head}\tweight:float", *rows]) + "\n")
    _, dataset, _ = loaded("FDSA", tiny_settings, selected_features=["weight", "category"])
    weights = dict(zip(item_tokens(dataset), dataset.item_feat["weight"].tolist(), strict=True))
    assert weights["a"] == pytest.approx(2.5)  # of 0 to 5
    assert weights["b"] == 0
