import pandas as pd
import torch

from calrec_recbole.evaluation import RankTable


def table(*rows):
    return RankTable(*torch.tensor(rows).T)


def test_batches_are_joined_in_order():
    joined = RankTable.concatenate([table((3, 1, *[1] * 6)), table((2, 4, 7, 9, 6, 9, 7, 7), (1, 5, *[2] * 6))])
    assert joined.users.tolist() == [3, 2, 1]
    assert joined.pessimistic.tolist() == [1, 9, 2]
    assert joined.optimistic_masked.tolist() == [1, 6, 2]
    assert len(joined) == 3


def test_no_batch_is_no_row():
    assert len(RankTable.concatenate([])) == 0


def test_the_file_holds_original_ids(tmp_path):
    path = tmp_path / "ranks.parquet"
    table((2, 1, 1, 3, 0, 0, 1, 2), (1, 2, 4, 4, 3, 4, 0, 0)).write(path, ["[PAD]", "007", "u8"], ["[PAD]", "x", "y"])
    found = pd.read_parquet(path)
    assert found.astype(object).replace(float("nan"), None).to_dict("list") == {
        "user_id": ["u8", "007"],
        "item_id": ["x", "y"],
        "optimistic": [1, 4],
        "pessimistic": [3, 4],
        "optimistic_masked": [None, 3],  # u8's target is its last item
        "pessimistic_masked": [None, 4],
        "optimistic_equivalent": [1, None],  # the texts of 007's target are not known
        "pessimistic_equivalent": [2, None],
    }
    assert [file.name for file in tmp_path.iterdir()] == ["ranks.parquet"]
