"""How the baselines of Scientific were trained, what was searched for, and older rows."""

import pandas as pd

from docs.numbers.claims import MEASURED, Claim, Says, TableOf, Untraced, Value
from docs.numbers.overview import PAPER_SASREC, SYSTEMS
from docs.numbers.rows import RESULTS, Kept, Paper, Single
from docs.numbers.scientific import OURS, against_paper, cpu_minutes, gap, gibibytes, percent

__all__ = ["CLAIMS"]

CHOSEN, SHIPPED = (Kept("scientific-sasrec-tuned", label) for label in ("SASRec (tuned)", "SASRec"))
SHARED, OF_PLACES = Kept("unisrec-noise", "shared"), Kept("unisrec-noise", "per place")
RECBOLES, RANDOM = (Kept("scientific-older", label) for label in ("BERT4Rec", "FDSAText (text_init=random)"))
TIGER, S3REC, RECFORMER, UNISREC = (SYSTEMS[name] for name in ("TIGER", "S3RecText", "Recformer", "UniSRec"))


def tuning(model: str, dataset: str = "Scientific") -> list[Value]:
    """Of a study: its trials, one that was killed and its repeat as one, CPU minutes, the value of the defaults and the
    best one.
    """
    trials = pd.read_csv(RESULTS / "tuning" / dataset / model / "trials.csv")
    return [
        len(trials) - trials["repeats"].nunique(),
        trials["cpu_seconds"].sum() / 60,
        trials["value"][0],
        trials["value"].max(),
    ]


CLAIMS: dict[str, list[Claim]] = {
    "docs/results/scientific_baselines.md": [
        TableOf(
            "Commands",
            {title: row for title, row in OURS.items() if cpu_minutes(row)[0] >= 0.5},
            columns={
                "NDCG@10 against the paper, %": against_paper,
                "training, CPU minutes a seed": cpu_minutes,
                "peak GiB": gibibytes,
            },
            commits=False,
        ),
        Says("(+20.7 and +46.0 % of NDCG@10)", [gap("FDSAText"), gap("S3RecText")]),
        Says(
            "reached .0582 in the eight epochs that there was time for (validation .0760",
            [RANDOM.value("ndcg@10", "opt"), RANDOM.curve(8)],
        ),
        Says("stood still at .018 for six epochs before it rose to .074", [S3REC.curve(6), S3REC.best()]),
        Says("(+41.7 %) is better", [gap("BERT4RecFull")]),
        Says(
            "came to .0489 (+18.9 %)",
            [
                RECBOLES.value("ndcg@10", "opt"),
                percent(RECBOLES.value("ndcg@10", "opt"), Paper(2, "BERT4Rec").value("ndcg@10", "opt")),
            ],
        ),
        Says(
            "was .0426 after the 12 epochs of stage 1 and .0430", [RECFORMER.curve(12), None, None, RECFORMER.curve(15)]
        ),
        Untraced("of a run that was not kept", [".0349/.0318"]),
        Says(
            "(Recall@1 .0079 beside Recall@10 .1065)",
            [PAPER_SASREC.value("recall@1", "opt"), PAPER_SASREC.value("recall@10", "opt")],
        ),
        Says(".0695 at epoch 20, .0727 at 25", [UNISREC.curve(20), None, UNISREC.curve(25), None]),
        Says("was .0381, .0502\nand .0583 after epochs", [TIGER.curve(step) for step in (4, 8, 12)]),
        Says("(SASRec ends at .0755)", [tuning("SASRec")[2]]),
        Untraced(MEASURED, ["20 beams 93.7 %, 10 beams 78.3 %"]),
        Says(
            "(NDCG@10 .0197, Recall@10 .0382, MRR .0201;",
            [Single("ml-100k-tiger").value(metric, "opt") for metric in ("ndcg@10", "recall@10", "mrr")],
        ),
        TableOf(
            "UniSRec's shared noise",
            {"one noise a text and batch": SHARED, "noise of every place": OF_PLACES},
            columns={"training, CPU minutes a seed": cpu_minutes},
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
            "+.0013 of NDCG@10 (95 % .0004 to .0021, p = .011",
            [
                SHIPPED.test("difference", "ndcg@10", "exp"),
                95,
                *(SHIPPED.test(one, "ndcg@10", "exp") for one in ("difference_low", "difference_high", "t_p_holm")),
            ],
        ),
        Says(
            "+.0031 of Recall@10 (p = .009)",
            [SHIPPED.test(one, "recall@10", "exp") for one in ("difference", "t_p_holm")],
        ),
        Says(
            "Over the three seeds nothing is shown** (p = .096 and .070",
            [SHIPPED.test("seeds_p", metric, "exp") for metric in ("ndcg@10", "recall@10")],
        ),
        Says("of five the untuned row is .0612", [SYSTEMS["SASRec"].value("ndcg@10", "exp")]),
        Says("| SASRec | 11 | 31.3 | .0755 | .0768 |", tuning("SASRec")),
        Says("| SASRecSampled | 10 | 21.2 | .0701 | .0735 |", tuning("SASRecSampled")),
        Says("| FDSAText | 3 | 32.2 | .0864 | .0864 |", tuning("FDSAText")),
        Says("| UniSRec | 3 | 31.7 | .0678 | .0678 |", tuning("UniSRec")),
        Says("| CALRec | 4 | 30.1 | .0170 | .0204 |", tuning("CALRec")),
        Untraced("a setting: chosen on validation by the run, or set", ["rate .0039, `alpha` .25, temperature .74"]),
        Says("| TransitionGraph | 40 | 1.4 | .0882 | .0920 |", tuning("TransitionGraph")),
        Untraced(
            "a setting: chosen on validation by the run, or set",
            ["dropouts .42 and .67", "dropouts .54 and .64", "P + .8 P², .09 of BM25"],
        ),
        TableOf(
            "Older rows",
            {
                "BERT4Rec, RecBole's own": Single("scientific-bert4rec"),
                "FDSAText, text_init: random": Single("scientific-fdsatext-random"),
                "UniSRecID, from scratch": Single("scientific-unisrecid"),
                "the paper's UniSRec (ID+text), pretrained": Paper(2, "UniSRec (ID+text)"),
            },
            columns={"training, CPU minutes": cpu_minutes, "peak GiB": gibibytes},
        ),
    ],
}
