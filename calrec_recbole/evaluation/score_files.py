"""Scores or top-K lists of any system in files: a NumPy matrix, or rows of user, item, score (Parquet, csv, TREC)."""

import csv
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from calrec_recbole.durable_files import replacing_file
from calrec_recbole.errors import DataError, must_be_one_of
from calrec_recbole.stored_files import reading

__all__ = ["FORMATS", "NOT_LISTED", "WRITTEN", "ScoreRows", "check_scores", "list_notes", "read_scores", "write_scores"]

logger = logging.getLogger(__name__)

NOT_LISTED = float(np.finfo(np.float64).min)  # of an item that a list lacks
COLUMNS = ("user_id", "item_id", "score")
TREC = ("user_id", "q0", "item_id", "rank", "score", "tag")
ADVICE = "give a .npy matrix, or rows of user_id, item_id and score (or rank)"
MATRIX = ".npy"


class ScoreRows:
    """(n,) places of the user, of the item, and scores, of some users; no pair stands twice.

    ``cut_ties``: users whose list ends within a tie, as far as the file tells.
    """

    def __init__(
        self, users: NDArray[np.int64], items: NDArray[np.int64], scores: NDArray[np.float64], cut_ties: int = 0
    ) -> None:
        order = np.argsort(users, kind="stable")
        self.users, self.items, self.scores = users[order], items[order], scores[order]
        self.cut_ties = cut_ties

    def block(self, users: NDArray[np.int64], n_items: int) -> NDArray[np.float64]:
        """(B,) places of users -> (B, n_items) scores, ``NOT_LISTED`` where there is none."""
        found = np.full((len(users), n_items), NOT_LISTED)
        starts, ends = (np.searchsorted(self.users, users, side=side) for side in ("left", "right"))
        for row, (start, end) in enumerate(zip(starts, ends, strict=True)):
            found[row, self.items[start:end]] = self.scores[start:end]
        return found


class _Matrix:
    """As ``ScoreRows``, of a matrix that stays on disk."""

    cut_ties = 0

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
    """The scores of ``users`` for ``items``; those of other users are left out, which the log tells.

    Raises ``DataError`` for a user without a score, an unknown item, an id or a score that is missing, a pair that
    stands twice, a matrix of another shape.
    """
    if file.suffix == MATRIX:
        return _matrix(file, users, items)
    with reading(f"{file} cannot be read", ADVICE):
        table = FORMATS[file.suffix](file)
    if "score" not in table and "rank" in table:
        table["score"] = -_numbers(file, table, "rank")
    if lacking := [name for name in COLUMNS if name not in table]:
        raise DataError(f"{file} lacks the column(s) {', '.join(lacking)}: {ADVICE}")
    if not len(table):
        raise DataError(f"{file} has no rows: {ADVICE}")
    for name in COLUMNS[:2]:
        missing = (table[name].isna() | (table[name].astype(str) == "")).to_numpy()
        if missing.any():
            raise DataError(f"{file} has {missing.sum()} rows without {name}, the first is row {missing.argmax() + 1}")
    table["score"] = _numbers(file, table, "score")
    return _rows(file, table, users, items)


def _numbers(file: Path, table: pd.DataFrame, name: str) -> NDArray[np.float64]:
    try:
        if table[name].dtype.kind in "Mm":
            raise TypeError("times")
        return table[name].to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as problem:
        row = next((row for row, one in enumerate(table[name]) if not _is_number(one)), 0)
        found = table.iloc[row]
        whose = f"user {found.get('user_id')!r} for item {found.get('item_id')!r}"
        raise DataError(f"{file}: the {name} {found[name]!r} of {whose} is no number: {ADVICE}") from problem


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def list_notes(found: Mapping[str, float], system: str) -> list[str]:
    """What numbers are worth that come of lists of ``system``: a line on targets in no list, one on ties that are cut.

    ``found``: ``targets``, those ``unlisted``, ``shortest`` (items of the shortest list without its target) and
    ``cut_ties`` (lists that end within a tie); without them there is nothing to say.
    """
    notes = []
    if found.get("unlisted"):
        notes.append(
            f"MRR of {system} is a lower bound, as are its metrics at K above {found['shortest']} (the shortest list): "
            f"{found['unlisted']} of {found['targets']} targets stand in no list and rank last."
        )
    if found.get("cut_ties"):
        notes.append(
            f"The metrics of {system} are not exact: {found['cut_ties']} of {found['targets']} lists end within a tie "
            "and lack others of its items."
        )
    return notes


def _matrix(file: Path, users: Sequence[str], items: Sequence[str]) -> _Matrix:
    with reading(f"{file} cannot be read", ADVICE):
        scores = np.load(file, mmap_mode="r", allow_pickle=False)
    if not isinstance(scores, np.ndarray):
        raise DataError(f"{file} is an archive of arrays (.npz): write the one matrix by numpy.save")
    wanted = len(users), len(items)
    if scores.shape != wanted or scores.dtype.kind not in "fiu":
        raise DataError(
            f"{file} holds {scores.dtype} of shape {scores.shape}; wanted numbers of shape {wanted}: test users by "
            "items, in the order in which calrec export writes both"
        )
    for row, user in enumerate(users):
        if (unknown := np.isnan(scores[row])).any():
            raise _no_number(file, user, items[int(unknown.argmax())])
    return _Matrix(scores)


def _no_number(file: Path, user: str, item: str) -> DataError:
    return DataError(f"{file}: the score of user {user!r} for item {item!r} is NaN: give a number")


def _rows(file: Path, table: pd.DataFrame, users: Sequence[str], items: Sequence[str]) -> ScoreRows:
    named = table["user_id"].astype(str)
    rows = pd.Index(users).get_indexer(pd.Index(named))
    tested = rows >= 0
    without = np.setdiff1d(np.arange(len(users)), rows[tested])
    if len(without):
        hint = "" if tested.all() else f"; its other users look like {named[~tested].iloc[0]!r}"
        raise DataError(
            f"{file} has no score for {len(without)} of {len(users)} test users, as {users[without[0]]!r}{hint}"
        )
    if not tested.all():
        others = named[~tested].nunique()
        logger.info("%s: left out %d rows of %d users who are not tested", file, (~tested).sum(), others)
    table, rows = table[tested], rows[tested].astype(np.int64)
    columns = pd.Index(items).get_indexer(pd.Index(table["item_id"].astype(str))).astype(np.int64)
    if (unknown := columns < 0).any():
        example = table["item_id"][unknown].iloc[0]
        raise DataError(f"{file} scores {unknown.sum()} times an item that is no candidate, such as {str(example)!r}")
    if len(np.unique(rows * len(items) + columns)) < len(rows):
        raise DataError(f"{file} scores a pair of user and item twice")
    scores = table["score"].to_numpy()
    if (absent := np.isnan(scores)).any():
        first = int(absent.argmax())
        raise _no_number(file, users[rows[first]], items[columns[first]])
    kept = np.where(np.isneginf(scores), NOT_LISTED, scores)
    return ScoreRows(rows, columns, kept, len(np.unique(rows[_in_cut_tie(table)])))


def _in_cut_tie(table: pd.DataFrame) -> NDArray[np.bool_]:
    """Which rows share their score with items that their list lacks, by the columns of our own lists."""
    if "left_out" in table:
        return np.asarray(pd.to_numeric(table["left_out"], errors="coerce") > 0)
    if "chance" in table:
        return np.asarray(pd.to_numeric(table["chance"], errors="coerce") < 1)
    return np.zeros(len(table), bool)


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
