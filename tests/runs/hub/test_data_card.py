"""What the card of a data set says, and when there is none."""

import hashlib

import pytest

from calrec_recbole.data.own.importing import Columns, import_tables
from calrec_recbole.data.own.table_files import TableFile
from calrec_recbole.errors import DataError
from calrec_recbole.runs.hub.data_card import data_card


def test_source_filters_split_counts_hashes_and_licence(toys):
    card = data_card(toys, "cc-by-4.0")
    assert (card.data.license, card.data.size_categories) == ("cc-by-4.0", "n<1K")
    raw = toys.parents[1] / "Toys_5.json"
    digests = [hashlib.sha256(file.read_bytes()).hexdigest() for file in (raw, toys / "Toys.inter", toys / "Toys.item")]
    assert f"| Toys_5.json | {raw.stat().st_size:,} | `{digests[0]}` |" in card.text
    for part in (
        *digests,
        "| raw_events | 16 |",
        "| duplicates_dropped | 1 |",
        "| min_user_events | 5 |",
        "| events | 15 |",
        "| events per user | 5.00 |",
        "Leave one out",
        "This card: cc-by-4.0. The data belong to those who published them",
    ):
        assert part in card.text
    assert "Published at" not in card.text  # Toys is no category of Amazon's that is known


def test_tables_of_ones_own_have_a_card_too(tmp_path):
    (tmp_path / "e.csv").write_text("u,i,t\n" + "".join(f"a,{item},{1_500_000_000 + item}\n" for item in range(5)))
    columns = Columns("u", "i", "t")
    import_tables(TableFile("--interactions", tmp_path / "e.csv"), None, columns, tmp_path / "dataset", "Shop")
    card = data_card(tmp_path / "dataset" / "Shop")
    assert "Tables of one's own" in card.text
    assert "| raw_events | 5 |" in card.text
    assert card.data.license is None


def test_data_without_summary_or_changed_since_get_no_card(toys, tmp_path):
    with (toys / "Toys.inter").open("a") as stream:
        stream.write("a\tv\t5\n")
    with pytest.raises(DataError, match=r"Toys.inter was changed after it was prepared, .*: prepare it again"):
        data_card(toys)
    (toys / "Toys.inter").unlink()
    with pytest.raises(DataError, match=r"lacks Toys.inter: prepare it again"):
        data_card(toys)
    with pytest.raises(DataError, match=r"holds no .*prepare.json: give a folder of calrec prepare or calrec import"):
        data_card(tmp_path)
