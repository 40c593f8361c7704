"""Tie-honest evaluation: a pair of ranks for each user, metrics per user, then their means."""

from calrec_recbole.evaluation.metrics import METRICS, ndcg, recall, reciprocal_rank
from calrec_recbole.evaluation.ranks import tie_ranks
from calrec_recbole.evaluation.summary import metric_names, metric_value, parse_metric, summary
from calrec_recbole.evaluation.table import RankTable

__all__ = [
    "METRICS",
    "RankTable",
    "metric_names",
    "metric_value",
    "ndcg",
    "parse_metric",
    "recall",
    "reciprocal_rank",
    "summary",
    "tie_ranks",
]
