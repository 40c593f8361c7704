"""What one GPU showed."""

from calrec_recbole.evaluation import metric_vector, read_ranks
from calrec_recbole.evaluation.significance import t_test
from docs.numbers.claims import Claim, Says, TableOf, Untraced
from docs.numbers.rows import RESULTS, Kept, Single

__all__ = ["CLAIMS"]

TABLE = "scientific-h100"
LIR, SASREC, GRAPH = (Kept(TABLE, name) for name in ("LIR", "SASRec", "TransitionGraph"))
FIRST, AGAIN = Single("scientific-smollm2-h100"), Single("scientific-smollm2-h100-again")
CASES = ("opt", "exp", "pes")
NDCG_OF_FIRST, NDCG_OF_AGAIN = ([one.value("ndcg@10", case) for case in CASES] for one in (FIRST, AGAIN))
NDCG = [metric_vector("ndcg_exp@10", read_ranks(RESULTS / one.folder)) for one in (FIRST, AGAIN)]
P_OF_TWO = float(t_test((NDCG[1] - NDCG[0])[:, None])[0])

CLAIMS: dict[str, list[Claim]] = {
    "docs/results/gpu.md": [
        TableOf(
            "SmolLM2-135M on Scientific",
            {"CALRec, SmolLM2-135M": Kept(TABLE, "CALRec"), "TransitionGraph, nothing trained": GRAPH}
            | {"SASRec, shipped settings": SASREC, "SASRecSampled": Kept(TABLE, "SASRecSampled"), "LIR": LIR},
        ),
        Says(
            "+.0074 (-.0022 to .0170), p = .14",
            [SASREC.test(one, "ndcg@10", "exp") for one in ("difference", "difference_low", "difference_high", "t_p")],
        ),
        Says(
            "+.0160, p = .0035, after Holm over the expected tests .0495; expected MRR +.0217, after Holm .0003",
            [
                *(LIR.test(one, "ndcg@10", "exp") for one in ("difference", "t_p")),
                LIR.test("t_p_holm", "ndcg@10", "exp"),
                *(LIR.test(one, "mrr", "exp") for one in ("difference", "t_p_holm")),
            ],
        ),
        Says("-.0050, p = .35", [GRAPH.test(one, "ndcg@10", "exp") for one in ("difference", "t_p")]),
        Says(".0640/.0623/.0604", NDCG_OF_AGAIN),
        Says("The two are .0008 of NDCG@10", [NDCG_OF_AGAIN[1] - NDCG_OF_FIRST[1]]),
        Says("(p = .77)", [P_OF_TWO]),
        Untraced("of a script that was not kept", [".191", ".174", ".162", "(100 % by"]),
    ],
}
