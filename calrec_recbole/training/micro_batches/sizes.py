"""How much of a batch goes through the backbone at once: a CPU's caches say it, or the memory that a GPU has left."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from calrec_recbole.training.settings import AUTO, TrainingSettings

__all__ = ["Sizes", "cpu_sizes", "free_bytes", "halved", "head_rows_for", "tokens_for"]

CPU_TOKENS, CPU_COST, CPU_ROWS = 8192, 100, 256
GPU_COST = 1000  # a call costs a GPU about what a thousand tokens do
SHARE = 0.8  # of the free memory that activations may take: allocators do not fill every gap
HEAD_SHARE = 16  # the logits of one go take a sixteenth of it
LOGIT_BYTES = 14  # in half precision, their logarithms and errors in float32, and the errors once more in half
SMALLEST, STEP, LARGEST = 1024, 1024, 1 << 18  # tokens
TRAINED_BYTES = 12  # a trained weight's gradient and the two moments of AdamW, in float32


@dataclass(frozen=True)
class Sizes:
    """``micro_batch_tokens`` go through the backbone in one group, ``head_rows`` of its predictions through the head.

    ``micro_batch_cost`` is that of one more padded piece, in tokens.
    """

    micro_batch_tokens: int
    micro_batch_cost: int
    head_rows: int


def cpu_sizes(settings: TrainingSettings) -> Sizes:
    """``auto`` settings at what suits a CPU's caches."""
    tokens, cost = settings.micro_batch_tokens, settings.micro_batch_cost
    return Sizes(CPU_TOKENS if tokens == AUTO else int(tokens), CPU_COST if cost == AUTO else int(cost), CPU_ROWS)


def head_rows_for(free: int, vocabulary: int) -> int:
    """Rows whose logits fit in the head's share of ``free`` bytes, at least one cache's worth."""
    return max(CPU_ROWS, free // HEAD_SHARE // (LOGIT_BYTES * vocabulary))


def tokens_for(free: int, peak: Callable[[int], int]) -> int:
    """How many tokens a group may have with ``free`` bytes, by the peak that two trial groups of some tokens take.

    ``peak(n)`` runs a forward and backward pass of about n tokens and answers with the bytes that it took. Two of them
    part what grows with the tokens from what does not.
    """
    few, many = SMALLEST, 4 * SMALLEST
    low, high = peak(few), peak(many)
    each = max(1.0, (high - low) / (many - few))
    room = SHARE * free - max(0.0, low - each * few)
    return int(min(max(room / each // STEP * STEP, SMALLEST), LARGEST))


def free_bytes(device: torch.device, model: nn.Module) -> int:
    """What is left on a CUDA ``device`` once the gradients and the optimiser of ``model`` have their place."""
    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)  # by torch, for whoever asks next
    later = TRAINED_BYTES * sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    return max(0, torch.cuda.mem_get_info(device)[0] + kept - later)


def halved(sizes: Sizes) -> Sizes:
    """Half the tokens and half the rows, at least one of each."""
    tokens, rows = (max(1, math.ceil(size / 2)) for size in (sizes.micro_batch_tokens, sizes.head_rows))
    return Sizes(tokens, sizes.micro_batch_cost, rows)
