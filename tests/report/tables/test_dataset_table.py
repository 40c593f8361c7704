"""Table 1 beside the paper's."""

from calrec_recbole.paper import paper_statistics
from calrec_recbole.report.tables.dataset_table import FIELDS, data_table

INTER = "user_id:token\titem_id:token\ttimestamp:float\nu\ta\t1\nu\tb\t2\nv\ta\t1\nv\ta\t3\n"
ITEM = "item_id:token\ttitle:token\na\tRed Glue\nb\tRed Tape\n"


def test_ours_by_hand(tmp_path):
    folder = tmp_path / "Tiny"
    folder.mkdir()
    (folder / "Tiny.inter").write_text(INTER)
    (folder / "Tiny.item").write_text(ITEM)
    (column,) = data_table({"Tiny": str(folder)})
    shown = {name: column.values[title] for name, (title, _) in FIELDS.items()}
    assert (shown["users"], shown["items"], shown["purchases"]) == ("2", "2", "4")
    assert (shown["items_per_user"], shown["purchases_per_item"]) == ("2.00", "2.00")
    assert not column.paper


def test_the_papers_column_follows_ours_and_missing_data_say_so(tmp_path):
    name = next(iter(paper_statistics()))
    ours, paper = data_table({name: str(tmp_path / name)})
    assert (ours.values, ours.missing) == ({}, "not prepared on this machine")
    assert (paper.name, paper.paper) == (name, True)
    assert paper.values["Users"] == f"{paper_statistics()[name].users:,}"
