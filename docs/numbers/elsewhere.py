"""Numbers of the other pages."""

from docs.numbers.claims import MEASURED, Claim, Says, TableOf, Untraced
from docs.numbers.overview import of_data
from docs.numbers.rows import Kept

__all__ = ["CLAIMS"]

ASSERTED = "a tolerance that a test or a benchmark asserts"
SETTING = "a setting or a definition"
BOTH = Kept("table2", "CALRec")


def ours_and_papers(*names: str) -> tuple[list[float], list[float]]:
    found = [of_data(name) for name in names]
    return [one[0] for one in found], [one[1] for one in found]


COUNTS = ours_and_papers("Users", "Items", "Purchases")
MEANS = ours_and_papers("Items a user", "Purchases an item", "Density")
WORDS, VOCABULARY = of_data("Words an item"), ours_and_papers("Distinct words", "Occurrences a word")
DUPLICATES = of_data("Duplicates before dedup, %")

CLAIMS: dict[str, list[Claim]] = {
    "docs/quick_start.md": [
        TableOf("Two commands", {name: Kept("demo", name) for name in ("Pop", "LIR", "CALRec")}),
        Says("had an NDCG@10 of .0348 and .0278", [None, Kept("ml-100k", "CALRec").value("ndcg@10", "opt")]),
        Untraced("of a run that was not kept", ["NDCG@10 of .0348"]),
    ],
    "docs/data.md": [
        Says("| users, items, purchases | 9,471, 5,291, 66,728 | 9,461, 5,282, 66,644 |", [*COUNTS[0], *COUNTS[1]]),
        Says("| duplicate purchases before dedup | 5.5 % | 5.5 % |", DUPLICATES),
        Says("density | 7.05, 12.61; .0013 | 7.04, 12.62; .0013 |", [*MEANS[0], *MEANS[1]]),
        Says("| words an item | 27.87 | 22.82 |", WORDS),
        Says(
            "| vocabulary (lower case), word frequency | 17,841, 8.3 | 19,178, 6.3 |", [*VOCABULARY[0], *VOCABULARY[1]]
        ),
        Says("The share that it drops, 5.5 %,", [DUPLICATES[0]]),
        Untraced(SETTING, ["at which 80 % and 90 % of all events"]),
    ],
    "docs/compare.md": [Untraced(SETTING, ["95 % bootstrap interval"])],
    "docs/evaluation.md": [Says("10/19 = .526", [10, None, 10 / 19])],
    "docs/calrec/decoding.md": [
        Untraced(
            MEASURED, ["it cuts 8.5 % of Scientific's items", "measure .6 to .97 of the limit", "2 to 6 % less time"]
        )
    ],
    "docs/calrec/memory_and_gpu.md": [
        Untraced(
            ASSERTED, ["padded micro-batches to 1e-6", "to 1e-4 over 20 steps", "to 1.53e-5 nats", "to 1.5e-5 nats"]
        )
    ],
    "docs/calrec/retrieval.md": [
        Says("for .0368/.0296", [BOTH.value("mrr", case) for case in ("opt", "pes")]),
        Untraced(MEASURED, ["MRR .0371/.0294"]),
        Untraced(SETTING, ["(2 %) of the best"]),
    ],
    "docs/results/retrieval.md": [
        Says("`lucene` has .0368/.0296", [BOTH.value("mrr", case) for case in ("opt", "pes")]),
        Untraced(
            MEASURED,
            [
                "MRR is .0371/.0294",
                "52 % of the targets",
                "| 10 | .9162 | .9918 | .9289 |",
                "| 20 | .9877 | 1 | .9919 |",
            ],
        ),
    ],
    "docs/results/sampling.md": [
        Untraced(
            MEASURED,
            [
                "| .145, 1.592, .401 |",
                "70 % of the texts follow the template, 9 % are items",
                "NDCG@10 of 32 users .013",
                "| 0.131 -> 0.124 | 99.97 % |",
                "| 0.168 -> 0.163 | 100 % |",
                "| 0.176 -> 0.173 | 100 % |",
            ],
        ),
    ],
    "docs/results/training.md": [
        Says("costs 40.27 nats before and 17.10 after (-57.5 %)", [None, None, 100 * (17.10 / 40.27 - 1)]),
        Untraced(MEASURED, ["99.8 % follow the template and 15.6 %", "pessimistic .0369"]),
        Untraced(ASSERTED, ["1.53e-5 nats (1e-4 allowed)"]),
    ],
}
