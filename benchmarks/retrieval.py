"""Claim: a user's ten texts, scored against all items and fused (Algorithm 1), cost less than ten queries of bm25s.

    python benchmarks/retrieval.py --data_path dataset [--sizes 5000,30000] [--peers pyserini,bm25s,rank_bm25]

All in one process in turn, on one thread, over the same texts. Items: first the real texts of the prepared data sets,
each distinct one once, in random order; beyond them texts resampled from two real items each, the first half of the
words of one title and the second half of another's, with the rest from the first (the vocabulary stays as it is, so
words are held by ever more items: harder than reality). Queries: ten texts a user, of items, with the last word left
out, so that none was seen before.

Ours is the whole of Algorithm 1 and the target's rank: Lucene's analyzer, scores of all items, scaling, modulation,
maximum, and how many items score more than the target, and as much (``fuse_rank_counts``); "scores" stops at the scores
of all items (``fuse``). The catalogue's words were analysed when it was indexed, and the queries' are among them. The
peers score all items for each query and stop there: Anserini's SimpleSearcher, which Pyserini calls, with k = all;
bm25s; rank_bm25.
Times are CPU ms a query (a tenth of a user); slow peers get few queries and are left out where they would take minutes.
"""

import argparse
import json
import math
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import numpy as np
import psutil

from calrec_recbole.fusion import fuse, fuse_rank_counts
from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.data.prepared import prepare
from calrec_recbole.prompts import parse_item_text
from calrec_recbole.retrieval import LuceneBM25

TEXTS_A_USER = 10  # paper 4
USERS = 64  # at once; an evaluation takes 128
OURS = 15  # repeats of ours, of which the median counts
LIMITS = {"pyserini": 30_000, "rank_bm25": 300_000, "bm25s": 10_000_000}  # items
QUERIES = {"pyserini": 20, "rank_bm25": 5, "bm25s": 200}

Way = Callable[[list[str]], Any]


def real_texts(data_path: Path, rng: np.random.Generator) -> list[str]:
    """The distinct item texts of every prepared data set, in random order."""
    found: dict[str, None] = {}
    for folder in sorted(data_path.iterdir()):
        if (folder / f"{folder.name}.item").is_file() and not folder.name.endswith("-raw"):
            config = Config("LIR", folder.name, config_dict={"data_path": str(data_path)})
            found |= dict.fromkeys(prepare(config).catalogue.texts)
    texts = list(found)
    return [texts[place] for place in rng.permutation(len(texts))]


