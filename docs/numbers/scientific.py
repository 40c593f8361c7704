"""CALRec and all systems on Scientific."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from docs.numbers.claims import Below, Claim, Says, TableOf, Untraced, Value, pair
from docs.numbers.overview import (
    BY_GRAPH,
    DECODER,
    GRAPH,
    LARGEST,
    LIR,
    NDCG_GAP,
    NDCG_P,
    OKAPI,
    OLD_DECODER,
    PAPER_CALREC,
    PAPER_LIR,
    PAPER_SASREC,
    SYSTEMS,
)
from docs.numbers.rows import Kept, Paper, Source

__all__ = ["CLAIMS", "FOUR", "PAPERS", "cpu_minutes", "gap", "gibibytes"]

FOUR = ("ndcg@10", "recall@1", "recall@10", "mrr")
ROWS = {  # as the tables of the page call them
    "Pop": "Pop",
    "RecentPop, 30 days": "RecentPop",
    "LIR": "LIR",
    "ItemKNN": "ItemKNN",
    "EASE": "EASE",
    "TransitionGraph, untrained": "TransitionGraph",
    "TransitionGraph, tuned on validation": "TransitionGraph (tuned)",
    "SASRec": "SASRec",
    "SASRec, tuned on validation": "SASRec (tuned)",
    "SASRecSampled, 512 negatives": "SASRecSampled",
    "BERT4RecFull": "BERT4RecFull",
    "FDSAText": "FDSAText",
    "S3RecText": "S3RecText",
    "UniSRec (text), recommender from nothing": "UniSRec",
    "Recformer, small, from nothing": "Recformer",
    "TIGER, tiger-small": "TIGER",
    "CALRec, 3.5M-parameter decoder from nothing": "CALRec",
}
OURS: dict[str, Source] = {title: SYSTEMS[name] for title, name in ROWS.items()}
PAPERS: dict[str, Paper] = {  # our row -> the paper's
    "LIR": PAPER_LIR,
    "SASRec": PAPER_SASREC,
    "BERT4RecFull": Paper(2, "BERT4Rec"),
    "FDSAText": Paper(2, "FDSA"),
    "S3RecText": Paper(2, "S3-Rec"),
    "UniSRec": Paper(2, "UniSRec (text)"),
    "Recformer": Paper(2, "RecFormer"),
    "CALRec": PAPER_CALREC,
}
PAPER_ROWS: dict[str, Source] = {
    "the paper's LIR": PAPER_LIR,
    "the paper's SASRec": PAPER_SASREC,
    "the paper's BERT4Rec": PAPERS["BERT4RecFull"],
    "the paper's FDSA": PAPERS["FDSAText"],
    "the paper's S3-Rec": PAPERS["S3RecText"],
    "the paper's UniSRec (text), pretrained": PAPERS["UniSRec"],
    "the paper's Recformer, pretrained": PAPERS["Recformer"],
    "the paper's CALRec (PaLM-2 XXS, both stages)": PAPER_CALREC,
}
WAY = "from the last item to the target"  # of the slices
STEPS = (640, 1280, 1920, 2560, 3200, 3600)


def percent(value: float, base: float) -> float:
    return 100 * (value / base - 1)


def gap(name: str, case: str = "opt") -> float:
    """NDCG@10 of a row in % above the paper's."""
    return percent(SYSTEMS[name].value("ndcg@10", case), PAPERS[name].value("ndcg@10", case))


def against_paper(source: Source) -> list[Value]:
    """One number where the row has no ties, as printed."""
    name = source.label if isinstance(source, Kept) else ""
    if name not in PAPERS:
        return []
    ours = pair(source, "ndcg@10")
    return [gap(name, case) for case in ("opt", "pes")][: 1 if f"{ours[0]:.4f}" == f"{ours[1]:.4f}" else 2]


def cpu_minutes(source: Source) -> list[Value]:
    """Of a training, the mean of the seeds."""
    if not isinstance(source, Kept):
        return []
    return [sum(minutes_of(run.environment) for run in source.row.runs) / len(source.row.runs)]


def minutes_of(environment: Mapping[str, Any]) -> float:
    """CPU minutes of a training; of one that was interrupted, the first part by the clock."""
    before: float = environment.get("seconds_before_resume", 0.0)
    return (environment["seconds"]["train"]["cpu"] + before) / 60


def seeds(source: Source) -> list[Value]:
    return [len(source.row.runs)] if isinstance(source, Kept) else []


def gibibytes(source: Source) -> list[Value]:
    return [source.row.memory / 1024] if isinstance(source, Kept) else []


def seen_as(metric: str, view: str) -> Callable[[Source], list[Value]]:
    """A column of the expected ``metric`` in another view of the ranks."""

    def column(source: Source) -> list[Value]:
        assert isinstance(source, Kept)
        return [source.view(metric, "exp", view)]

    return column


def slice_of(name: str) -> Callable[[Source], list[Value]]:
    """A column of the expected NDCG@10 of one slice."""

    def column(source: Source) -> list[Value]:
        assert isinstance(source, Kept)
        return [source.sliced(WAY, name, "ndcg@10", "exp")]

    return column


def expected(metric: str) -> Callable[[Source], list[Value]]:
    return lambda source: [source.value(metric, "exp")]


def largest(names: tuple[str, ...], metrics: tuple[str, ...], rows: Mapping[str, Kept] = SYSTEMS) -> Below:
    """The largest p of the expected metrics, after Holm."""
    return Below(max(rows[name].test("t_p_holm", metric, "exp") for name in names for metric in metrics))


def p_of(name: str, metric: str, rows: Mapping[str, Kept] = SYSTEMS) -> float:
    return rows[name].test("t_p_holm", metric, "exp")


def ties(name: str) -> list[Value]:
    """The share of tied targets, in %, and the items of such a tie."""
    found = SYSTEMS[name].row.runs[0].ties
    return [100 * found["tied"], found["tied_items"]]


def users_in(name: str) -> int:
    table = DECODER.slices()
    (found,) = table[(table["by"] == WAY) & (table["slice"] == name)]["users"]
    return int(found)


CLAIMS: dict[str, list[Claim]] = {
    "docs/results/scientific.md": [
        TableOf(
            "All systems",
            OURS | PAPER_ROWS,
            columns={
                "seeds": seeds,
                "against the paper, %": against_paper,
                "training, CPU minutes a seed": cpu_minutes,
                "peak GiB": gibibytes,
            },
        ),
    ],
}
