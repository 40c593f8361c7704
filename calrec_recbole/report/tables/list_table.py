"""What the top-K lists of each row show, whatever the target is: the metrics of lists that a run kept."""

from collections.abc import Mapping, Sequence

import numpy as np

from calrec_recbole.report.rows import Row
from calrec_recbole.report.tables.cells import ABSENT

__all__ = ["list_table"]


def list_table(rows: Sequence[Row]) -> dict[str, dict[str, str]]:
    """Label -> title (``coverage@10``) -> text, means over seeds: the expectation, with the bounds where a tie across
    the cut leaves them apart. Every label has every title; empty where no run kept such metrics.
    """
    found = {row.label: _means([run.metrics.get("lists", {}) for run in row.runs]) for row in rows if row.runs}
    titles = dict.fromkeys(key.replace("_exp@", "@") for own in found.values() for key in own if "_exp@" in key)
    return {label: {title: _text(own, title) for title in titles} for label, own in found.items() if own}


def _means(lists: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Of the keys that every run has."""
    return {key: float(np.mean([one[key] for one in lists])) for key in lists[0] if all(key in one for one in lists)}


def _text(means: Mapping[str, float], title: str) -> str:
    """
    >>> _text({"coverage_low@10": 0.1, "coverage_exp@10": 0.25, "coverage_high@10": 0.5}, "coverage@10")
    '.2500 (.1000 to .5000)'
    >>> _text({"popularity_low@10": 12.3, "popularity_exp@10": 12.3, "popularity_high@10": 12.3}, "popularity@10")
    '12.3'
    """
    low, middle, high = (means.get(title.replace("@", f"_{case}@")) for case in ("low", "exp", "high"))
    if middle is None:
        return ABSENT
    if low is None or high is None or _digits(low) == _digits(high):
        return _digits(middle)
    return f"{_digits(middle)} ({_digits(low)} to {_digits(high)})"


def _digits(value: float) -> str:
    """
    >>> _digits(0.98765), _digits(3.4567), _digits(478.0)
    ('.9877', '3.46', '478.0')
    """
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 1 else f"{value:.4f}".removeprefix("0")
