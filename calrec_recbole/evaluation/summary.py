"""Averages ranks per user into the numbers of a table: ``{"ndcg_opt@10": ..., "mrr_exp": ..., "mrr_pes": ...}``."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from calrec_recbole.errors import ConfigError, DataError, did_you_mean
from calrec_recbole.evaluation.list_metrics import LIST_METRICS
from calrec_recbole.evaluation.metrics import METRICS, Ranks, expected
from calrec_recbole.setting_groups import check_ranges, no_effect, outside, ranged, younger

__all__ = [
    "CASES",
    "DEFAULT_METRICS",
    "DEFAULT_TOPK",
    "EvaluationSettings",
    "metric_names",
    "metric_value",
    "metric_values",
    "parse_metric",
    "summary",
    "tie_summary",
]

DEFAULT_METRICS = ("ndcg", "recall", "mrr")
DEFAULT_TOPK = (1, 10)  # paper, Table 2
CASES = ("opt", "exp", "pes")  # ties won, broken at random, lost


@dataclass(frozen=True)
class EvaluationSettings:
    """What is computed of ranks, and of the test's top-K lists; ``valid_metric`` selects the weights of a run.

    ``top_items``: how many items a user ``topk.parquet`` holds; 0 = no such file.
    """

    metrics: Sequence[str] = DEFAULT_METRICS
    list_metrics: Sequence[str] = younger([], neutral=[])
    topk: Sequence[int] = DEFAULT_TOPK
    top_items: int = no_effect(0, within="[0, 1e9]")
    valid_metric: str = "ndcg_pes@10"
    eval_batch_size: int = ranged(512, "[1, 1e9]")  # users

    def __post_init__(self) -> None:
        check_ranges(self, *self._unknown())
        named = self.topk if isinstance(self.topk, list | tuple) else [self.topk]
        if not named or any(outside("k", k, "[1, 1e9]", whole=True) for k in named):
            raise ConfigError(f"topk={self.topk!r} must be whole numbers of at least 1, such as [1, 10]")

    def _unknown(self) -> Iterator[str]:
        of_ranks, of_lists = (self.metrics, METRICS), (self.list_metrics, LIST_METRICS)
        for setting, (names, known), (other, others) in (
            ("metrics", of_ranks, ("list_metrics", LIST_METRICS)),
            ("list_metrics", of_lists, ("metrics", METRICS)),
        ):
            names = [names] if isinstance(names, str) else names
            unknown = [word for name in names if (word := str(name).lower()) not in known]
            if unknown or (setting == "metrics" and not names):
                elsewhere = f" ({other} has the others)" if {*unknown} & {*others} else ""
                near = elsewhere or (did_you_mean(unknown[0], known) if unknown else "")
                yield f"{setting}={names!r} must be chosen from {', '.join(known)}{near}"

    @property
    def metric_names(self) -> list[str]:
        """The names of all metrics, in the order of reports."""
        return metric_names([name.lower() for name in self.metrics], self.topk)


_NAME = re.compile(r"(?P<metric>[a-z]+)_(?P<case>opt|exp|pes)(?:@(?P<k>[1-9]\d*))?")


def metric_names(metrics: Sequence[str] = DEFAULT_METRICS, topk: Sequence[int] = DEFAULT_TOPK) -> list[str]:
    """Names in the order of reports: metric by metric; optimistic, expected, pessimistic; then by K.

    NDCG@1 equals Recall@1 and is left out beside it; MRR has no cut-off.

    >>> metric_names()  # doctest: +NORMALIZE_WHITESPACE
    ['ndcg_opt@10', 'ndcg_exp@10', 'ndcg_pes@10', 'recall_opt@1', 'recall_opt@10', 'recall_exp@1', 'recall_exp@10',
     'recall_pes@1', 'recall_pes@10', 'mrr_opt', 'mrr_exp', 'mrr_pes']
    """
    names = []
    for metric in metrics:
        cuts: Sequence[int | None] = [None] if metric == "mrr" else sorted(set(topk))
        if metric == "ndcg" and "recall" in metrics:
            cuts = [k for k in cuts if k != 1]
        names += [f"{metric}_{case}" + (f"@{k}" if k else "") for case in CASES for k in cuts]
    return names


def parse_metric(name: str) -> tuple[str, str, int | None]:
    """``"ndcg_pes@10"`` -> ``("ndcg", "pes", 10)``; raises ``ConfigError`` with the nearest name for anything else."""
    found = _NAME.fullmatch(name)
    if found and found["metric"] in METRICS and (found["k"] or found["metric"] == "mrr"):
        return found["metric"], found["case"], int(found["k"]) if found["k"] else None
    examples = metric_names()
    raise ConfigError(
        f"metric {name!r} is unknown: write {', '.join(METRICS)} with _opt, _exp or _pes and a cut-off, such as "
        "ndcg_pes@10" + did_you_mean(name, examples)
    )


def tie_case(name: str) -> str:
    """``"ndcg_pes@10"`` -> ``"pes"``; empty for a name that is none of these metrics."""
    found = _NAME.fullmatch(name)
    return found["case"] if found else ""


def metric_values(name: str, optimistic: Ranks, pessimistic: Ranks) -> Tensor:
    """(B,) and (B,) ranks -> (B,) float64: the metric ``name`` of each user."""
    metric, case, k = parse_metric(name)
    if case == "exp":
        return expected(METRICS[metric], optimistic, pessimistic, k)
    return METRICS[metric](optimistic if case == "opt" else pessimistic, k)


def metric_value(name: str, optimistic: Ranks, pessimistic: Ranks) -> float:
    """Mean over users of the metric ``name``."""
    return float(metric_values(name, optimistic, pessimistic).mean())


def tie_summary(optimistic: Tensor, pessimistic: Tensor) -> dict[str, float]:
    """(B,) and (B,) ranks -> ``tied``: the share of targets that tie; ``tied_items``: the mean over these of the items
    of the target's score, the target included, 1 where none ties.

    >>> import torch
    >>> tie_summary(torch.tensor([1, 1, 7, 2]), torch.tensor([1, 4, 12, 2]))
    {'tied': 0.5, 'tied_items': 5.0}
    """
    items = (pessimistic - optimistic + 1).double()
    tied = items > 1
    return {"tied": float(tied.double().mean()), "tied_items": float(items[tied].mean()) if tied.any() else 1.0}


def summary(optimistic: Tensor, pessimistic: Tensor, names: Sequence[str] | None = None) -> dict[str, float]:
    """(B,) and (B,) ranks -> each metric's mean over users, in the order of ``names`` (by default ``metric_names()``).

    >>> import torch
    >>> summary(torch.tensor([1, 1]), torch.tensor([1, 4]), ["mrr_opt", "mrr_pes", "recall_pes@1"])
    {'mrr_opt': 1.0, 'mrr_pes': 0.625, 'recall_pes@1': 0.5}
    """
    if not len(optimistic):
        raise DataError("there is no user to evaluate")
    return {name: metric_value(name, optimistic, pessimistic) for name in names or metric_names()}
