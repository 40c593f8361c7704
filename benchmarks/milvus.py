"""Claim: with the candidates that Milvus answers, no item is lost of the exact engine's best ten.

    python benchmarks/milvus.py --samples runs/Scientific/CALRec/<run id>/samples.parquet [--dataset Scientific]
        [--users 200] [--candidates 10,50,200] [--uri http://localhost:19530]

The texts are those that a run sampled for its users (drawn by a fixed seed), the items the whole catalogue, the exact
engine LuceneBM25. Two recalls, ties counted in full: of the items whose exact score is at least that of the tenth best,
the share that is so here too; of the texts one by one, and of the users after Algorithm 1. One thread, CPU ms a query.
"""

import argparse
import os
import time
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray

from calrec_recbole.engines.milvus.milvus_bm25 import MilvusBM25
from calrec_recbole.fusion import N_PREDS, fuse, unique_predictions
from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.data.prepared import prepare
from calrec_recbole.retrieval import LuceneBM25
from calrec_recbole.runs.user_samples import read_samples

BEST = 10


class Kept:
    """Scores that were found before, as a retriever."""

    def __init__(self, texts: Sequence[str], scores: NDArray[np.float32]) -> None:
        self.rows, self.found = {text: row for row, text in enumerate(texts)}, scores

    def scores(self, queries: Sequence[str]) -> NDArray[np.float32]:
        return self.found[[self.rows[query] for query in queries]]


def best(scores: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(n_rows, n_items) which items score at least as high as the tenth best of their row, and more than 0."""
    return (scores >= np.sort(scores, axis=1)[:, -BEST, None]) & (scores > 0)


def recall(exact: NDArray[np.float64], found: NDArray[np.float64]) -> tuple[float, int]:
    """The share of the exact best that is among those found, and the rows that lack one."""
    wanted = best(exact)
    kept = wanted & best(found)
    return kept.sum() / wanted.sum(), int((kept.sum(1) < wanted.sum(1)).sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=Path, required=True)
    parser.add_argument("--dataset", default="Scientific")
    parser.add_argument("--data_path", type=Path, default=Path("dataset"))
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--candidates", default="10,20,50,100,200,500")
    parser.add_argument("--uri", default="")
    arguments = parser.parse_args()
    config = Config("LIR", arguments.dataset, config_dict={"data_path": str(arguments.data_path)})
    texts = prepare(config).catalogue.texts
    drawn = [one.samples for one in read_samples(arguments.samples)]
    chosen = np.random.default_rng(1).permutation(len(drawn))[: arguments.users]
    users = [drawn[place] for place in chosen]
    queries = list(dict.fromkeys(text for user in users for text in unique_predictions(*zip(*user, strict=True))[0]))
    started = time.process_time()
    lucene = LuceneBM25(texts)
    print(f"{len(texts)} items, {len(users)} users, {len(queries)} texts; {N_PREDS} texts a user at most")
    print(f"exact engine built in {time.process_time() - started:.1f} CPU s")
    started = time.process_time()
    engine = MilvusBM25(texts, uri=arguments.uri)
    print(f"Milvus filled in {time.process_time() - started:.1f} CPU s, the exact engine's postings included")
    exact, fused = lucene.scores(queries), fuse(lucene, users)
    for wanted in (int(number) for number in arguments.candidates.split(",")):
        engine.candidates = wanted
        started = time.process_time()
        found = engine.scores(queries)
        spent = 1000 * (time.process_time() - started) / len(queries)
        assert ((found == exact) | (found == 0)).all()
        (of_texts, lacking), (of_users, users_lacking) = (
            recall(exact, found),
            recall(fused, fuse(Kept(queries, found), users)),
        )
        print(f"{wanted} candidates: {spent:.2f} CPU ms a query; {lacking} texts, {users_lacking} users lack an item")
        print(f"ratio recall of texts at {wanted} {of_texts:.6f}")
        print(f"ratio recall of users at {wanted} {of_users:.6f}")


if __name__ == "__main__":
    main()
