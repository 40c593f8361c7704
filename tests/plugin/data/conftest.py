from typing import Any

import pytest


@pytest.fixture
def sequences_in_rows() -> Any:
    """Each user's training items as places in the catalogue, row after row of RecBole's training split: it makes a row
    of every prefix, each with the next item as its target.
    """

    def read(split: Any) -> list[list[int]]:
        rows, sequences = split.inter_feat, {}
        for row, user in enumerate(rows["user_id"].tolist()):
            if user not in sequences:
                assert rows["item_length"][row] == 1
                sequences[user] = [int(rows["item_id_list"][row, 0]) - 1]
            sequences[user].append(int(rows["item_id"][row]) - 1)
        return [sequences[user] for user in sorted(sequences)]

    return read
