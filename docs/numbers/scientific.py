"""CALRec and the baselines on Scientific."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from docs.numbers.claims import MEASURED, Below, Claim, Says, TableOf, Untraced, Value, pair
from docs.numbers.overview import (
    DECODER,
    FDSA,
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
    S3REC,
    SASREC,
    UNISREC,
)
from docs.numbers.rows import RESULTS, Kept, Paper, Single, Source

__all__ = ["CLAIMS"]


FULL, RECBOLES = Kept("scientific", "BERT4RecFull"), Kept("scientific", "BERT4Rec")
CHOSEN, SHIPPED = (Kept("scientific-sasrec-tuned", label) for label in ("SASRec (tuned)", "SASRec"))
FOUR = ("ndcg@10", "recall@1", "recall@10", "mrr")
RANDOM = Kept("scientific", "FDSAText (text_init=random)")
UNISREC_ID, RECFORMER = Kept("scientific", "UniSRecID"), Kept("scientific", "Recformer")
SAMPLED, POP, RECENT = (Kept("scientific-simple", name) for name in ("SASRecSampled", "Pop", "RecentPop"))
TIGER, SASREC_BESIDE = Kept("scientific-tiger", "TIGER"), Kept("scientific-tiger", "SASRec")
PAPERS = {  # our row -> the paper's
    SASREC: PAPER_SASREC,
    FULL: Paper(2, "BERT4Rec"),
    RECBOLES: Paper(2, "BERT4Rec"),
    FDSA: Paper(2, "FDSA"),
    RANDOM: Paper(2, "FDSA"),
    S3REC: Paper(2, "S3-Rec"),
    UNISREC_ID: Paper(2, "UniSRec (ID+text)"),
    UNISREC: Paper(2, "UniSRec (text)"),
    RECFORMER: Paper(2, "RecFormer"),
    LIR: PAPER_LIR,
}
FOLDERS = {  # rows whose costs stand in the table -> their own folder
    FULL: "bert4recfull",
    RECBOLES: "bert4rec",
    FDSA: "fdsatext",
    RANDOM: "fdsatext-random",
    S3REC: "s3rectext",
    UNISREC_ID: "unisrecid",
    RECFORMER: "recformer",
}


def percent(value: float, base: float) -> float:
    return 100 * (value / base - 1)


def against_paper(source: Source) -> list[Value]:
    """NDCG@10 in % of the paper's: one number where the row has no ties, as printed."""
    if source not in PAPERS:
        return []
    ours, paper = pair(source, "ndcg@10"), pair(PAPERS[source], "ndcg@10")
    found = [percent(own, there) for own, there in zip(ours, paper, strict=True)]
    return found[: 1 if f"{ours[0]:.4f}" == f"{ours[1]:.4f}" else 2]


def cpu_minutes(source: Source) -> list[Value] | None:
    if source not in FOLDERS:
        return [minutes_of(source.row.runs[0].environment)] if isinstance(source, Kept) else []
    return [Single(f"scientific-{FOLDERS[source]}").run.environment["seconds"]["train"]["cpu"] / 60]


def minutes_of(environment: Mapping[str, Any]) -> float:
    """CPU minutes of a training; of one that was interrupted, the first part by the clock."""
    before: float = environment.get("seconds_before_resume", 0.0)
    return (environment["seconds"]["train"]["cpu"] + before) / 60


def minutes_a_seed(source: Source) -> list[Value]:
    assert isinstance(source, Kept)
    return [sum(minutes_of(run.environment) for run in source.row.runs) / len(source.row.runs)]


def gibibytes(source: Source) -> list[Value]:
    return [source.row.memory / 1024] if isinstance(source, Kept) else []


def gap(source: Source) -> float:
    return percent(source.value("ndcg@10", "opt"), PAPERS[source].value("ndcg@10", "opt"))


