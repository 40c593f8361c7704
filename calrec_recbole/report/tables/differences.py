"""The tests as a reader meets them: each model's difference to the reference, and what is significant."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from calrec_recbole.report.rows import METRICS
from calrec_recbole.report.tables.cells import printed

__all__ = ["LEVEL", "Difference", "differences"]

LEVEL = 0.05
CASES = ("optimistic", "expected", "pessimistic")


@dataclass(frozen=True)
class Difference:
    """Model minus reference. ``verdict``: better or worse where both corrected tests say so, else empty.
    ``seeds_p``: see ``report.statistics.compared``; empty where there are no seeds.
    """

    value: str
    interval: str
    t_p: str
    permutation_p: str
    effect: str
    verdict: str
    seeds_p: str = ""


def differences(tests: pd.DataFrame, reference: str) -> dict[str, list[dict[str, Difference]]]:
    """Label -> for each metric the difference in each case that was tested, by the case's name; from
    ``evaluation.compare``.
    """
    if "difference" not in tests:
        return {}
    found = tests.set_index(["model", "metric"])
    labels = [label for label in dict.fromkeys(tests["model"]) if label != reference]
    return {
        label: [
            {
                case: _difference(found.loc[(label, key)])
                for case, key in zip(CASES, metric.keys, strict=True)
                if (label, key) in found.index
            }
            for metric in METRICS
        ]
        for label in labels
    }


def _difference(row: pd.Series) -> Difference:
    """``compare`` takes the model from the reference; readers expect the reverse."""
    value = -float(row["difference"])
    significant = max(row["t_p_holm"], row["permutation_p_holm"]) < LEVEL
    return Difference(
        value=_signed(value),
        interval=f"{_signed(-row['difference_high'])} to {_signed(-row['difference_low'])}",
        t_p=p_value(row["t_p_holm"]),
        permutation_p=p_value(row["permutation_p_holm"]),
        seeds_p=p_value(row["seeds_p"]) if np.isfinite(row.get("seeds_p", np.nan)) else "",
        effect=printed(-float(row["cohens_d"]), 2),
        verdict=("better" if value > 0 else "worse") if significant else "",
    )


def p_value(value: float) -> str:
    """
    >>> p_value(0.0004), p_value(0.0312), p_value(1.0), p_value(float("nan"))
    ('< .001', '.031', '1.000', '–')
    """
    return "< .001" if value < 0.001 else printed(float(value), 3)


def _signed(value: float) -> str:
    text = printed(value)
    if not np.isfinite(value) or float(f"{value:.4f}") == 0:
        return text.removeprefix("-")
    return "−" + text.removeprefix("-") if value < 0 else "+" + text
