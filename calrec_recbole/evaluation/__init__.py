"""Tie-honest evaluation: a pair of ranks for each user, metrics per user, then their means, intervals and tests."""

from calrec_recbole.evaluation.metrics import METRICS, ndcg, recall, reciprocal_rank
from calrec_recbole.evaluation.paired_comparison import category_means, compare, user_vectors
from calrec_recbole.evaluation.per_user import align, metric_vector, metric_vectors, read_ranks, without_last_item
from calrec_recbole.evaluation.rank_table import RankTable
from calrec_recbole.evaluation.ranks import lowered_ranks, ranks_without, tie_ranks
from calrec_recbole.evaluation.summary import EvaluationSettings, metric_names, metric_value, parse_metric, summary

__all__ = [
    "METRICS",
    "EvaluationSettings",
    "RankTable",
    "align",
    "category_means",
    "compare",
    "lowered_ranks",
    "metric_names",
    "metric_value",
    "metric_vector",
    "metric_vectors",
    "ndcg",
    "parse_metric",
    "ranks_without",
    "read_ranks",
    "recall",
    "reciprocal_rank",
    "summary",
    "tie_ranks",
    "user_vectors",
    "without_last_item",
]