OTHERS = [POP, RECENT, LIR, SASREC, SAMPLED]
LARGEST_EXPECTED = max(
    one.test("t_p_holm", metric, "exp") for one in OTHERS for metric in ("ndcg@10", "recall@1", "recall@10", "mrr")
)
SYSTEMS = {
    name: Kept("scientific-systems", name)
    for name in (
        *("CALRec", "Pop", "RecentPop", "LIR", "TransitionGraph", "TransitionGraph (tuned)"),
        *("SASRec", "SASRec (tuned)", "SASRecSampled", "TIGER"),
    )
}
SHARED, OF_PLACES = Kept("unisrec-noise", "shared"), Kept("unisrec-noise", "per place")
STEPS = (640, 1280, 1920, 2560, 3200, 3600)


def tuning(model: str, dataset: str = "Scientific") -> list[Value]:
    """Of a study: its trials, CPU minutes, the value of the defaults and the best one."""
    trials = pd.read_csv(RESULTS / "tuning" / dataset / model / "trials.csv")
    return [len(trials), trials["cpu_seconds"].sum() / 60, trials["value"][0], trials["value"].max()]


def largest(names: tuple[str, ...], metrics: tuple[str, ...]) -> float:
    """The largest p of the expected metrics, after Holm, of rows against CALRec."""
    return max(SYSTEMS[name].test("t_p_holm", metric, "exp") for name in names for metric in metrics)


def ties(row: Kept) -> list[Value]:
    """The share of tied targets, in %, and the items of such a tie."""
    found = row.row.runs[0].ties
    return [100 * found["tied"], found["tied_items"]]


