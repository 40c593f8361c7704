"""Claim: with the catalogue's texts as proposals the same samples come in a fraction of the passes.

    python benchmarks/speculation.py --run runs/Scientific/CALRec/<run id> [--users 100] [--longest 16] [--share 0.5]

One process draws 32 samples at temperature 0.5 of the same test prompts with the same seeds, without and with
proposals, in turn, on one thread. `--no-ngrams` proposes after beginnings of catalogue texts alone. A pass counts for
a user where it reads a token of the user: what the user would need alone.
"""

import argparse
import statistics
import time
from typing import Any, NamedTuple

import torch

from calrec_recbole.generation import CatalogueProposer, Proposer, Sample, Work, sample
from calrec_recbole.plugin.reload import load_run

N, TEMPERATURE, MAX_NEW_TOKENS = 32, 0.5, 80  # paper 4


class Draw(NamedTuple):
    samples: list[list[Sample]]
    work: list[Work]
    seconds: float  # of the CPU, a user


def draw(model: Any, prompts: list[list[int]], proposer: Proposer | None) -> Draw:
    """The samples of all prompts, with one fixed seed each."""
    work: list[Work] = []
    started = time.process_time()
    samples = sample(
        model, prompts, N, TEMPERATURE, MAX_NEW_TOKENS, seeds=range(len(prompts)), proposer=proposer, work=work
    )
    return Draw(samples, work, (time.process_time() - started) / len(prompts))


def same(left: Draw, right: Draw) -> float:
    """Share of the samples of ``left`` that ``right`` has."""
    shared = 0
    for own, other in zip(left.samples, right.samples, strict=True):
        counts = {one.token_ids: one.count for one in other}
        shared += sum(min(one.count, counts.get(one.token_ids, 0)) for one in own)
    return shared / (N * len(left.samples))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", required=True, help="folder of a finished CALRec run")
    parser.add_argument("--data_path", "--data-path", default=None, help="where its prepared data set lies now")
    parser.add_argument("--users", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--longest", type=int, default=16, help="tokens of a chain")
    parser.add_argument("--share", type=float, default=0.5, help="of the texts that would follow a chain")
    parser.add_argument("--no-ngrams", action="store_true", help="propose nothing off the catalogue")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    loaded = load_run(arguments.run, arguments.data_path)
    model, items = loaded.model.backbone_model, loaded.model.recommender.items
    rows = loaded.test_data._dataset.inter_feat
    picked = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))[: arguments.users]
    prompts = [items.prompt(history).tolist() for history in loaded.model.histories(rows[picked])]
    texts = list(dict.fromkeys(tuple(item.tolist()) for item in items.items))
    proposer = CatalogueProposer(texts, arguments.longest, arguments.share, 0 if arguments.no_ngrams else 4)
    draw(model, prompts[:1], None), draw(model, prompts[:1], proposer)
    pairs = [(draw(model, prompts, None), draw(model, prompts, proposer)) for _ in range(arguments.repeats)]
    plain, ahead = pairs[0]
    print(f"{len(prompts)} users, prompts of {statistics.mean(map(len, prompts)):.0f} tokens on average, 1 thread")
    for name, number in (("passes", 0), ("tokens", 1)):
        before, after = (statistics.mean(one[number] for one in drawn.work) for drawn in (plain, ahead))
        print(f"{name} a user {before:.2f} -> {after:.2f}, ratio {before / after:.2f}")
    before, after = (statistics.median(pair[place].seconds for pair in pairs) for place in (0, 1))
    ratio = statistics.median(a.seconds / b.seconds for a, b in pairs)
    print(f"CPU seconds a user, median {before:.4f} -> {after:.4f}, ratio {ratio:.2f}")
    print(f"same samples {same(plain, ahead):.6f}")


if __name__ == "__main__":
    main()
