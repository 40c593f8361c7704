"""Table 1 by hand arithmetic."""

import json

import pytest

from calrec_recbole.data.dataset_statistics import Statistics, count_words, statistics
from calrec_recbole.data.pipeline import PrepareSettings, prepare
from calrec_recbole.errors import DataError
from calrec_recbole.paper import paper_statistics


def write(folder, inter, item=None):
    folder.mkdir()
    (folder / f"{folder.name}.inter").write_text(inter, encoding="utf-8")
    if item is not None:
        (folder / f"{folder.name}.item").write_text(item, encoding="utf-8")
    return folder


def test_words_are_split_at_white_space_and_told_apart_in_lower_case():
    assert count_words(["A a-b, a", "", "A-B, c"]) == (5, 3)


def test_words_of_the_template_count_labels_and_unknown(tmp_path):
    inter = "user_id:token\titem_id:token\ttimestamp:float\nu\ta\t1\nu\tb\t2\nu\tc\t3\n"
    item = (
        "item_id:token\ttitle:token\tcategory:token\tbrand:token\tprice:token\na\tSaw\tTools\tAcme\t$2\nb\tSaw\t\t\t\n"
    )
    found = statistics(write(tmp_path / "Shop", inter, item))
    # a and b 8 words each, c, which has no row, too: Title: Unknown. Category: Unknown. Brand: Unknown. Price: Unknown.
    assert found.words_per_item == 8
    # four labels, Saw., Tools., Acme., $2., Unknown.
    assert found.word_vocabulary == 9


def test_all_numbers_by_hand(tmp_path):
    inter = "user_id:token\titem_id:token\ttimestamp:float\n" + "".join(
        f"{user}\t{item}\t1\n" for user, item in ["ua", "ub", "ua", "va", "vb", "va", "va"]
    )
    item = 'item_id:token\ttitle:token\tbrand:token\na\tRed Saw\tAcme\nb\t"Red ""Saw"""\t\nnever\tx y z\t\n'
    folder = write(tmp_path / "Tiny", inter, item)
    # words: "Red Saw Acme" and 'Red "Saw"' -> 5 words, of Red, Saw, Acme, "Saw" -> 4 types; item `never` has no event
    expected = Statistics(
        users=2,
        duplicates=None,
        items=2,
        purchases=7,
        items_per_user=7 / 2,
        purchases_per_item=7 / 2,
        density=7 / 4,
        words_per_item=5 / 2,
        word_vocabulary=4,
        word_frequency=5 / 4,
    )
    assert statistics(folder) == expected


def test_duplicates_are_counted_before_users_are_dropped(tmp_path):
    raw = tmp_path / "r.json"
    times = [("u", 1), ("u", 1), ("u", 2), ("v", 1), ("v", 1)]
    records = [{"reviewerID": user, "asin": "a", "unixReviewTime": time} for user, time in times]
    raw.write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    prepare(raw, None, tmp_path, PrepareSettings("Tiny", min_user_events=2))
    found = statistics(tmp_path / "Tiny")
    assert (found.users, found.purchases) == (1, 2)
    assert found.duplicates == pytest.approx(100 * 2 / 5)
    prepare(raw, None, tmp_path, PrepareSettings("Tiny", min_user_events=2, dedup=False))
    assert statistics(tmp_path / "Tiny").duplicates is None


def test_without_texts(tmp_path):
    folder = write(tmp_path / "Bare", "user_id:token\titem_id:token\nu\ta\n")
    found = statistics(folder)
    assert (found.words_per_item, found.word_vocabulary, found.word_frequency) == (0, 0, 0)


def test_errors(tmp_path):
    with pytest.raises(DataError, match="has no event"):
        statistics(write(tmp_path / "Empty", "user_id:token\titem_id:token\n"))
    with pytest.raises(DataError, match="lacks the column"):
        statistics(write(tmp_path / "Other", "user:token\titem:token\nu\ta\n"))


@pytest.mark.parametrize("name", ["Scientific", "Instruments", "Arts", "Office", "Games", "Pet"])
def test_the_papers_rows_agree_with_themselves(name):
    row = paper_statistics()[name]
    assert row.items_per_user == pytest.approx(row.purchases / row.users, abs=0.0051)
    assert row.purchases_per_item == pytest.approx(row.purchases / row.items, abs=0.0051)
    assert row.density == pytest.approx(row.purchases / (row.users * row.items), rel=0.04)
    assert row.word_frequency == pytest.approx(row.words_per_item * row.items / row.word_vocabulary, abs=0.11)
