"""The README, the first page of the results, and the overview of results/."""

from docs.numbers.claims import Below, Claim, Says, TableOf
from docs.numbers.rows import Kept, Paper, statistic

__all__ = ["BY_GRAPH", "CLAIMS", "SYSTEMS"]

NAMES = (
    *("CALRec", "Pop", "RecentPop", "LIR", "ItemKNN", "EASE", "TransitionGraph", "TransitionGraph (tuned)"),
    *("SASRec", "SASRec (tuned)", "SASRecSampled", "BERT4RecFull", "FDSAText", "S3RecText", "UniSRec"),
    *("Recformer", "TIGER"),
)
SYSTEMS = {name: Kept("scientific-systems", name) for name in NAMES}  # tested against CALRec
BY_GRAPH = {name: Kept("scientific-systems", name, reference="TransitionGraph") for name in NAMES}
LIR, GRAPH, SASREC, UNISREC, FDSA, DECODER = (
    SYSTEMS[name] for name in ("LIR", "TransitionGraph", "SASRec", "UniSRec", "FDSAText", "CALRec")
)
OKAPI = Kept("scientific-lir-okapi", "LIR")
OLD_DECODER = Kept("scientific-older", "CALRec")
FUSED = Kept("modes", "fused with SASRec")
PAPER_LIR, PAPER_SASREC, PAPER_CALREC = Paper(2, "LIR"), Paper(2, "SASRec"), Paper(2, "CALRec")

LARGEST = max(LIR.test("t_p_holm", metric, "exp") for metric in ("recall@1", "recall@10", "mrr"))
NDCG_P = LIR.test("t_p", "ndcg@10", "exp")
NDCG_GAP = LIR.test("difference", "ndcg@10", "exp")
ON_GPU = Kept("scientific-h100", "CALRec")
ON_1024 = {name: Kept("scientific-h100", name) for name in ("SASRec", "TransitionGraph")}


def of_data(name: str) -> tuple[float, float]:
    return statistic("scientific-systems", "Scientific", name)


SEEN = GRAPH.users_in("from the last item to the target", "a step seen")

CLAIMS: dict[str, list[Claim]] = {
    "README.md": [
        TableOf(
            "Numbers",
            {
                "LIR": LIR,
                "TransitionGraph: item steps counted, nothing trained": GRAPH,
                "SASRec, three seeds": SASREC,
                "UniSRec (text), recommender from nothing": UNISREC,
                "FDSAText, three seeds": FDSA,
                "CALRec, 3.5M-parameter decoder from nothing": DECODER,
                "the paper's LIR": PAPER_LIR,
                "the paper's SASRec": PAPER_SASREC,
                "the paper's CALRec (PaLM-2 XXS, both stages)": PAPER_CALREC,
            },
        ),
        Says("(p < 1e-6 each, after Holm's correction)", [Below(LARGEST)]),
        Says(
            "over 1,024 harder test users NDCG@10 .0632/.0615/.0599;",
            [None, *(ON_GPU.value("ndcg@10", case) for case in ("opt", "exp", "pes"))],
        ),
        Says(
            "SASRec has .0540 (p = .14)",
            [ON_1024["SASRec"].value("ndcg@10", "exp"), ON_1024["SASRec"].test("t_p", "ndcg@10", "exp")],
        ),
        Says(
            "the graph .0665 (p = .35)",
            [
                ON_1024["TransitionGraph"].value("ndcg@10", "exp"),
                ON_1024["TransitionGraph"].test("t_p", "ndcg@10", "exp"),
            ],
        ),
        Says("from the 9 % of users", [100 * SEEN / 9471]),
        Says(
            "users 9,471/9,461, items 5,291/5,282, purchases 66,728/66,644",
            [*of_data("Users"), *of_data("Items"), *of_data("Purchases")],
        ),
        Says("duplicates 5.5/5.5 %", of_data("Duplicates before dedup, %")),
        Says(
            "items a user 7.05/7.04, purchases an item 12.61/12.62, density .0013/.0013",
            [*of_data("Items a user"), *of_data("Purchases an item"), *of_data("Density")],
        ),
        Says("words an item 27.87/22.82", of_data("Words an item")),
        Says(
            "vocabulary 17,841/19,178, word frequency 8.3/6.3",
            [*of_data("Distinct words"), *of_data("Occurrences a word")],
        ),
    ],
    "docs/results/index.md": [
        TableOf(
            "Results",
            {
                "LIR (lucene)": LIR,
                "TransitionGraph, untrained": GRAPH,
                "SASRec, shipped settings, three seeds": SASREC,
                "FDSAText, three seeds": FDSA,
                "CALRec, 3.5M-parameter decoder from nothing": DECODER,
                "samples of an older such decoder, fused with SASRec's scores (rerank; past the paper)": FUSED,
                "the same with SASRec, UniSRec and LIR, unseen items lifted (rerank_unseen)": Kept(
                    "modes", "all three fused, unseen lifted"
                ),
                "that fusion without CALRec": Kept("modes", "without CALRec, unseen lifted"),
                "the same decoder, stage I on four categories, then stage II": Kept("table2", "CALRec"),
                "the paper's CALRec (PaLM-2 XXS, both stages)": PAPER_CALREC,
            },
        ),
        Says(
            "(9,471 users, 5,291 items, 66,728 events; the paper's Table 1: 9,461 / 5,282 / 66,644)",
            [
                *(of_data(name)[0] for name in ("Users", "Items", "Purchases")),
                None,
                *(of_data(name)[1] for name in ("Users", "Items", "Purchases")),
            ],
        ),
    ],
    "results/README.md": [],
}
