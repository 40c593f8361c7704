"""Claim: 32 samples a user by one multiset over the tree of prefixes cost a fraction of transformers' `generate`.

    python benchmarks/sampling.py --run runs/Scientific/CALRec/<run id> [--users 8] [--peers generate,llama.cpp]
    python benchmarks/sampling.py --backbone <folder or .gguf file> --dataset ml-100k [--llama-file <.gguf file>]

All draw 32 samples at temperature 0.5 of the same prompts with the same weights, in one process, in turn, on as many
threads; the prompts are test histories of the data set. `generate` gets num_return_sequences=32, its own key-value
cache and no top-k or top-p. llama.cpp gets the weights as a GGUF file (float32, or `--llama-dtype`), a slot a sample,
one request a user with n_cmpl=32, so that it reads each prompt once, and no sampler but the temperature; its keys and
values are float16, as is its default. Before the times are taken, its greedy texts and their log-probabilities must be
those of our model. `--llama-file` times a file as it is too, such as the 4-bit one that `--backbone` was read from:
its weights are the same then, but llama.cpp multiplies them in 8 bits, so its texts are compared, not enforced.

Rows are the passes through the head a user (llama.cpp: tokens drawn). Memory is the peak of resident memory over what
it was before, with the weights and, of llama.cpp, its buffers; it needs Linux.
"""

import argparse
import ctypes
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import torch

from calrec_recbole.backbone import Backbone, load_backbone
from calrec_recbole.examples import ItemTokens, tokenise_items
from calrec_recbole.generation import CatalogueProposer, Proposer, Work, sample
from calrec_recbole.plugin.calrec.core_settings import prompt_of
from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.data.prepared import prepare
from calrec_recbole.plugin.reload import load_run

N, TEMPERATURE, MAX_NEW_TOKENS = 32, 0.5, 80  # paper 4
PEERS = {"generate": (), "llama.cpp": ("xllamacpp", "gguf")}  # the packages that each needs

Prompts = list[list[int]]
Texts = list[Counter[tuple[int, ...]]]  # a prompt's texts, without the end, and how often each was drawn


class Ours:
    """All prompts in one call."""

    def __init__(self, model: Any, dtype: torch.dtype, proposer: Proposer | None) -> None:
        self.model, self.passes, self.rows = model, {"dtype": dtype, "proposer": proposer}, 0
        self.memory = sum(weights.nbytes for weights in model.parameters())

    def __call__(self, prompts: Prompts) -> Texts:
        work: list[Work] = []
        drawn = sample(self.model, prompts, N, TEMPERATURE, MAX_NEW_TOKENS, work=work, **self.passes)
        self.rows += sum(1 + one.tokens for one in work)
        return [Counter({one.token_ids: one.count for one in user}) for user in drawn]


class Generate:
    """One call a prompt: 32 rows of the same prompt, as `num_return_sequences` makes them."""

    def __init__(self, model: Any) -> None:
        self.model, self.rows = model, 0
        self.memory = sum(weights.nbytes for weights in model.parameters())
        model.get_output_embeddings().register_forward_hook(self._count)

    def _count(self, module: Any, inputs: Any, logits: torch.Tensor) -> None:
        self.rows += logits.numel() // logits.shape[-1]

    def __call__(self, prompts: Prompts) -> Texts:
        end = self.model.generation_config.eos_token_id
        settings = {"do_sample": True, "temperature": TEMPERATURE, "top_k": 0, "top_p": 1.0, "num_return_sequences": N}
        settings |= {"max_new_tokens": MAX_NEW_TOKENS, "pad_token_id": end}
        drawn = []
        with torch.inference_mode():
            for prompt in prompts:
                ids = torch.tensor([prompt], device=self.model.device)
                rows = self.model.generate(ids, attention_mask=torch.ones_like(ids), **settings)
                texts = rows[:, len(prompt) :].tolist()
                drawn.append(Counter(tuple(token for token in text if token != end) for text in texts))
        return drawn