CLAIMS: dict[str, list[Claim]] = {
    "docs/results/scientific.md": [
        Says("| SASRec | 11 | 31.3 | .0755 | .0768 |", tuning("SASRec")),
        TableOf(
            "UniSRec's shared noise",
            {"one noise a text and batch": SHARED, "noise of every place": OF_PLACES},
            columns={"training, CPU minutes a seed": minutes_a_seed},
        ),
        Says(
            "+.0005 for the noise of every place (95 % -.0005 to .0015, p = .30 uncorrected)",
            [
                OF_PLACES.ahead("ndcg@10", "exp"),
                95,
                *OF_PLACES.ahead_from("ndcg@10", "exp"),
                OF_PLACES.test("t_p", "ndcg@10", "exp"),
            ],
        ),
        Says(
            "Its Recall@1 is higher by .0018 (p = .0095",
            [OF_PLACES.ahead("recall@1", "exp"), OF_PLACES.test("t_p_holm", "recall@1", "exp")],
        ),
        Says("MRR by .0012 (p = .030)", [OF_PLACES.ahead("mrr", "exp"), OF_PLACES.test("t_p_holm", "mrr", "exp")]),
        Says("p = .094 and .13)", [OF_PLACES.test("seeds_p", metric, "exp") for metric in ("recall@1", "mrr")]),
        TableOf(
            "Settings chosen in 30 CPU minutes a model",
            {"SASRec": SHIPPED, "SASRec, tuned on validation": CHOSEN},
            number=1,
        ),
        Says(
            "+.0016 of NDCG@10 (95 % .0008 to .0026, p = .0011",
            [
                SHIPPED.test("difference", "ndcg@10", "exp"),
                95,
                *(SHIPPED.test(one, "ndcg@10", "exp") for one in ("difference_low", "difference_high", "t_p_holm")),
            ],
        ),
        Says(
            "+.0033 of Recall@10 (p = .0032) and +.0010 of MRR (p = .0098)",
            [SHIPPED.test(one, metric, "exp") for metric in ("recall@10", "mrr") for one in ("difference", "t_p_holm")],
        ),
        Says(
            "Over the three seeds p is .033, .042 and .077",
            [SHIPPED.test("seeds_p", metric, "exp") for metric in ("ndcg@10", "recall@10", "mrr")],
        ),
        Says("| SASRecSampled | 10 | 21.2 | .0701 | .0735 |", tuning("SASRecSampled")),
        Says("| FDSAText | 3 | 32.2 | .0864 | .0864 |", tuning("FDSAText")),
        Says("| UniSRec | 3 | 31.7 | .0678 | .0678 |", tuning("UniSRec")),
        Untraced(
            "a setting: chosen on validation by the run, or set",
            ["dropouts .42 and .67", "dropouts .54 and .64", "P + .8 P², .09 of BM25"],
        ),
        TableOf(
            "Scientific, test, all 9,471 users",
            {
                "LIR, retrieval: lucene": LIR,
                "LIR, retrieval: okapi": OKAPI,
                "LIR, the paper's": PAPER_LIR,
                "CALRec, 3.5M-parameter decoder from scratch": DECODER,
                "the same of an older commit": OLD_DECODER,
                "CALRec, the paper's (PaLM-2 XXS, both stages)": PAPER_CALREC,
            },
        ),
        Says(
            "all eight numbers lie within 0.006 of the paper's under both engines",
            [
                Below(
                    max(
                        abs(one.value(metric, case) - PAPER_LIR.value(metric, case))
                        for one in (LIR, OKAPI)
                        for metric in ("ndcg@10", "recall@1", "recall@10", "mrr")
                        for case in ("opt", "pes")
                    )
                )
            ],
        ),
        Says(
            "Its pessimistic Recall@1 is .0003, the paper's .0052: 3 users,\nin the paper 49",
            [
                LIR.value("recall@1", "pes"),
                PAPER_LIR.value("recall@1", "pes"),
                LIR.value("recall@1", "pes") * 9471,
                PAPER_LIR.value("recall@1", "pes") * 9461,
            ],
        ),
        Says("(p < 1e-6 each, expected, after\nHolm's correction)", [Below(LARGEST)]),
        Says("(+.0028, p = .11 before any correction)", [NDCG_GAP, NDCG_P]),
        Says(
            "Of the 20.35 distinct texts that it writes for a user 99.99 % follow the\ntemplate and 99.3 % are",
            [
                DECODER.environment("samples", "texts_per_user"),
                100 * DECODER.environment("samples", "follow_template"),
                100 * DECODER.environment("samples", "in_catalogue"),
            ],
        ),
        Says(
            "(500 users) | .0425 | .0446 | .0579 | .0743 | .0776 | .0680 |",
            [None, *(DECODER.curve(step) for step in STEPS)],
        ),
        Says("lowered the validation by .0097", [DECODER.curve(3200) - DECODER.curve(3600)]),
        TableOf(
            "All systems with the ranks of every user",
            {
                "Pop": SYSTEMS["Pop"],
                "RecentPop": SYSTEMS["RecentPop"],
                "LIR": SYSTEMS["LIR"],
                "TransitionGraph": SYSTEMS["TransitionGraph"],
                "TransitionGraph, tuned on validation": SYSTEMS["TransitionGraph (tuned)"],
                "SASRec": SYSTEMS["SASRec"],
                "SASRec, tuned on validation": SYSTEMS["SASRec (tuned)"],
                "UniSRec": UNISREC,
                "SASRecSampled": SYSTEMS["SASRecSampled"],
                "TIGER": SYSTEMS["TIGER"],
                "CALRec, 3.5M-parameter decoder, stage II alone": DECODER,
            },
            columns={"training, CPU minutes": cpu_minutes, "peak GiB": gibibytes},
        ),
        Says("(p < 1e-20)", [Below(largest(("TransitionGraph", "TransitionGraph (tuned)"), FOUR))]),
        Says(
            "by .0242 and .0252 of NDCG@10",
            [
                -SYSTEMS[name].test("difference", "ndcg@10", "exp")
                for name in ("TransitionGraph", "TransitionGraph (tuned)")
            ],
        ),
        Says("MRR (p < 1e-5),", [Below(largest(("SASRec", "SASRec (tuned)"), ("ndcg@10", "recall@10", "mrr")))]),
        Says("by .0090 of NDCG@10 untuned", [-SYSTEMS["SASRec"].test("difference", "ndcg@10", "exp")]),
        Says("not told apart (p = .27)", [SYSTEMS["SASRec"].test("t_p_holm", "recall@1", "exp")]),
        Says(
            "- UniSRec is ahead in NDCG@10 and Recall@10 (p < 1e-4), CALRec in Recall@1 (p < 1e-9).",
            [
                Below(max(UNISREC.test("t_p_holm", metric, "exp") for metric in ("ndcg@10", "recall@10"))),
                Below(UNISREC.test("t_p_holm", "recall@1", "exp")),
            ],
        ),
        Says("in Recall@10 alone (p = .005)", [SYSTEMS["SASRecSampled"].test("t_p_holm", "recall@10", "exp")]),
        Says("Recall@1 and MRR (p < 1e-8)", [Below(largest(("TIGER",), ("ndcg@10", "recall@1", "mrr")))]),
        Says(
            "- 43.3 % of CALRec's targets tie, over 8.7 items on average, 74.8 % of LIR's over 76.1.",
            [value for name in ("CALRec", "LIR") for value in ties(SYSTEMS[name])],
        ),
        Says(
            "it gained .0010 of NDCG@10",
            [SYSTEMS["TransitionGraph (tuned)"].value("ndcg@10", "exp") - GRAPH.value("ndcg@10", "exp")],
        ),
        Says("| TransitionGraph | 40 | 1.4 | .0882 | .0920 |", tuning("TransitionGraph")),
        Untraced(
            "from the log of the run",
            [
                "| nats an item (-ln P of a held-out item's text) | 34.76 | 20.49 | 15.41 | 12.43 | 11.80 | 12.09 |",
                "L_TT stood at 2.10 to 2.14 where chance is 3.47",
                "11.8 nats an item",
            ],
        ),
        Says("the 8.6 of a uniform draw among 5,291 items", [math.log(5291), None]),
        Says("LIR: .0498 on all users", [LIR.value("ndcg@10", "pes", "valid")]),
        TableOf(
            "What counting does",
            {
                "Pop": POP,
                "RecentPop, 30 days": RECENT,
                "LIR": LIR,
                "TransitionGraph": GRAPH,
                "SASRec": SASREC,
                "SASRecSampled, 512 negatives": SAMPLED,
            },
        ),
        TableOf(
            "A generative peer: TIGER",
            {"SASRec": SASREC_BESIDE, "TIGER, tiger-small": TIGER},
            columns={"training, CPU minutes": cpu_minutes, "peak GiB": gibibytes},
        ),
        Says(
            "p < 1e-12 after Holm's correction over the table, `tests.csv`; "
            "NDCG@10 by .0191, 95 % interval .0156 to .0226",
            [
                Below(
                    max(TIGER.test("t_p_holm", metric, "exp") for metric in ("ndcg@10", "recall@1", "recall@10", "mrr"))
                ),
                TIGER.test("difference", "ndcg@10", "exp"),
                None,
                TIGER.test("difference_low", "ndcg@10", "exp"),
                TIGER.test("difference_high", "ndcg@10", "exp"),
            ],
        ),
        Untraced("a setting or a definition", ["95 % interval .0156"]),
        Says("was .0381, .0502\nand .0583 after epochs", [TIGER.curve(step) for step in (4, 8, 12)]),
        Says("(SASRec ends at .0755)", [SASREC_BESIDE.value("ndcg@10", "opt", "valid")]),
        Untraced(MEASURED, ["20 beams 93.7 %, 10 beams 78.3 %"]),
        Says(
            "(NDCG@10 .0197, Recall@10 .0382, MRR .0201;",
            [Single("ml-100k-tiger").value(metric, "opt") for metric in ("ndcg@10", "recall@10", "mrr")],
        ),
        Says("FDSAText's .0720 included", [FDSA.value("ndcg@10", "opt")]),
        Says(
            "FDSAText has the higher Recall@1 (.0510), a fusion without CALRec the higher Recall@10 (.1154)",
            [
                FDSA.value("recall@1", "opt"),
                Kept("modes", "SASRec, UniSRec and LIR, without CALRec").value("recall@10", "opt"),
            ],
        ),
        Says(
            "(paired t-test below 1e-10 after Holm's correction over the table, `tests.csv`)", [Below(LARGEST_EXPECTED)]
        ),
        Says("(.0884/.0882 there)", pair(GRAPH, "ndcg@10", "valid")),
        TableOf(
            "The baselines on Scientific",
            {
                "SASRec, the shipped settings": SASREC,
                "the paper's SASRec": PAPER_SASREC,
                "BERT4RecFull": FULL,
                "BERT4Rec, RecBole's own": RECBOLES,
                "the paper's BERT4Rec": Paper(2, "BERT4Rec"),
                "FDSAText, text_init: text": FDSA,
                "FDSAText, text_init: random": RANDOM,
                "the paper's FDSA": Paper(2, "FDSA"),
                "S3RecText, text_init: text": S3REC,
                "the paper's S3-Rec": Paper(2, "S3-Rec"),
                "UniSRecID, from scratch": UNISREC_ID,
                "the paper's (ID+text), pretrained": Paper(2, "UniSRec (ID+text)"),
                "UniSRec, from scratch": UNISREC,
                "the paper's (text), pretrained": Paper(2, "UniSRec (text)"),
                "Recformer, from scratch (small)": RECFORMER,
                "the paper's, pretrained": Paper(2, "RecFormer"),
                "LIR": LIR,
                "the paper's LIR": PAPER_LIR,
            },
            columns={
                "NDCG@10 against the paper": against_paper,
                "training, CPU minutes": cpu_minutes,
                "peak GiB": gibibytes,
            },
        ),
        Says(
            "validation was still rising: .0694 at epoch 20, .0720 at 25",
            [UNISREC.curve(20), None, UNISREC.curve(25), None],
        ),
        Untraced(
            "a setting or a definition",
            ["**NDCG@10 inside 15 % of the paper's**", "after as many): inside 15 %"],
        ),
        Says("FDSAText (+21 %) and S3RecText (+41 %)", [gap(FDSA), gap(S3REC)]),
        Says(
            "reached .0582 in the eight epochs that there was time for (validation .0760 and still rising; with the "
            "text .0822",
            [RANDOM.value("ndcg@10", "opt"), RANDOM.curve(8), FDSA.curve(8)],
        ),
        Says("BERT4RecFull (+42 %)", [gap(FULL)]),
        Says(
            "comes to .0489 (+18.9 %), and its Recall@10, .0649, is within 2.1 % of the paper's .0636",
            [
                RECBOLES.value("ndcg@10", "opt"),
                gap(RECBOLES),
                RECBOLES.value("recall@10", "opt"),
                percent(RECBOLES.value("recall@10", "opt"), PAPERS[RECBOLES].value("recall@10", "opt")),
                PAPERS[RECBOLES].value("recall@10", "opt"),
            ],
        ),
        Says(
            "in Recall@1 (.0358 against .0239)",
            [RECBOLES.value("recall@1", "opt"), PAPERS[RECBOLES].value("recall@1", "opt")],
        ),
        Says("the pretrained one (-45 %)", [gap(RECFORMER)]),
        Untraced(
            "from a log that was not kept",
            [
                "(.0199, .0319, .0296, .0398 at epochs 3, 6, 9, 12, .0411 after stage 2)",
                "(.0161/.0153)",
                "(mean cosine of two items .991)",
                "more than places at the start (.63)",
                "rose from .053 to .076 (chance .016)",
            ],
        ),
        Says(
            "(Recall@1 .0079 beside Recall@10 .1065)",
            [PAPER_SASREC.value("recall@1", "opt"), PAPER_SASREC.value("recall@10", "opt")],
        ),
        Says(
            "stood still at .019 for thirteen epochs before it rose to .073",
            [S3REC.curve(11), max(S3REC.row.runs[0].curve.values)],
        ),
    ],
}
