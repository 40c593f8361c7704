"""Claim: a pass of sampling is at most 1,200 operator calls and one question to the device, on CUDA too.

    python benchmarks/sampling_calls.py [--layers 30] [--users 4] [--speculate]

A GPU waits for launches: each operator call is one, or a view. The very path of CUDA runs here on a CPU: in bfloat16,
on packed prompts and suffixes, with the variable-length kernel alone replaced by its loops and counted as one call. The
numbers depend on the depth of the model and neither on its width nor on the device. Of two calls of `sample` that
differ in their length the difference is taken, so that reading the prompts does not count.
"""

import argparse
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from transformers import LlamaConfig, LlamaForCausalLM

from calrec_recbole.attention.varlen import varlen_attention_in_loops
from calrec_recbole.generation import CatalogueProposer, Proposer, Work, sample, weights
from calrec_recbole.generation.shared_prefix import key_values, shared_attention
from calrec_recbole.generation.shared_prefix import lean_decoder as lean

KERNEL = "variable-length attention"
WAITING = ("_local_scalar_dense", "nonzero", "_unique2", "masked_select", "lift_fresh")  # the last: host to device
SHORT, LONG = 3, 11  # tokens of a sample
N = 32


class Counts(NamedTuple):
    """Of one pass over rows, on average."""

    calls: float
    questions: float  # that wait for the device
    each: dict[str, float]


class Calls(TorchDispatchMode):
    """Counts the operator calls inside it, and what would wait for a device."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()
        self.questions = 0

    def __torch_dispatch__(self, function: Any, types: Any, arguments: Any = (), options: Any = None) -> Any:
        name = function.overloadpacket.__name__
        self.calls[name] += 1
        self.questions += name in WAITING or _masked(arguments)
        return function(*arguments, **(options or {}))


def _masked(arguments: Any) -> bool:
    """Whether a tensor is indexed by a mask: how much it picks, only the device knows."""
    lists = [one for one in arguments if isinstance(one, (list, tuple))]
    return any(isinstance(one, torch.Tensor) and one.dtype == torch.bool for each in lists for one in each)


@contextmanager
def as_on_cuda(calls: Calls) -> Iterator[None]:
    """Packed prompts and suffixes; the kernel's loops are one call."""

    def kernel(*arguments: Any, **options: Any) -> Any:
        asked = calls.questions
        calls.calls[KERNEL] += 1
        with _disable_current_modes():
            found = varlen_attention_in_loops(*arguments, **options)
        calls.questions = asked  # the loops ask, the kernel does not
        return found

    def to_list(tensor: torch.Tensor) -> Any:
        calls.questions += 1
        return tolist(tensor)

    tolist = torch.Tensor.tolist
    before = key_values.packs, shared_attention.varlen_attention, lean.joins
    key_values.packs, shared_attention.varlen_attention = (lambda states: True), kernel
    lean.joins = weights.joins = lambda device: True
    torch.Tensor.tolist = to_list  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        key_values.packs, shared_attention.varlen_attention, lean.joins = before
        weights.joins = lean.joins
        torch.Tensor.tolist = tolist  # type: ignore[method-assign]


def calls_of(model: Any, prompts: list[list[int]], proposer: Proposer | None = None) -> Counts:
    """The calls of a pass of ``model`` over the rows of ``prompts``; every pass reads a token of every prompt."""
    asked = {"n": N, "seeds": range(len(prompts)), "proposer": proposer, "dtype": torch.bfloat16}
    with as_on_cuda(Calls()):
        sample(model, prompts, max_new_tokens=LONG, **asked)  # the probe, the copy of weights, the proposals' table
    counted = []
    for tokens in (SHORT, LONG):
        work: list[Work] = []
        calls = Calls()
        with as_on_cuda(calls), calls:
            sample(model, prompts, max_new_tokens=tokens, work=work, **asked)
        counted.append((calls, max(one.passes for one in work)))
    (short, few), (long, many) = counted
    each = {name: (count - short.calls[name]) / (many - few) for name, count in long.calls.items()}
    return Counts(sum(each.values()), (long.questions - short.questions) / (many - few), each)


def model_of(layers: int) -> Any:
    """A narrow decoder of that depth, which never ends a text."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 36, "intermediate_size": 96, "num_attention_heads": 9, "num_key_value_heads": 3}
    config = LlamaConfig(vocab_size=2000, num_hidden_layers=layers, head_dim=4, tie_word_embeddings=True, **sizes)
    model = LlamaForCausalLM(config).eval()
    model.generation_config.eos_token_id = config.vocab_size - 1
    return model


def prompts_of(users: int) -> list[list[int]]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randint(1, 1999, (20 + 5 * user,), generator=generator).tolist() for user in range(users)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=30, help="as many as SmolLM2-135M has")
    parser.add_argument("--users", type=int, default=4)
    parser.add_argument("--speculate", action="store_true", help="with proposals of a small catalogue")
    arguments = parser.parse_args()
    proposer = CatalogueProposer(prompts_of(50)) if arguments.speculate else None
    found = calls_of(model_of(arguments.layers), prompts_of(arguments.users), proposer)
    print(f"calls a pass {found.calls:.0f}, of them {found.calls / arguments.layers:.1f} a layer")
    print(f"questions to the device a pass {found.questions:.2f}")
    most = sorted(found.each.items(), key=lambda pair: -pair[1])[:12]
    print("most: " + ", ".join(f"{name} {count:.0f}" for name, count in most))
    print(f"ratio calls/1200 {found.calls / 1200:.2f}")


if __name__ == "__main__":
    main()