class LlamaCppFile:
    """llama.cpp on a GGUF file, its texts compared with the model's; ``dtype`` None: compared only."""

    def __init__(self, file: Path, model: Any, prompts: Prompts, *, dtype: str | None, split: bool) -> None:
        from llama_cpp import TOLERANCES, LlamaCpp, greedy_gap

        self.end = model.generation_config.eos_token_id
        before, longest = resident(), max(map(len, prompts))
        self.peer = LlamaCpp(file, longest, N, MAX_NEW_TOKENS, threads=torch.get_num_threads(), split=split)
        self.memory = resident() - before
        equal, total, gap = greedy_gap(self.peer, model, prompts)
        print(
            f"llama.cpp on {file.name}: {equal} of {total} greedy tokens are ours, log-probabilities within {gap:.2g}"
        )
        assert dtype is None or gap < TOLERANCES[dtype], "llama.cpp computes another model"

    @property
    def rows(self) -> int:
        return self.peer.rows

    def __call__(self, prompts: Prompts) -> Texts:
        return self.peer.samples(prompts, TEMPERATURE, self.end)


class Measured:
    """What the calls of one way took."""

    def __init__(self, way: Callable[[Prompts], Texts]) -> None:
        self.way: Any = way
        self.seconds: list[float] = []
        self.rows: list[int] = []
        self.distinct: list[int] = []
        self.peak = 0

    def run(self, prompts: Prompts) -> None:
        """One call; every user must get all samples."""
        rows, before = self.way.rows, resident()
        forget_peak()
        started = time.perf_counter()
        texts = self.way(prompts)
        self.seconds.append((time.perf_counter() - started) / len(prompts))
        self.peak = max(self.peak, self.way.memory + peak() - before)
        self.rows.append(self.way.rows - rows)
        assert [user.total() for user in texts] == [N] * len(prompts)
        self.distinct += [len(user) for user in texts]


def resident() -> int:
    """Bytes in memory now, after what is free went back to the system."""
    ctypes.CDLL(None).malloc_trim(0)
    return psutil.Process().memory_info().rss


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")  # man 5 proc: resets VmHWM


def peak() -> int:
    """The most bytes in memory since `forget_peak`."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith("VmHWM")))


def of_run(arguments: argparse.Namespace) -> tuple[Backbone, Prompts, ItemTokens]:
    """The finished run's model, its first test users' prompts and its items."""
    loaded = load_run(arguments.run, arguments.data_path)
    rows = loaded.test_data._dataset.inter_feat[torch.arange(arguments.users)]
    recommender = loaded.model.recommender
    prompts = [recommender.items.prompt(one).tolist() for one in loaded.model.histories(rows)]
    return recommender.backbone, prompts, recommender.items


def of_backbone(arguments: argparse.Namespace) -> tuple[Backbone, Prompts, ItemTokens]:
    """Any backbone, the first test users' prompts of a data set and its items."""
    backbone = load_backbone(arguments.backbone)
    settings = {"data_path": arguments.data_path or "dataset", "gpu_id": ""}
    if arguments.max_input_length:
        settings["max_input_length"] = arguments.max_input_length
    config = Config("CALRec", arguments.dataset, config_dict=settings)
    prepared = prepare(config)
    catalogue, prompt = prepared.catalogue, prompt_of(config["prompt_template"])
    texts = catalogue.titles if prompt.titles else catalogue.texts
    items = tokenise_items(texts, backbone.tokenizer, int(config["max_input_length"]), prompt)
    rows = prepared.loaders.test._dataset.inter_feat[torch.arange(arguments.users)]
    histories = rows[config["ITEM_ID_FIELD"] + config["LIST_SUFFIX"]].tolist()
    lengths = rows[config["ITEM_LIST_LENGTH_FIELD"]].tolist()
    prompts = [
        items.prompt([item - 1 for item in history[:length]]).tolist()
        for history, length in zip(histories, lengths, strict=True)
    ]
    return backbone, prompts, items


