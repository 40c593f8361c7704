"""A row of the tables: one label on one data set, the mean over its seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from calrec_recbole.errors import CalrecError, DataError
from calrec_recbole.report.inputs.finished_runs import Run, read_run
from calrec_recbole.report.inputs.manifest import Entry, Manifest
from calrec_recbole.report.tables.paper_rows import system_of

__all__ = ["KEYS", "METRICS", "MetricName", "Row", "rows_of"]


@dataclass(frozen=True)
class MetricName:
    """A metric in the three cases of ties, optimistic, expected, pessimistic: its keys in metrics.json; ``title`` is
    what readers see.
    """

    title: str
    opt: str
    exp: str
    pes: str

    @property
    def keys(self) -> tuple[str, str, str]:
        return self.opt, self.exp, self.pes


METRICS = (  # paper, Table 2
    MetricName("NDCG@10", "ndcg_opt@10", "ndcg_exp@10", "ndcg_pes@10"),
    MetricName("Recall@1", "recall_opt@1", "recall_exp@1", "recall_pes@1"),
    MetricName("Recall@10", "recall_opt@10", "recall_exp@10", "recall_pes@10"),
    MetricName("MRR", "mrr_opt", "mrr_exp", "mrr_pes"),
)
KEYS = tuple(key for metric in METRICS for key in metric.keys)


@dataclass(frozen=True)
class Row:
    """``runs`` differ in their seeds alone; none where ``error`` says why."""

    label: str
    model: str
    dataset: str
    runs: Sequence[Run]
    error: str = ""
    paper: str = ""

    @property
    def paper_labels(self) -> tuple[str, ...]:
        """What its row may be called in the paper's table."""
        return (self.paper, self.label, system_of(self.model))

    def value(self, key: str) -> float:
        """Mean over seeds of a test metric; NaN where the runs do not have it."""
        return float(np.mean([run.test.get(key, np.nan) for run in self.runs])) if self.runs else float("nan")

    def deviation(self, key: str) -> float:
        """Standard deviation over seeds (n - 1); NaN with one seed."""
        values = [run.test.get(key, np.nan) for run in self.runs]
        return float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")

    def expected(self, metric: MetricName) -> float:
        """Mean over seeds of the expected metric; NaN where only its bounds are known and they differ."""
        found, bound = self.value(metric.exp), self.value(metric.opt)
        return bound if np.isnan(found) and bound == self.value(metric.pes) else found

    @cached_property
    def ties(self) -> dict[str, float]:
        """The share of targets that tie, and the items of such a tie, over all seeds; empty where unknown."""
        found = [run.ties for run in self.runs]
        if not found or not all(found):
            return {}
        tied = sum(one["tied"] for one in found)
        items = sum(one["tied"] * one["tied_items"] for one in found if one["tied"])
        return {"tied": tied / len(found), "tied_items": items / tied if tied else 1.0}

    @property
    def stopped(self) -> bool:
        """See ``Run.stopped``; of any seed."""
        return any(run.stopped for run in self.runs)

    @cached_property
    def train_seconds(self) -> float:
        return _mean([run.train_seconds for run in self.runs])

    @cached_property
    def test_milliseconds(self) -> float:
        return _mean([run.test_milliseconds for run in self.runs])

    @cached_property
    def memory(self) -> float:
        return _mean([run.memory for run in self.runs])


def rows_of(manifest: Manifest, kept: Mapping[str, Run] | None = None) -> list[Row]:
    """Rows in the order of the manifest, of the run folders or of ``kept``; a run that is missing or failed leaves its
    error.
    """
    grouped: dict[tuple[str, str], list[Entry]] = {}
    for entry in manifest.entries:
        grouped.setdefault((entry.dataset, entry.label), []).append(entry)
    return [_row(entries, kept) for entries in grouped.values()]


def _row(entries: Sequence[Entry], kept: Mapping[str, Run] | None) -> Row:
    runs, errors = [], []
    for entry in entries:
        try:
            if entry.error:
                raise DataError(entry.error)
            runs.append(_kept(entry, kept) if kept is not None else _read(Path(entry.folder)))
        except CalrecError as problem:
            errors.append(str(problem))
    first = entries[0]
    return Row(first.label, first.model, first.dataset, runs, " | ".join(errors), first.paper or first.label)


def _read(folder: Path) -> Run:
    """The run, its ranks among it: where they are damaged it is none."""
    run = read_run(folder)
    if run.has_ranks:
        _ = run.ranks
    return run


def _kept(entry: Entry, kept: Mapping[str, Run]) -> Run:
    if entry.folder not in kept:
        raise DataError(f"{entry.folder or entry.label} was not kept; run it again")
    return kept[entry.folder]


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")
