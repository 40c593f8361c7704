import numpy as np
import pandas as pd
import pytest

from calrec_recbole.errors import CalrecError, DataError
from calrec_recbole.evaluation.score_files import NOT_LISTED, check_scores, list_notes, read_scores, write_scores

USERS, ITEMS = ["u1", "u 2", "3"], ["a", "b", "10"]
SCORES = np.array([[0.1 + 0.2, -1e-17, 3.0], [1 / 3, 1 / 3, 2.5e30], [7.0, 0.0, -0.5]])
ROWS = pd.DataFrame(
    [
        {"user_id": user, "place": place, "item_id": item, "score": float(SCORES[row, column])}
        for row, user in enumerate(USERS)
        for place, (column, item) in enumerate(enumerate(ITEMS), start=1)
    ]
)


def block(file, users=(0, 1, 2)):
    return read_scores(file, USERS, ITEMS).block(np.array(users), len(ITEMS))


@pytest.mark.parametrize("ending", [".parquet", ".csv"])
def test_what_is_written_is_read_to_the_last_bit(tmp_path, ending):
    file = tmp_path / f"scores{ending}"
    write_scores(file, ROWS.sample(frac=1, random_state=0))
    assert (block(file) == SCORES).all()
    assert (block(file, (2, 0)) == SCORES[[2, 0]]).all()


def test_trec_parts_by_blanks_and_no_id_may_hold_one(tmp_path):
    file = tmp_path / "a.trec"
    with pytest.raises(DataError, match="user_id 'u 2' holds a blank"):
        write_scores(file, ROWS)
    write_scores(file, ROWS[ROWS["user_id"] != "u 2"], "Mine")
    assert file.read_text().splitlines()[0] == "u1 Q0 a 1 0.30000000000000004 Mine"
    found = read_scores(file, ["3", "u1"], ITEMS)
    assert (found.block(np.array([1, 0]), 3) == SCORES[[0, 2]]).all()


def test_trec_of_others_has_tabs_and_a_quotation_mark_is_a_character(tmp_path):
    (tmp_path / "b.run").write_text('u1\tQ0\t"a\t1\t2.5\tx\nu1  Q0 NA 2 1e-3 x\n')
    found = read_scores(tmp_path / "b.run", ["u1"], ['"a', "NA"])
    assert found.block(np.array([0]), 2).tolist() == [[2.5, 0.001]]


def test_a_matrix_is_read_as_it_is(tmp_path):
    np.save(tmp_path / "m.npy", SCORES.astype(np.float32))
    assert (block(tmp_path / "m.npy", (1, 0)) == SCORES[[1, 0]].astype(np.float32)).all()
    np.save(tmp_path / "m.npy", SCORES.T[:2])
    with pytest.raises(DataError, match=r"shape \(2, 3\); wanted numbers of shape \(3, 3\)"):
        block(tmp_path / "m.npy")
    np.save(tmp_path / "m.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(DataError, match=r"m.npy cannot be read"):
        block(tmp_path / "m.npy")


def test_lists_without_scores_go_by_their_ranks(tmp_path):
    ROWS.rename(columns={"place": "rank"}).drop(columns="score").to_parquet(tmp_path / "lists.parquet")
    assert block(tmp_path / "lists.parquet").tolist() == [[-1, -2, -3]] * 3


def test_what_a_list_lacks_lies_below_everything(tmp_path):
    write_scores(tmp_path / "top.csv", ROWS[ROWS["place"] == 2])
    found = block(tmp_path / "top.csv")
    assert found[:, 1].tolist() == SCORES[:, 1].tolist()
    assert (found[:, [0, 2]] == NOT_LISTED).all()
    ROWS.assign(score=[-np.inf, *ROWS["score"][1:]]).to_parquet(tmp_path / "endless.parquet")
    assert block(tmp_path / "endless.parquet")[0, 0] == NOT_LISTED


def test_users_of_others_are_left_out(tmp_path, caplog):
    more = pd.concat([ROWS, ROWS.assign(user_id="nobody", item_id="unheard")])
    write_scores(tmp_path / "more.csv", more)
    with caplog.at_level("INFO"):
        assert (block(tmp_path / "more.csv") == SCORES).all()
    assert "left out 9 rows of 1 users who are not tested" in caplog.text


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        (ROWS.drop(columns="item_id"), "lacks the column.s. item_id"),
        (ROWS.assign(item_id=["z", *ROWS["item_id"][1:]]), "scores 1 times an item that is no candidate, such as 'z'"),
        (ROWS[ROWS["user_id"] != "3"], "has no score for 1 of 3 test users, as '3'"),
        (pd.concat([ROWS, ROWS[:1]]), "scores a pair of user and item twice"),
        (ROWS[:0], "has no rows"),
        (ROWS.assign(user_id=[None, *ROWS["user_id"][1:]]), "has 1 rows without user_id, the first is row 1"),
        (ROWS.assign(item_id=["a", "", *ROWS["item_id"][2:]]), "has 1 rows without item_id, the first is row 2"),
        (ROWS.assign(score="high"), "the score 'high' of user 'u1' for item 'a' is no number"),
        (ROWS.assign(score=pd.Timestamp("2020-01-01")), "the score Timestamp.* of user 'u1' for item 'a' is no number"),
        (
            ROWS.drop(columns="score").assign(rank=["1", "x"] + ["3"] * 7),
            "the rank 'x' of user 'u1' for item 'b' is no number",
        ),
        (ROWS.assign(score=[0.5, np.nan] + [1.0] * 7), "the score of user 'u1' for item 'b' is NaN"),
        (ROWS.assign(score=pd.array([0.5, None] + [1.0] * 7, "Float64")), "the score of user 'u1' for item 'b' is NaN"),
    ],
)
def test_a_file_that_does_not_fit_is_named(tmp_path, table, fault):
    table.to_parquet(tmp_path / "scores.parquet")
    with pytest.raises(DataError, match=f"scores.parquet:? {fault}"):
        block(tmp_path / "scores.parquet")


