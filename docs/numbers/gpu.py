"""What one GPU showed."""

from calrec_recbole.evaluation import metric_vector, read_ranks
from calrec_recbole.evaluation.per_user import without_last_item
from calrec_recbole.evaluation.significance import t_test
from calrec_recbole.report.table_ranks import read_table_ranks
from docs.numbers.claims import Claim, Says, TableOf, Untraced, Value
from docs.numbers.rows import RESULTS, Kept, Single

__all__ = ["CLAIMS"]

TABLE = "scientific-h100"
LIR, SASREC, GRAPH = (Kept(TABLE, name) for name in ("LIR", "SASRec", "TransitionGraph"))
FIRST, AGAIN = Single("scientific-smollm2-h100"), Single("scientific-smollm2-h100-again")
CASES = ("opt", "exp", "pes")
NDCG_OF_FIRST, NDCG_OF_AGAIN = ([one.value("ndcg@10", case) for case in CASES] for one in (FIRST, AGAIN))
NDCG = [metric_vector("ndcg_exp@10", read_ranks(RESULTS / one.folder)) for one in (FIRST, AGAIN)]
P_OF_TWO = float(t_test((NDCG[1] - NDCG[0])[:, None])[0])
USERS = read_table_ranks(RESULTS / TABLE)["Scientific", "CALRec", 2020].index  # by their ids, as in a run's own ranks
LIR_OF_ALL = read_table_ranks(RESULTS / "table7")["Scientific", "LIR w/ dedup", 2020]
MASKED = [
    metric_vector("ndcg_exp@10", without_last_item(ranks))
    for ranks in (read_ranks(RESULTS / FIRST.folder), LIR_OF_ALL.loc[USERS])
]
GAP = MASKED[0] - MASKED[1]
ALL = {name: Kept("scientific-systems", name) for name in ("SASRec", "TransitionGraph")}  # over all users


def against(row: Kept) -> list[Value]:
    """Of expected NDCG@10: by how much SmolLM2 is ahead, the interval, and p before any correction."""
    return [row.test(one, "ndcg@10", "exp") for one in ("difference", "difference_low", "difference_high", "t_p")]


FROM_SASREC = against(SASREC)

CLAIMS: dict[str, list[Claim]] = {
    "docs/results/gpu.md": [
        TableOf(
            "SmolLM2-135M on Scientific",
            {"CALRec, SmolLM2-135M": Kept(TABLE, "CALRec"), "TransitionGraph, nothing trained": GRAPH}
            | {"SASRec, shipped settings": SASREC, "SASRecSampled": Kept(TABLE, "SASRecSampled"), "LIR": LIR},
        ),
        Says(
            "SASRec's expected NDCG@10 is .0612, here .0540; the graph's .0768, here .0665;",
            [row.value("ndcg@10", "exp") for row in (ALL["SASRec"], SASREC, ALL["TransitionGraph"], GRAPH)],
        ),
        Says("+.0074 (95 % -.0022 to .0170), p = .14", [FROM_SASREC[0], 95, *FROM_SASREC[1:]]),
        Says("-.0050 (-.0155 to .0056), p = .35", against(GRAPH)),
        Says(
            "+.0160 (.0055 to .0268), p = .0035 before any correction, after Holm .0495;",
            [*against(LIR), LIR.test("t_p_holm", "ndcg@10", "exp")],
        ),
        Says(
            "expected MRR +.0217, after Holm .0003", [LIR.test(one, "mrr", "exp") for one in ("difference", "t_p_holm")]
        ),
        Says(
            ".0632 and .0609 (+.0023, p = .71 before",
            [*(float(one.mean()) for one in MASKED), float(GAP.mean()), float(t_test(GAP[:, None])[0])],
        ),
        Says(".0640/.0623/.0604", NDCG_OF_AGAIN),
        Says("differs by .0008 of NDCG@10", [NDCG_OF_AGAIN[1] - NDCG_OF_FIRST[1]]),
        Says("(p = .77 before", [P_OF_TWO]),
        Untraced("of a script that was not kept", [".191", ".174", ".162", "(100 % by"]),
    ],
}
