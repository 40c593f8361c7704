"""Tie-honest evaluation: a pair of ranks for each user, metrics per user, then their means, intervals and tests."""

from calrec_recbole.evaluation.equivalent_items import TextGroups
from calrec_recbole.evaluation.list_metrics import LIST_METRICS, GatheredLists, ItemValues, item_values
from calrec_recbole.evaluation.metrics import METRICS, expected, ndcg, precision, recall, reciprocal_rank
from calrec_recbole.evaluation.paired_comparison import category_means, compare, user_vectors
from calrec_recbole.evaluation.per_user import (
    align,
    equivalent_items,
    metric_vector,
    metric_vectors,
    read_ranks,
    without_last_item,
)
from calrec_recbole.evaluation.rank_table import RankTable
from calrec_recbole.evaluation.ranks import lowered_ranks, ranks_without, tie_ranks
from calrec_recbole.evaluation.summary import (
    EvaluationSettings,
    metric_names,
    metric_value,
    parse_metric,
    summary,
    tie_summary,
)

__all__ = [
    "LIST_METRICS",
    "METRICS",
    "EvaluationSettings",
    "GatheredLists",
    "ItemValues",
    "RankTable",
    "TextGroups",
    "align",
    "category_means",
    "compare",
    "equivalent_items",
    "expected",
    "item_values",
    "lowered_ranks",
    "metric_names",
    "metric_value",
    "metric_vector",
    "metric_vectors",
    "ndcg",
    "parse_metric",
    "precision",
    "ranks_without",
    "read_ranks",
    "recall",
    "reciprocal_rank",
    "summary",
    "tie_ranks",
    "tie_summary",
    "user_vectors",
    "without_last_item",
]