def ways_of(
    arguments: argparse.Namespace, backbone: Backbone, prompts: Prompts, items: ItemTokens, folder: Path
) -> dict[str, Any]:
    """Name -> the way, ours first; a peer whose packages are not installed is left out."""
    texts = list(dict.fromkeys(tuple(item.tolist()) for item in items.items))
    proposer = CatalogueProposer(texts) if arguments.speculate else None
    ways: dict[str, Any] = {"ours": Ours(backbone.model, getattr(torch, arguments.dtype), proposer)}
    for name in arguments.peers.split(","):
        lacking = [package for package in PEERS[name] if find_spec(package) is None]
        if lacking:
            print(f"{name} is left out: pip install {' '.join(lacking)}")
        elif name == "generate":
            ways[name] = Generate(backbone.model)
        else:
            from llama_cpp import write_gguf

            dtype, split = arguments.llama_dtype, arguments.llama_split
            file = folder / f"{dtype}.gguf"
            write_gguf(backbone.model, backbone.tokenizer, file, dtype)
            ways[name] = LlamaCppFile(file, backbone.model, prompts, dtype=dtype, split=split)
            for given in arguments.llama_file:
                ways[f"{name} {given.name}"] = LlamaCppFile(given, backbone.model, prompts, dtype=None, split=split)
    return ways


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--run", help="folder of a finished CALRec run")
    source.add_argument("--backbone", help="a local folder, a .gguf file or a hub id, with --dataset")
    parser.add_argument("--dataset", help="whose test users give the prompts for --backbone")
    parser.add_argument("--max-input-length", type=int, help="tokens of a prompt for --backbone; default: CALRec's")
    parser.add_argument("--data_path", "--data-path", default=None, help="where the prepared data sets lie now")
    parser.add_argument("--peers", default=",".join(PEERS), help=f"of {', '.join(PEERS)}")
    parser.add_argument("--llama-dtype", default="f32", choices=["f32", "f16", "bf16"], help="the matrices' type there")
    parser.add_argument("--llama-file", type=Path, nargs="+", default=[], help="GGUF files to time as they are")
    parser.add_argument("--llama-split", action="store_true", help="keys and values of its own for each slot")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"], help="of our passes")
    parser.add_argument("--speculate", action="store_true", help="ours with the catalogue's texts as proposals")
    parser.add_argument("--users", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    if arguments.backbone and not arguments.dataset:
        parser.error("--backbone needs --dataset")
    if not set(arguments.peers.split(",")) <= set(PEERS):
        parser.error(f"--peers={arguments.peers}: known are {', '.join(PEERS)}")
    return arguments


def main() -> None:
    arguments = parsed()
    backbone, prompts, items = of_run(arguments) if arguments.run else of_backbone(arguments)
    with tempfile.TemporaryDirectory() as folder:
        ways = ways_of(arguments, backbone, prompts, items, Path(folder))
        measured = {name: Measured(way) for name, way in ways.items()}
        for one in measured.values():
            one.way(prompts[:1])  # libraries load their kernels on the first call
        for _ in range(arguments.repeats):
            for one in measured.values():
                one.run(prompts)
    tokens = statistics.mean(len(prompt) for prompt in prompts)
    print(f"{arguments.users} users, prompts of {tokens:.0f} tokens on average, {torch.get_num_threads()} threads")
    for name, one in measured.items():
        each = ", ".join(f"{value:.3f}" for value in one.seconds)
        rows, texts = statistics.mean(one.rows) / arguments.users, statistics.mean(one.distinct)
        print(f"{name}: median {statistics.median(one.seconds):.3f} s a user, of {each}")
        print(f"  {rows:.0f} rows and {texts:.1f} distinct texts a user, {one.peak / 2**20:.0f} MiB at the peak")
    for name, one in list(measured.items())[1:]:
        ratios = [theirs / ours for theirs, ours in zip(one.seconds, measured["ours"].seconds, strict=True)]
        print(f"ratio {name}/ours {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
