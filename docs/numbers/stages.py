"""Two stages of the small decoder, and the ablation of Table 3."""

import scipy.stats

from calrec_recbole.paper import paper_table
from docs.numbers.claims import Claim, Says, TableOf, Untraced, Value, pair
from docs.numbers.rows import Kept, Single, Source, trained_on

__all__ = ["CLAIMS"]

A, B, BOTH = (Single(f"scientific-calrec-{name}") for name in ("scratch", "joint", "both"))
A_ON_1000 = Kept("modes", "the paper's procedure")  # its weights, validated on the users of the two others
FINETUNED, FROM_SCRATCH = Kept("table2", "CALRec"), Kept("scientific-older", "CALRec")
STAGES, NO_FIRST, NO_SECOND, NO_CONTRAST = (
    Kept("table3", label) for label in ("CALRec", "w/o stage I", "w/o stage II", "w/o contrastive")
)
SHARES = trained_on("scientific-calrec-joint")
NO_RUN = "of a run that was not kept"


def validation(source: Source) -> list[Value]:
    return list(pair(A_ON_1000 if source is A else source, "ndcg@10", "valid"))


def catalogue(source: Source) -> list[Value]:
    assert isinstance(source, Single)
    return [100 * source.run.environment["samples"]["in_catalogue"]]


def selected(source: Source) -> list[Value]:
    """Pessimistic NDCG@10 of the run that was trained; two of these were not kept."""
    trained = {STAGES: BOTH, NO_SECOND: B}
    return [trained[source].value("ndcg@10", "pes", "valid")] if source in trained else [None]


def difference(first: Source, second: Source) -> list[Value]:
    return [one - other for one, other in zip(pair(first, "ndcg@10"), pair(second, "ndcg@10"), strict=True)]


FIRST_P, CONTRAST_P = (
    [row.test("t_p", metric, case) for metric in ("ndcg@10", "recall@1", "recall@10", "mrr") for case in ("opt", "pes")]
    for row in (NO_FIRST, NO_CONTRAST)
)

GAP = ("difference", "difference_low", "difference_high", "t_p")
WITH, WITHOUT = (Kept("contrast-small", label) for label in ("with", "without"))
LEVEL = WITHOUT.value("ndcg@10", "exp")
(PAPER_GAIN,) = paper_table(4).query("metric == 'NDCG@10'")["improvement_optimistic"].dropna()
SELECTED = {label: Kept("contrast-small-selected", label) for label in ("with", "without")}


def seeds(row: Kept) -> list[Value]:
    """The expected NDCG@10 of each seed, in their order."""
    return [run.test["ndcg_exp@10"] for run in sorted(row.row.runs, key=lambda run: run.seed)]


def cpu_minutes(source: Source) -> list[Value]:
    """A seed's, of training and evaluation."""
    assert isinstance(source, Kept)
    spent = [run.environment["seconds"] for run in source.row.runs]
    return [sum(one["train"]["cpu"] + one["evaluate"]["cpu"] for one in spent) / 60 / len(spent)]


CLAIMS: dict[str, list[Claim]] = {
    "docs/results/stages.md": [
        Says(
            "(drawn 23, 19, 33 and 25 %)",
            [100 * SHARES[name] for name in ("CDs", "Movies", "Beauty2014", "Scientific")],
        ),
        TableOf(
            "Two stages of the small decoder",
            {"A, no stage I": A, "B, no stage II": B, "both": BOTH},
            columns={"validation NDCG@10": validation, "texts of the catalogue": catalogue},
        ),
        Says("validated on 500 (.0754/.0695, 11.88 nats)", [None, *pair(A, "ndcg@10", "valid"), None]),
        Says("(+.0090/+.0082 NDCG@10 on test)", difference(BOTH, B)),
        Says("below A (-.0176/-.0170); the ranks", difference(BOTH, A)),
        Says("19.98 nats and .0461 (pessimistic)", [None, FINETUNED.curve(640)]),
        Says("20.58 nats and .0496 (of", [None, FROM_SCRATCH.curve(1280)]),
        Says("; after 1,200 at 15.86 and .0537,", [None, None, FINETUNED.curve(1200)]),
        Says("A has 15.42 and .0559 after 1,920", [None, FROM_SCRATCH.curve(1920), None]),
        TableOf(
            "Table 3: the ablation in small",
            {
                "CALRec": STAGES,
                "w/o stage I (A)": NO_FIRST,
                "w/o stage II (B)": NO_SECOND,
                "w/o contrastive": NO_CONTRAST,
                "untuned backbone, 300 users": Kept("table3", "untuned backbone"),
            },
            columns={"validation NDCG@10 (pessimistic)": selected},
        ),
        Untraced(
            NO_RUN, ["| w/o stage I (A) | .0435", "| w/o contrastive | .0532", "to .0435) and so is that in nats"]
        ),
        Says("At 3,600 steps A is ahead of both stages by .0176", [None, difference(A, BOTH)[0]]),
        Says(
            "(p = .005/.002 after Holm), MRR",
            [NO_SECOND.test("t_p_holm", "ndcg@10", case) for case in ("opt", "pes")],
        ),
        Says("nothing is: +.0011/+.0013", [NO_FIRST.test("difference", "ndcg@10", case) for case in ("opt", "pes")]),
        Says(
            "(95 % -.0034 to .0055 / -.0027 to .0054; over the four metrics p = .17 to .68",
            [
                95,
                *(
                    NO_FIRST.test(f"difference_{end}", "ndcg@10", case)
                    for case in ("opt", "pes")
                    for end in ("low", "high")
                ),
                min(FIRST_P),
                max(FIRST_P),
            ],
        ),
        Says("gap is large (.0537", [BOTH.value("ndcg@10", "pes", "valid")]),
        Says("nil (p = .63 to .96", [min(CONTRAST_P), max(CONTRAST_P)]),
        TableOf(
            "With and without the contrastive losses",
            {"with": WITH, "without": WITHOUT},
            columns={"CPU minutes a seed": cpu_minutes},
        ),
        Says(
            "-.0017 of expected NDCG@10 (-.0058 to .0026, p = .44 before",
            [WITHOUT.test(one, "ndcg@10", "exp") for one in GAP],
        ),
        Says(
            "That is -20 to +9 % of .0286",
            [*(100 * WITHOUT.test(one, "ndcg@10", "exp") / LEVEL for one in GAP[1:3]), LEVEL],
        ),
        Says("(its Table 4: 1.0 % on average)", [None, float(PAPER_GAIN)]),
        Says("(with .0230, .0311, .0266; without .0285, .0293, .0280)", [*seeds(WITH), *seeds(WITHOUT)]),
        Says("near popularity's .0225", [Kept("demo", "Pop").value("ndcg@10", "exp")]),
        Says(
            'of "with" from .0269 to .0237, against .0286',
            [WITH.value("ndcg@10", "exp"), *(row.value("ndcg@10", "exp") for row in SELECTED.values())],
        ),
        Says(
            "p = .050 before any correction, .20 after Holm's; over the three seeds, paired, .12)",
            [
                *(SELECTED["without"].test(column, "ndcg@10", "exp") for column in ("t_p", "t_p_holm")),
                scipy.stats.ttest_rel(*(seeds(row) for row in SELECTED.values())).pvalue,
            ],
        ),
        Says(
            "L_TT ended at 2.24 in all three seeds where ln 32 = 3.47 is chance, L_UT at 3.27 to 3.30",
            [max(WITH.losses("tt")), None, *WITH.losses("chance")[:1], min(WITH.losses("ut")), max(WITH.losses("ut"))],
        ),
    ],
}
