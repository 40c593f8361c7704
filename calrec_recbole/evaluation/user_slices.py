"""Which users does a model serve? Their metrics by what is known of target and history. Plain arrays in, labels out."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from calrec_recbole.errors import DataError

__all__ = [
    "FREQUENCIES",
    "LENGTHS",
    "TIES",
    "cold_start",
    "intervals",
    "repetition",
    "slice_means",
    "tie_groups",
    "user_slices",
]

# each number is the first of its interval
FREQUENCIES = (0, 1, 6, 21, 101)  # events of the target in the training part
LENGTHS = (1, 4, 6, 11, 21)  # items of the history; ours: the users of the 5-core have 4 or more
TIES = (1, 2, 3, 6, 11)  # items of the target's score, the target included; ours

LAST, BEFORE, NEW = "last item", "seen before", "new"
HOPS = ("no step seen", "a step seen", "two steps seen")  # by their number, from the last item to the target


def intervals(numbers: ArrayLike, starts: Sequence[int], zero: str = "0") -> pd.Categorical:
    """(n,) whole numbers -> labels such as "1-5" in the order of ``starts``; ``zero`` names the interval of 0 alone.

    >>> list(intervals([0, 5, 6, 500], FREQUENCIES, zero="unseen"))
    ['unseen', '1-5', '6-20', '>100']
    """
    values = np.asarray(numbers, np.int64)
    if len(values) and values.min() < starts[0]:
        raise DataError(f"{values.min()} lies below the first interval, which begins at {starts[0]}")
    labels = [_label(start, stop, zero) for start, stop in zip(starts, [*starts[1:], None], strict=True)]
    return _labelled(np.searchsorted(starts, values, side="right") - 1, labels)


def repetition(targets: ArrayLike, last: ArrayLike, seen: ArrayLike) -> pd.Categorical:
    """(n,) targets, last items of the histories, and whether the history holds the target -> one of three labels:
    the target is the last item, it was bought earlier, or it is new to the user.
    """
    is_last = np.asarray(targets) == np.asarray(last)
    codes = np.where(is_last, 0, np.where(np.asarray(seen, bool), 1, 2))
    return _labelled(codes, [LAST, BEFORE, NEW])


def tie_groups(optimistic: ArrayLike, pessimistic: ArrayLike) -> pd.Categorical:
    """(n,) and (n,) ranks -> how many items share the target's score, the target included, in intervals."""
    return intervals(np.asarray(pessimistic) - np.asarray(optimistic) + 1, TIES)


def cold_start(training: ArrayLike, validation: ArrayLike) -> NDArray[np.bool_]:
    """(n,) and (n,) events of the target in the two parts, of any user -> whether it is in neither.

    Section 6: "the ground-truth item is neither covered in the training set nor in the validation set".
    """
    unseen: NDArray[np.bool_] = (np.asarray(training) == 0) & (np.asarray(validation) == 0)
    return unseen


def slice_means(labels: ArrayLike | pd.Categorical, vectors: pd.DataFrame) -> pd.DataFrame:
    """(n_users,) labels and users x metrics, in one order -> a row a slice: ``users`` and the mean of every metric.

    Slices come in the order of a categorical's labels, else sorted; one without users has no mean: NaN.
    """
    if len(labels) != len(vectors):  # type: ignore[arg-type]
        raise DataError(f"{len(labels)} labels for {len(vectors)} users")  # type: ignore[arg-type]
    groups = vectors.groupby(pd.Series(labels, index=vectors.index, name="slice"), observed=False)
    means = groups.mean()
    means.insert(0, "users", groups.size())
    return means


def user_slices(facts: pd.DataFrame, ranks: pd.DataFrame) -> dict[str, pd.Categorical]:
    """The labels of each way to slice the users of ``ranks`` (see ``read_ranks``), in the order of its rows.

    ``facts``: indexed by user, with the columns of ``plugin.data.test_users``.

    Raises ``DataError`` where ``facts`` are of other users or targets.
    """
    missing = ranks.index.difference(facts.index)
    if len(missing):
        example = f"{len(missing)} users of the ranks, such as {missing[0]!r}"
        raise DataError(f"{example}, are not in the data: prepare it as it was")
    own = facts.loc[ranks.index]
    if (own["target"] != ranks["item_id"]).any():
        raise DataError("the ranks have other targets than the data: prepare it as it was")
    cold = cold_start(own["training_count"], own["validation_count"])
    hops = {"from the last item to the target": _labelled(own["hops"], HOPS)} if "hops" in own else {}
    return hops | {
        "target's training events": intervals(own["training_count"], FREQUENCIES, zero="unseen"),
        "target": _labelled(cold, ["known", "cold start"]),
        "history length": intervals(own["history_length"], LENGTHS),
        "target in the history": repetition(own["target"], own["last_item"], own["seen_before"]),
        "items of the target's score": tie_groups(ranks["optimistic"], ranks["pessimistic"]),
    }


def _labelled(codes: ArrayLike, labels: Sequence[str]) -> pd.Categorical:
    """(n,) places among ``labels`` -> those labels, in their order."""
    names: Any = list(labels)  # pandas-stubs want an Index, whose type they take from the labels
    return pd.Categorical.from_codes(np.asarray(codes, np.int64), names, ordered=True)


def _label(start: int, stop: int | None, zero: str) -> str:
    if stop is None:
        return f">{start - 1}"
    if start == 0 and stop == 1:
        return zero
    return str(start) if stop == start + 1 else f"{start}-{stop - 1}"
