"""Claim: 32 samples a user by one multiset over the tree of prefixes cost a fraction of transformers' `generate`.

    python benchmarks/sampling.py --run runs/Scientific/CALRec/<run id> [--users 8]

Both draw 32 samples at temperature 0.5 of the same prompts with the same weights, in one process, in turn; the
prompts are test histories of the run's data set. `generate` gets num_return_sequences=32, its own key-value cache
and no top-k or top-p.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from calrec_recbole.generation import sample
from calrec_recbole.plugin.reload import load_run

N, TEMPERATURE, MAX_NEW_TOKENS = 32, 0.5, 80  # paper 4


def ours(model: Any, prompts: list[list[int]]) -> int:
    """All prompts in one call -> the number of samples drawn."""
    drawn = sample(model, prompts, n=N, temperature=TEMPERATURE, max_new_tokens=MAX_NEW_TOKENS)
    return sum(one.count for user in drawn for one in user)


def transformers_generate(model: Any, prompts: list[list[int]]) -> int:
    """One call a prompt: 32 rows of the same prompt, as `num_return_sequences` makes them."""
    settings = {"do_sample": True, "temperature": TEMPERATURE, "top_k": 0, "top_p": 1.0, "num_return_sequences": N}
    rows = 0
    with torch.inference_mode():
        for prompt in prompts:
            ids = torch.tensor([prompt], device=model.device)
            rows += len(
                model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=MAX_NEW_TOKENS, **settings)
            )
    return rows


def seconds_a_user(way: Callable[[Any, list[list[int]]], int], model: Any, prompts: list[list[int]]) -> float:
    """Wall seconds; every user must get all samples."""
    started = time.perf_counter()
    assert way(model, prompts) == N * len(prompts)
    return (time.perf_counter() - started) / len(prompts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", required=True, help="folder of a finished CALRec run")
    parser.add_argument("--data-path", default=None, help="where its prepared data set lies now")
    parser.add_argument("--users", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    loaded = load_run(arguments.run, arguments.data_path)
    model = loaded.model.backbone_model
    rows = loaded.test_data._dataset.inter_feat[torch.arange(arguments.users)]
    prompts = [loaded.model.recommender.items.prompt(history).tolist() for history in loaded.model.histories(rows)]
    ours(model, prompts[:1]), transformers_generate(model, prompts[:1])
    pairs = [
        (seconds_a_user(ours, model, prompts), seconds_a_user(transformers_generate, model, prompts))
        for _ in range(arguments.repeats)
    ]
    tokens = statistics.mean(len(prompt) for prompt in prompts)
    print(f"{arguments.users} users, prompts of {tokens:.0f} tokens on average, {torch.get_num_threads()} threads")
    for name, values in (("ours", [a for a, _ in pairs]), ("generate", [b for _, b in pairs])):
        print(f"{name}: median {statistics.median(values):.3f} s a user, of {', '.join(f'{v:.3f}' for v in values)}")
    print(f"ratio generate/ours {statistics.median(b / a for a, b in pairs):.2f}")


if __name__ == "__main__":
    main()
