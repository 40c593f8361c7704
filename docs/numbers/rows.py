"""The rows of results/: metrics, recomputed from the ranks of every user where these are kept, and tests."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
import pandas as pd
import scipy.stats

from calrec_recbole.evaluation import metric_vector, metric_vectors
from calrec_recbole.evaluation.paired_comparison import compare, holm_by_case
from calrec_recbole.paper import paper_table
from calrec_recbole.report.inputs.finished_runs import VIEWS, Run, read_run
from calrec_recbole.report.inputs.kept import read_kept
from calrec_recbole.report.inputs.manifest import read_manifest
from calrec_recbole.report.rows import KEYS, rows_of
from calrec_recbole.report.rows import Row as TableRow
from calrec_recbole.report.statistics import seeds_p
from calrec_recbole.report.table_ranks import RANKS_FILE, read_table_ranks
from docs.numbers.pages import ROOT

__all__ = ["CASES", "Kept", "Paper", "Results", "Single", "Source", "folders", "results"]

RESULTS = ROOT / "results"
CASES = ("opt", "exp", "pes")
CLOSE = 1e-9  # what is kept as text has all digits
TIES = "items of the target's score"  # the way to slice that is a run's own


def _key(metric: str, case: str) -> str:
    """``ndcg@10``, ``opt`` -> ``ndcg_opt@10``."""
    name, at, k = metric.partition("@")
    return f"{name}_{case}{at}{k}"


class Source:
    """What a row of a table shows: a value a metric and case; NaN where there is none."""

    def value(self, metric: str, case: str, part: str = "test") -> float:
        raise NotImplementedError

    def cases(self, metric: str, part: str = "test") -> dict[str, float]:
        found = {case: self.value(metric, case, part) for case in CASES}
        return {case: value for case, value in found.items() if np.isfinite(value)}

    commit = ""
    stopped: bool | None = False  # by its budget; None: unknown


@dataclass(frozen=True)
class Paper(Source):
    """A row that the paper prints."""

    table: int
    system: str
    dataset: str = "Scientific"

    def value(self, metric: str, case: str, part: str = "test") -> float:
        names = {"ndcg@10": "NDCG@10", "recall@1": "Recall@1", "recall@10": "Recall@10", "mrr": "MRR"}
        table = paper_table(self.table)
        own = table[(table["dataset"] == self.dataset) & (table["system"] == self.system)]
        column = {"opt": "optimistic", "pes": "pessimistic"}.get(case)
        if column not in own:
            return float("nan")
        (found,) = own[own["metric"] == names[metric]][column]
        return float(found)


@dataclass(frozen=True)
class Single(Source):
    """A run's own folder in results/."""

    folder: str

    @cached_property
    def run(self) -> Run:
        return read_run(RESULTS / self.folder)

    @property
    def commit(self) -> str:  # type: ignore[override]
        return self.run.commit

    @property
    def stopped(self) -> bool | None:  # type: ignore[override]
        own = self.run
        same = [one for one in _kept_runs() if (one.model, one.metrics["test"]) == (own.model, own.metrics["test"])]
        return any(one.stopped for one in same) if any(one.curve.steps for one in same) else None

    def value(self, metric: str, case: str, part: str = "test") -> float:
        return float(self.run.metrics[part].get(_key(metric, case), np.nan))


