"""Claim: 48 users of the loss on every item take at most 9,000 operator calls, 512 users of Eq. 4 at most 40,000.

    python benchmarks/count_calls.py                                          # random sequences of Scientific's lengths
    python benchmarks/count_calls.py --data_path=dataset --dataset=Scientific # its users

A GPU waits for calls: each is a kernel launch or the bookkeeping of one. Their number depends neither on the device nor
on the width, so narrow decoders are counted on a CPU, and since each layer adds as many, those of 2 and 3 layers give
the number of SmolLM2's 30 (`--whole` counts the 30 themselves). They go the very way of CUDA: the variable-length
kernel alone is replaced by what it computes, in loops over the sequences, and counted as one call. Counted is the
second step: the first one also makes the optimiser's state.
"""

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from transformers import LlamaConfig, LlamaForCausalLM

from calrec_recbole.attention.varlen import varlen_attention_in_loops
from calrec_recbole.backbone import Backbone, train_tokenizer
from calrec_recbole.examples import ItemTokens, tokenise_items
from calrec_recbole.training import StepReport, Training, TrainingSettings
from calrec_recbole.training.micro_batches import packed_attention
from calrec_recbole.training.micro_batches.sizes import Sizes

LAYERS = 30
WORDS = 20  # of a random item
GPU_TOKENS, GPU_ROWS = 65536, 8192  # what micro_batch_tokens: auto comes to on a GPU of 80 GB, with room to spare
WAITS = {  # what makes the host wait for the device
    *("tolist", "item", "__bool__", "__int__", "__float__", "__index__", "cpu", "numpy"),
    *("nonzero", "masked_select", "unique", "unique_consecutive", "bincount", "repeat_interleave", "equal"),
}


class Calls(TorchDispatchMode):
    """Counts operator calls by name; views are among them."""

    def __init__(self) -> None:
        super().__init__()
        self.names: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names[str(func)] += 1
        return func(*args, **(kwargs or {}))

    @property
    def total(self) -> int:
        return sum(self.names.values())


class Waits(TorchFunctionMode):
    """Counts the calls in this thread that make the host wait for the device."""

    def __init__(self) -> None:
        super().__init__()
        self.names: Counter[str] = Counter()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        if name in WAITS:
            self.names[name] += 1
        return func(*args, **(kwargs or {}))


@contextmanager
def as_on_cuda(calls: Calls, waits: Waits) -> Iterator[None]:
    """Packed rows are read as on CUDA, one call for the kernel forward and one backward."""

    @contextmanager
    def uncounted() -> Iterator[None]:
        before = waits.names.copy()
        with _disable_current_modes():
            yield
        waits.names = before

    class Kernel(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, row: Any, options: dict[str, Any]) -> Tensor:
            calls.names["varlen attention"] += 1
            ctx.save_for_backward(query, key, value)
            ctx.rest = row, options
            with uncounted():
                return varlen_attention_in_loops(query, key, value, row, row, **options)[0]

        @staticmethod
        def backward(ctx: Any, *gradients: Tensor) -> Any:
            calls.names["varlen attention, backward"] += 1
            row, options = ctx.rest
            with uncounted(), torch.enable_grad():
                states = [part.detach().requires_grad_() for part in ctx.saved_tensors]
                out, _ = varlen_attention_in_loops(*states, row, row, **options)
                return (*torch.autograd.grad(out, states, gradients[0]), None, None)

    def attention(query: Tensor, key: Tensor, value: Tensor, row: Any, _: Any, **options: Any) -> tuple[Tensor, None]:
        assert options.pop("dropout") == 0
        return Kernel.apply(query, key, value, row, options), None  # type: ignore[no-untyped-call]

    with (
        patch.object(packed_attention, "fused", lambda states: True),
        patch.object(packed_attention, "varlen_attention", attention),
    ):
        yield


def narrow_decoder(tokenizer: Any, layers: int = LAYERS) -> Backbone:
    """A random Llama of SmolLM2's depth and heads, 36 wide."""
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=36,
        intermediate_size=96,
        num_hidden_layers=layers,
        num_attention_heads=9,
        num_key_value_heads=3,
        head_dim=4,
        max_position_embeddings=4096,
        tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id,
    )
    torch.manual_seed(0)
    model = LlamaForCausalLM(config)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    return Backbone(model, tokenizer)