def resampled(real: Sequence[str], wanted: int, rng: np.random.Generator) -> list[str]:
    """``real``, and as many more texts as are ``wanted``, each of two real ones."""
    titles = [next(iter((parse_item_text(text) or {"": ""}).values())).split() for text in real]
    texts = list(real[:wanted])
    while len(texts) < wanted:
        left, right = rng.integers(len(real), size=2)
        own, other = titles[left], titles[right]
        mixed = [*own[: math.ceil(len(own) / 2)], *other[len(other) // 2 :]]
        texts.append(real[left].replace(" ".join(own), " ".join(mixed), 1))
    return texts


def pyserini(texts: Sequence[str]) -> tuple[Way, Callable[[], None]]:
    from calrec_recbole.retrieval.lucene.java import java_class

    folder = tempfile.mkdtemp()
    indexer = java_class("io.anserini.index.SimpleIndexer")(folder)
    for number, text in enumerate(texts):
        indexer.addRawDocument(json.dumps({"id": str(number), "contents": text}))
    indexer.close()
    searcher = java_class("io.anserini.search.SimpleSearcher")(folder)
    searcher.set_bm25(1.5, 0.75)

    def search(queries: list[str]) -> None:
        for query in queries:
            searcher.search(query, len(texts))

    return search, lambda: shutil.rmtree(folder)


def rank_bm25(texts: Sequence[str]) -> tuple[Way, Callable[[], None]]:
    from rank_bm25 import BM25Okapi

    from calrec_recbole.retrieval.okapi import lower_case_words

    engine = BM25Okapi([lower_case_words(text) for text in texts])
    return lambda queries: [engine.get_scores(lower_case_words(query)) for query in queries], lambda: None


def bm25s(texts: Sequence[str]) -> tuple[Way, Callable[[], None]]:
    import bm25s as package

    engine = package.BM25(method="lucene", k1=1.5, b=0.75)
    engine.index(package.tokenize(list(texts), show_progress=False), show_progress=False)

    def score(queries: list[str]) -> None:
        for words in package.tokenize(queries, return_ids=False, show_progress=False):
            engine.get_scores(words)

    return score, lambda: None


PEERS = {"pyserini": pyserini, "bm25s": bm25s, "rank_bm25": rank_bm25}


def cpu_ms(way: Callable[[], Any], repeats: int = 3) -> float:
    """The median CPU time of the process over ``repeats`` calls, in ms."""
    times = []
    for _ in range(repeats):
        started = time.process_time()
        way()
        times.append(1000 * (time.process_time() - started))
    return statistics.median(times)


def time_ours(texts: Sequence[str], users: list[list[tuple[str, float]]], targets: Any) -> float:
    """CPU ms a user, of the ranks of ``targets`` (n_users, 1)."""
    before, started = psutil.Process().memory_info().rss, time.process_time()
    engine = LuceneBM25(texts)
    built = time.process_time() - started
    fuse(engine, users)  # compiles, and folds
    fuse_rank_counts(engine, users, targets)
    memory = (psutil.Process().memory_info().rss - before) / 2**20
    ours = cpu_ms(lambda: fuse_rank_counts(engine, users, targets), OURS) / len(users)
    scores = cpu_ms(lambda: fuse(engine, users), OURS) / len(users)
    print(
        f"{len(texts)} items: ours {ours:.3f} CPU ms a user, scores {scores:.3f}; built in {built:.1f} s; "
        f"{memory:.0f} MiB"
    )
    queries = [text for user in users for text, _ in user][:40]
    plain = cpu_ms(lambda: engine.scores(queries), 1) / len(queries)
    print(f"ratio plain scores of all items/ours at {len(texts)} {plain * TEXTS_A_USER / ours:.2f}")
    return ours


def time_peer(name: str, texts: Sequence[str], queries: list[str], ours: float) -> None:
    """Prints CPU ms a query, and ten of them against ``ours`` a user."""
    before, started = psutil.Process().memory_info().rss, time.process_time()
    try:
        way, close = PEERS[name](texts)
    except ImportError as problem:
        print(f"{name} left out: {problem}")
        return
    built, memory = time.process_time() - started, (psutil.Process().memory_info().rss - before) / 2**20
    way(queries[:1])
    spent = cpu_ms(lambda: way(queries)) / len(queries)
    print(f"{len(texts)} items: {name} {spent:.3f} CPU ms a query; built in {built:.1f} s; {memory:.0f} MiB")
    print(f"ratio {name}/ours at {len(texts)} {spent * TEXTS_A_USER / ours:.2f}")
    close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data_path", type=Path, default=Path("dataset"))
    parser.add_argument("--sizes", default="5000,30000,300000,1000000")
    parser.add_argument("--peers", default=",".join(PEERS))
    arguments = parser.parse_args()
    sizes, rng = [int(size) for size in arguments.sizes.split(",")], np.random.default_rng(1)
    real = real_texts(arguments.data_path, rng)
    everything = resampled(real, max(sizes), rng)
    print(f"{len(real)} real texts, {max(sizes) - len(real)} resampled at most")
    ours = {}
    for size in sizes:
        texts = everything[:size]
        places = rng.integers(size, size=(USERS, TEXTS_A_USER))
        users = [[(texts[place].rpartition(" ")[0], -float(rng.random())) for place in own] for own in places]
        ours[size] = time_ours(texts, users, rng.integers(size, size=(USERS, 1)))
        for name in arguments.peers.split(","):
            if size <= LIMITS[name]:
                time_peer(name, texts, [text for user in users for text, _ in user][: QUERIES[name]], ours[size])
    if len(sizes) > 1:
        slope = np.polyfit(np.log(sizes), np.log([ours[size] for size in sizes]), 1)[0]
        print(f"ratio growth exponent of ours {slope:.2f}")


if __name__ == "__main__":
    main()
