"""Scores or top-K lists of any system in files: a NumPy matrix, or rows of user, item, score (Parquet, csv, TREC)."""

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from calrec_recbole.durable_files import replacing_file
from calrec_recbole.errors import DataError, must_be_one_of
from calrec_recbole.stored_files import reading

__all__ = ["FORMATS", "NOT_LISTED", "WRITTEN", "ScoreRows", "check_scores", "read_scores", "write_scores"]

NOT_LISTED = float(np.finfo(np.float64).min)  # of an item that a list lacks
COLUMNS = ("user_id", "item_id", "score")
TREC = ("user_id", "q0", "item_id", "rank", "score", "tag")
ADVICE = "give a .npy matrix, or rows of user_id, item_id and score (or rank)"
MATRIX = ".npy"


class ScoreRows:
    """(n,) places of the user, of the item, and scores, of ``n_users`` users; no pair stands twice."""

    def __init__(self, users: NDArray[np.int64], items: NDArray[np.int64], scores: NDArray[np.float64]) -> None:
        order = np.argsort(users, kind="stable")
        self.users, self.items, self.scores = users[order], items[order], scores[order]

    def block(self, users: NDArray[np.int64], n_items: int) -> NDArray[np.float64]:
        """(B,) places of users -> (B, n_items) scores, ``NOT_LISTED`` where there is none."""
        found = np.full((len(users), n_items), NOT_LISTED)
        starts, ends = (np.searchsorted(self.users, users, side=side) for side in ("left", "right"))
        for row, (start, end) in enumerate(zip(starts, ends, strict=True)):
            found[row, self.items[start:end]] = self.scores[start:end]
        return found


class _Matrix:
    """As ``ScoreRows``, of a matrix that stays on disk."""

    def __init__(self, scores: NDArray[np.float64]) -> None:
        self.scores = scores

    def block(self, users: NDArray[np.int64], n_items: int) -> NDArray[np.float64]:
        found = np.asarray(self.scores[users], dtype=np.float64)
        return np.where(np.isneginf(found), NOT_LISTED, found)


def check_scores(file: Path) -> None:
    """Raises ``ConfigError`` for a name of another format, ``DataError`` for a file that is not there."""
    must_be_one_of("the ending of scores_file", file.suffix, FORMATS)
    if not file.is_file():
        raise DataError(f"scores_file={file} is not there")


def read_scores(file: Path, users: Sequence[str], items: Sequence[str]) -> ScoreRows | _Matrix:
    """The scores of ``users`` for ``items``; those of other users are left out.

    Raises ``DataError`` for a user without a score, an unknown item, a pair that stands twice, a matrix of another
    shape.
    """
    if file.suffix == MATRIX:
        return _matrix(file, len(users), len(items))
    with reading(f"{file} cannot be read", ADVICE):
        table = FORMATS[file.suffix](file)
    if "score" not in table and "rank" in table:
        table["score"] = -table["rank"]
    if lacking := [name for name in COLUMNS if name not in table]:
        raise DataError(f"{file} lacks the column(s) {', '.join(lacking)}: {ADVICE}")
    with reading(f"{file} holds scores that are no numbers", ADVICE):
        scores = table["score"].to_numpy(dtype=np.float64)
    return _rows(file, table, scores, users, items)


def _matrix(file: Path, n_users: int, n_items: int) -> _Matrix:
    with reading(f"{file} cannot be read", ADVICE):
        scores = np.load(file, mmap_mode="r", allow_pickle=False)
    if scores.shape != (n_users, n_items) or scores.dtype.kind not in "fiu":
        raise DataError(
            f"{file} holds {scores.dtype} of shape {scores.shape}; wanted numbers of shape {(n_users, n_items)}: test "
            "users by items, in the order in which calrec export writes both"
        )
    return _Matrix(scores)


def _rows(
    file: Path, table: pd.DataFrame, scores: NDArray[np.float64], users: Sequence[str], items: Sequence[str]
) -> ScoreRows:
    rows = pd.Index(users).get_indexer(pd.Index(table["user_id"].astype(str)))
    columns = pd.Index(items).get_indexer(pd.Index(table["item_id"].astype(str)))
    tested = rows >= 0
    unknown = tested & (columns < 0)
    if unknown.any():
        example = table["item_id"][unknown].iloc[0]
        raise DataError(f"{file} scores {unknown.sum()} times an item that is no candidate, such as {example!r}")
    without = np.setdiff1d(np.arange(len(users)), rows[tested])
    if len(without):
        raise DataError(f"{file} has no score for {len(without)} of {len(users)} test users, as {users[without[0]]!r}")
    pairs = rows[tested].astype(np.int64) * len(items) + columns[tested]
    if len(np.unique(pairs)) < len(pairs):
        raise DataError(f"{file} scores a pair of user and item twice")
    kept = np.where(np.isneginf(scores[tested]), NOT_LISTED, scores[tested])
    return ScoreRows(rows[tested].astype(np.int64), columns[tested].astype(np.int64), kept)


def _read_trec(file: Path) -> pd.DataFrame:
    return pd.read_csv(
        file,
        sep=r"\s+",
        header=None,
        names=list(TREC),
        dtype={"user_id": str, "q0": str, "item_id": str, "tag": str, "rank": str},
        keep_default_na=False,
        quoting=csv.QUOTE_NONE,
        float_precision="round_trip",
    )


def _read_csv(file: Path) -> pd.DataFrame:
    ids = {"user_id": str, "item_id": str}
    return pd.read_csv(file, dtype=ids, keep_default_na=False, float_precision="round_trip")


FORMATS: Mapping[str, Callable[[Path], pd.DataFrame]] = {
    ".parquet": pd.read_parquet,
    ".csv": _read_csv,
    ".trec": _read_trec,
    ".run": _read_trec,
    MATRIX: lambda file: pd.DataFrame(),  # read as it is
}
WRITTEN = (".parquet", ".csv", ".trec")


def write_scores(file: Path, table: pd.DataFrame, tag: str = "calrec") -> None:
    """``table`` (user_id, place, item_id, score, ...), users one after another, in the format of the file's ending.

    TREC's columns are parted by blanks: raises ``DataError`` for an id that holds one. Every score is read back as the
    same number.
    """
    must_be_one_of("the ending of the file", file.suffix, WRITTEN)
    file.parent.mkdir(parents=True, exist_ok=True)
    with replacing_file(file) as temporary:
        if file.suffix == ".parquet":
            table.to_parquet(temporary, index=False)
        elif file.suffix == ".csv":
            table.to_csv(temporary, index=False)
        else:
            _trec(table, tag).to_csv(temporary, sep=" ", header=False, index=False, quoting=csv.QUOTE_NONE)


def _trec(table: pd.DataFrame, tag: str) -> pd.DataFrame:
    for name in ("user_id", "item_id"):
        blank = table[name].str.contains(r"\s", regex=True)
        if blank.any():
            raise DataError(
                f"{name} {table[name][blank].iloc[0]!r} holds a blank, which parts TREC's columns: write .csv"
            )
    return pd.DataFrame(
        {
            "user_id": table["user_id"],
            "q0": "Q0",
            "item_id": table["item_id"],
            "rank": table["place"],
            "score": table["score"].map(repr),
            "tag": tag,
        }
    )