def random_data(users: int, words: int = WORDS, seed: int = 0) -> tuple[list[str], list[list[int]]]:
    """Item texts of ``words`` words on average and sequences of 3 to 20 items, as Scientific's training users have."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(max(1, words // 2), words * 3 // 2 + 1, 200)
    texts = [" ".join(f"w{word}" for word in rng.integers(0, 400, length)) + "." for length in lengths]
    sequences = [rng.integers(0, 200, rng.geometric(0.25) + 2).tolist()[:20] for _ in range(users)]
    return texts, sequences


def prepared_data(data_path: str, dataset: str) -> tuple[list[str], list[list[int]]]:
    """The item texts and the training sequences of a prepared data set."""
    from calrec_recbole.plugin.config import Config
    from calrec_recbole.plugin.data.prepared import prepare
    from calrec_recbole.plugin.data.sequences import training_sequences

    config = Config("CALRec", dataset, [], {"data_path": data_path, "retrieval": "okapi"})
    prepared = prepare(config)
    return list(prepared.catalogue.texts), training_sequences(prepared.events)


class Count(NamedTuple):
    """What a step takes."""

    calls: int
    waits: dict[str, int]
    report: StepReport


def count_deep(texts: list[str], sequences: Sequence[Sequence[int]], users: int, dense: bool, **changes: Any) -> Count:
    """The second step of ``users`` users by a decoder of 30 layers, from those of 2 and 3."""
    tokenizer = train_tokenizer(texts, 2000, merge_across_words=False)
    items = tokenise_items(texts, tokenizer)
    few, more = (
        count_step(narrow_decoder(tokenizer, layers), items, sequences, users, dense, **changes) for layers in (2, 3)
    )
    assert few.waits == more.waits
    return more._replace(calls=few.calls + (LAYERS - 2) * (more.calls - few.calls))


def count_step(
    backbone: Backbone, items: ItemTokens, sequences: Sequence[Sequence[int]], users: int, dense: bool, **changes: Any
) -> Count:
    """The second step of ``users`` users; ``dense`` with the loss on every item, else that of Eq. 4."""
    settings = {"train_steps": 9, "warmup_steps": 9 if dense else 0, "train_batch_size": users, "precision": "float32"}
    tokens = changes.pop("tokens", GPU_TOKENS)
    training = Training(backbone, items, sequences, TrainingSettings(**{**settings, **changes}), 1, torch.device("cpu"))
    training.sizes = Sizes(tokens, 0, GPU_ROWS)
    calls, waits, reports = Calls(), Waits(), []
    with as_on_cuda(calls, waits):
        training.run(1, reports.append)
        calls.names.clear()
        waits.names.clear()
        with calls, waits:
            training.run(2, reports.append)
    return Count(calls.total, dict(waits.names), reports[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data_path", help="holds the prepared --dataset; by default random sequences")
    parser.add_argument("--dataset", default="Scientific")
    parser.add_argument("--whole", action="store_true", help="count all 30 layers")
    arguments = parser.parse_args()
    texts, sequences = (
        prepared_data(arguments.data_path, arguments.dataset) if arguments.data_path else random_data(1024)
    )
    for users, dense, limit in ((48, True, 9000), (512, False, 40000)):
        for precision in ("float32", "bfloat16"):
            if arguments.whole:
                tokenizer = train_tokenizer(texts, 2000, merge_across_words=False)
                given = narrow_decoder(tokenizer), tokenise_items(texts, tokenizer), sequences
                found = count_step(*given, users, dense, precision=precision)
            else:
                found = count_deep(texts, sequences, users, dense, precision=precision)
            print(
                f"{users} users, {'every item' if dense else 'Eq. 4'}, {precision}: {found.calls} calls, waits "
                f"{found.waits}, {found.report.tokens} tokens in rows of {GPU_TOKENS}, padding "
                f"{found.report.padding:.1%}; ratio calls/{limit} {found.calls / limit:.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
