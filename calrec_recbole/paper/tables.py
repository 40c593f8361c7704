"""Tables 1-8 of the paper (Li et al., RecSys'24, https://doi.org/10.1145/3640457.3688121), as printed.

Three cells do not follow from the others that are printed: in Table 2 the Average of LIR's pessimistic Recall@1 (.0036,
the mean of its six rows is .0034), and, by rounding, Improv. of NDCG@10 on Pet (24.8, from the cells 24.7) and in
Table 8 the change of NDCG@10 on Office (-5.2, from the cells -5.1). Table 3 prints .04408 with five digits.
"""

from functools import cache
from importlib.resources import files

import pandas as pd

from calrec_recbole.data.dataset_statistics import Statistics
from calrec_recbole.errors import ConfigError

__all__ = ["METRICS", "TABLES", "paper_statistics", "paper_table"]

METRICS = {"NDCG@10": "ndcg@10", "Recall@1": "recall@1", "Recall@10": "recall@10", "MRR": "mrr"}  # -> ours, cases apart

TABLES = {
    1: "Statistics of the data after deduplication",
    2: "Main results",
    3: "Ablation of CALRec",
    4: "With and without contrastive alignment, means of six categories",
    5: "Untuned backbones of three sizes",
    6: "Untuned backbone with GPT4Rec's template",
    7: "Last Item Repeater with and without deduplication",
    8: "Hierarchical matching in the place of BM25",
}


@cache
def _read(number: int) -> pd.DataFrame:
    with (files("calrec_recbole.paper") / f"table{number}.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file, keep_default_na=False, na_values=[""])


def paper_table(number: int) -> pd.DataFrame:
    """One row a cell: ``dataset, metric, system, optimistic, pessimistic``; systems and metrics by the paper's names.

    For methods based on IDs, which have no ties, both cases hold the one number that is printed. ``dataset`` "Average"
    is the mean of the six categories. Further columns, empty where the paper prints nothing:

    - 1: a row a data set instead, with the columns of ``calrec_recbole.data.dataset_statistics.Statistics``.
    - 2: ``model`` (our name of the system); ``improvement`` (%, of CALRec over the best baseline, optimistic).
    - 4: in the rows of CALRec ``improvement_optimistic, improvement_pessimistic`` (%), ``p_optimistic, p_pessimistic``.
    - 7: no ``pessimistic``; ``change`` (%, whole numbers) in the rows with dedup.
    - 8: ``change`` (%, of (optimistic + pessimistic) / 2 against BM25), ``format_error``, ``all_attributes`` and
      ``title`` (% of outputs, the same in all rows of a data set).

    Raises ``ConfigError`` for a number that the paper does not have.
    """
    if number not in TABLES:
        raise ConfigError(f"table={number!r} must be one of 1 to {len(TABLES)}")
    return _read(number).copy()


def paper_statistics() -> dict[str, Statistics]:
    """The rows of Table 1 by data set: ``duplicates`` in % of the purchases before deduplication, the others after it
    (Office 50 %, Pet 20 % of the users).
    """
    table = paper_table(1).set_index("dataset")[list(Statistics.__dataclass_fields__)]
    return {name: Statistics(*cells) for name, *cells in table.itertuples()}