@dataclass(frozen=True)
class Kept(Source):
    """A row of a table in results/; ``reference``: what it is tested against, if not the row that its table names."""

    table: str
    label: str
    dataset: str = ""
    reference: str = ""

    @property
    def row(self) -> TableRow:
        found = [row for row in results(self.table).rows if row.label == self.label]
        found = [row for row in found if self.dataset in ("", row.dataset)]
        if len(found) != 1:
            raise ValueError(f"results/{self.table} has {len(found)} rows {self.label!r}")
        return found[0]

    @property
    def commit(self) -> str:  # type: ignore[override]
        return self.row.runs[0].commit

    @property
    def stopped(self) -> bool | None:  # type: ignore[override]
        return self.row.stopped if any(run.curve.steps for run in self.row.runs) else None

    def value(self, metric: str, case: str, part: str = "test") -> float:
        key = _key(metric, case)
        if part == "valid":
            return float(np.mean([run.metrics["valid"].get(key, np.nan) for run in self.row.runs]))
        vectors = results(self.table).vectors
        own = vectors.get((self.row.dataset, self.label))
        return self.row.value(key) if own is None else float(own[key].mean())

    def view(self, metric: str, case: str, view: str) -> float:
        """``value`` of another view of the ranks: ``masked``, without the history's last item, or ``equivalent``."""
        of_table = results(self.table).ranks.items()
        own = [ranks for (dataset, label, _), ranks in of_table if (dataset, label) == (self.row.dataset, self.label)]
        return float(np.mean([metric_vector(_key(metric, case), VIEWS[view](ranks)).mean() for ranks in own]))

    def middle(self, metric: str) -> float:
        return (self.value(metric, "opt") + self.value(metric, "pes")) / 2

    def test(self, column: str, metric: str, case: str) -> float:
        """A column of the tests, such as ``t_p_holm``."""
        table = results(self.table).tests(self.row.dataset, self.reference)
        (found,) = table[(table["model"] == self.label) & (table["metric"] == _key(metric, case))][column]
        return float(found)

    def ahead(self, metric: str, case: str) -> float:
        """By how much it is above the reference."""
        return -self.test("difference", metric, case)

    def ahead_from(self, metric: str, case: str) -> tuple[float, float]:
        """The interval of ``ahead``."""
        return -self.test("difference_high", metric, case), -self.test("difference_low", metric, case)

    def sliced(self, by: str, slice_: str, metric: str, case: str) -> float:
        (found,) = self._slice(by, slice_)[_key(metric, case)]
        return float(found)

    def users_in(self, by: str, slice_: str) -> int:
        (found,) = self._slice(by, slice_)["users"]
        return int(found)

    def _slice(self, by: str, slice_: str) -> pd.DataFrame:
        table = results(self.table).slices
        return table[(table["label"] == self.label) & (table["by"] == by) & (table["slice"] == slice_)]

    def curve(self, step: int) -> float:
        """The validation at ``step``; see the run's ``valid_metric``."""
        curve = self.row.runs[0].curve
        return dict(zip(curve.steps, curve.values, strict=True))[step]

    def best(self) -> float:
        """The best validation."""
        return max(self.row.runs[0].curve.values)

    def losses(self, name: str) -> list[float]:
        """The last value of a training loss, of each seed."""
        return [run.losses[name] for run in self.row.runs]

    def environment(self, part: str, name: str) -> float:
        return float(self.row.runs[0].environment[part][name])