def test_ids_that_were_numbers_are_shown(tmp_path):
    pd.DataFrame({"user_id": [259.0], "item_id": ["a"], "score": [1.0]}).to_parquet(tmp_path / "floats.parquet")
    with pytest.raises(DataError, match=r"no score for 1 of 1 test users, as '259'; its other users look like '259.0'"):
        read_scores(tmp_path / "floats.parquet", ["259"], ITEMS)


def test_a_matrix_with_a_hole_or_of_several_arrays(tmp_path):
    np.save(tmp_path / "hole.npy", np.where(SCORES == 2.5e30, np.nan, SCORES))
    with pytest.raises(DataError, match=r"hole.npy: the score of user 'u 2' for item '10' is NaN"):
        block(tmp_path / "hole.npy")
    with (tmp_path / "several.npy").open("wb") as stream:
        np.savez(stream, a=SCORES)
    with pytest.raises(DataError, match=r"several.npy is an archive of arrays"):
        block(tmp_path / "several.npy")


@pytest.mark.parametrize(
    ("columns", "users"),
    [
        ({}, 0),
        ({"chance": [1, 1, 0.5] * 3}, 3),
        ({"chance": [1, 1, 0.5] + [1.0] * 6}, 1),
        ({"chance": [1, 0.5, 0.5] * 3, "left_out": [0] * 9}, 0),  # the tie is whole
        ({"chance": [1, 0.5, 0.5] * 3, "left_out": [0, 7, 7] + [0] * 6}, 1),
    ],
)
def test_ties_that_a_list_of_ours_cuts_are_counted(tmp_path, columns, users):
    write_scores(tmp_path / "lists.csv", ROWS.assign(**columns))
    assert read_scores(tmp_path / "lists.csv", USERS, ITEMS).cut_ties == users


def test_what_lists_are_worth():
    assert list_notes({}, "Mine") == []
    told = list_notes({"targets": 943, "unlisted": 865, "shortest": 10, "cut_ties": 3}, "Mine")
    assert told[0].startswith("MRR of Mine is a lower bound, as are its metrics at K above 10")
    assert "865 of 943 targets" in told[0]
    assert "3 of 943 lists end within a tie" in told[1]


@pytest.mark.parametrize("name", ["scores.parquet", "scores.csv", "scores.trec", "scores.npy"])
def test_a_damaged_file_is_one_line(tmp_path, name, may_refuse):
    (tmp_path / name).write_bytes(b"\x00\xff,nonsense")
    with pytest.raises(CalrecError) as raised:
        block(tmp_path / name)
    assert name in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_name_is_checked_before_anything_is_read(tmp_path):
    with pytest.raises(CalrecError, match=r"ending of scores_file='.pkl' must be one of .parquet, .csv"):
        check_scores(tmp_path / "scores.pkl")
    with pytest.raises(DataError, match="is not there"):
        check_scores(tmp_path / "scores.npy")