class Results:
    """A table's folder in results/."""

    def __init__(self, name: str) -> None:
        self.name, self.folder = name, RESULTS / name
        self.kept = read_kept(self.folder)
        self.rows = rows_of(read_manifest(self.folder), self.kept.runs)
        self.slices = self.kept.slices

    @cached_property
    def ranks(self) -> Mapping[tuple[str, str, int], pd.DataFrame]:
        """(data set, label, seed) -> the ranks of every user, where these are kept."""
        return read_table_ranks(self.folder) if (self.folder / RANKS_FILE).is_file() else {}

    @cached_property
    def vectors(self) -> Mapping[tuple[str, str], pd.DataFrame]:
        """(data set, label) -> users x metrics, the mean over seeds; of the rows whose ranks are kept."""
        found: dict[tuple[str, str], list[pd.DataFrame]] = {}
        for (dataset, label, _), ranks in self.ranks.items():
            found.setdefault((dataset, label), []).append(metric_vectors(ranks))
        return {key: sum(one[1:], start=one[0]) / len(one) for key, one in found.items()}

    @cache  # noqa: B019 - one object a table, for as long as the program runs
    def tests(self, dataset: str, reference: str = "") -> pd.DataFrame:
        """The tests that are kept, as they follow from the ranks, against the table's reference or another; of older
        tables with p as it follows from effect size and users, and with Holm's.
        """
        table = self.kept.tests_of(dataset).copy()
        if "difference" not in table:
            return table
        if self.vectors:
            return self._again(dataset, table, reference or self.reference(dataset))
        own = table[table["difference"].notna()]
        t = own["cohens_d"].abs() * np.sqrt(own["units"])
        p = np.where(own["difference"] == 0, 1.0, 2 * scipy.stats.t.sf(t, own["units"] - 1))
        table.loc[own.index, "t_p"] = p
        for column in ("t_p", "permutation_p"):
            table.loc[own.index, f"{column}_holm"] = holm_by_case(table.loc[own.index, column], own["metric"])
        return table

    def _again(self, dataset: str, kept: pd.DataFrame, reference: str) -> pd.DataFrame:
        """``evaluation.compare`` of the ranks, and the test of the seeds, in the order of ``kept``."""
        rows = {row.label: row for row in self.rows if row.dataset == dataset}
        vectors = {label: self.vectors[dataset, label][list(KEYS)] for label in kept["model"].unique()}
        found = compare(vectors, reference)
        pairs = zip(found["model"], found["metric"], strict=True)
        found["seeds_p"] = [seeds_p(rows[label], rows[reference], key) for label, key in pairs]
        return kept[["model", "metric"]].merge(found, how="left", on=["model", "metric"])

    def reference(self, dataset: str) -> str:
        """The label that the others are tested against: the one without a difference."""
        table = self.kept.tests_of(dataset)
        (found,) = table[table["difference"].isna()]["model"].unique()
        return str(found)

    def faults(self) -> list[str]:
        """Where what is kept of the table does not fit together."""
        found = []
        for row in self.rows:
            if (own := self.vectors.get((row.dataset, row.label))) is not None:
                for key in own:
                    found += _unlike(f"{row.label}: {key} of kept.json", row.value(str(key)), float(own[key].mean()))
            for run in row.runs:
                for other in copies(run):
                    for key, value in run.metrics["test"].items():
                        there = other.metrics["test"].get(key, value)
                        found += _unlike(f"{row.label}: {key} of {run.folder} in another table", value, there)
        for dataset in dict.fromkeys(row.dataset for row in self.rows):
            found += self._test_faults(dataset) + self._slice_faults(dataset)
        return [f"results/{self.name}: {line}" for line in found]

    def _test_faults(self, dataset: str) -> list[str]:
        kept, found = self.kept.tests_of(dataset), []
        of_label = {row.label: row for row in self.rows if row.dataset == dataset}
        for one in kept.to_dict("records"):
            mean = of_label[one["model"]].value(one["metric"])
            found += _unlike(f"{one['model']}: {one['metric']} of tests.csv", one["mean"], mean)
        again = self.tests(dataset)
        for column in again.select_dtypes("number").columns.intersection(kept.columns):
            for old, new in zip(kept.to_dict("records"), again[column], strict=True):
                found += _unlike(f"{old['model']}: {column} of {old['metric']}", old[column], new)
        return found

    def _slice_faults(self, dataset: str) -> list[str]:
        """Where the slices of one way to slice have not together the mean of all users."""
        found, table = [], self.slices
        of_label = {row.label: row for row in self.rows if row.dataset == dataset}
        if table.empty:
            return []
        for (label, by), own in table[table["dataset"] == dataset].groupby(["label", "by"]):
            if by == TIES and len(of_label[label].runs) > 1:  # seeds differ in their ties, and ``users`` is their mean
                continue
            for key in own.columns.intersection(KEYS):
                mean = np.average(own[key], weights=own["users"])
                found += _unlike(f"{label}: {key} of its slices by {by}", mean, of_label[label].value(key))
        return found


def _unlike(what: str, kept: float, again: float) -> list[str]:
    alike = (np.isnan(kept) and np.isnan(again)) or abs(kept - again) <= CLOSE + 1e-6 * abs(again)
    return [] if alike else [f"{what} is {kept!r} and follows as {again!r}"]


def folders() -> list[str]:
    return sorted(file.parent.name for file in RESULTS.glob("*/comparison.json"))


@cache
def results(name: str) -> Results:
    return Results(name)


@cache
def _kept_runs() -> list[Run]:
    return [run for name in folders() for run in results(name).kept.runs.values()]


def copies(run: Run) -> list[Run]:
    """``run`` as the tables of results/ keep it: of its folder and its commit."""
    return [one for one in _kept_runs() if (one.folder, one.commit) == (run.folder, run.commit)]


def statistic(table: str, dataset: str, name: str) -> tuple[float, float]:
    """A row of the data sets' table: ours, the paper's."""
    ours, paper = (
        [one for one in results(table).kept.data if one["name"] == dataset and one.get("paper", False) is own]
        for own in (False, True)
    )
    return tuple(float(one["values"][name].replace(",", "")) for (one,) in (ours, paper))  # type: ignore[return-value]


def trained_on(folder: str) -> dict[str, float]:
    """Data set -> its share of the draws of a stage I."""
    found = json.loads((RESULTS / folder / "trained_on.json").read_text(encoding="utf-8"))
    return {name: float(one["share"]) for name, one in found.items()}


def changes_of_paper(table: int, dataset: str = "Scientific") -> dict[str, float]:
    """Metric -> the change in % that the paper prints."""
    found = paper_table(table)
    own = found[(found["dataset"] == dataset) & found["change"].notna()]
    return {metric: float(value) for metric, value in zip(own["metric"], own["change"], strict=True)}


def proportion(hits: int, users: int, level: float = 0.95) -> tuple[float, float]:
    """The exact interval (Clopper and Pearson) of a share."""
    found = scipy.stats.binomtest(hits, users).proportion_ci(level, method="exact")
    return float(found.low), float(found.high)
