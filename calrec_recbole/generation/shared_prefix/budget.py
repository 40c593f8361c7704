"""Which prompts go through the model together."""

from collections.abc import Iterator

import torch
from torch import Tensor
from transformers import PreTrainedModel


def batches(
    model: PreTrainedModel, prompts: list[Tensor], n: int, max_new_tokens: int, memory_bytes: int, places: int = 1
) -> Iterator[list[int]]:
    """Indices of prompts of similar length, shortest first, as many at a time as the memory holds, at least one.

    ``places`` is how many tokens each of n rows may read in one pass.
    """
    batch: list[int] = []
    used = 0
    for index in sorted(range(len(prompts)), key=lambda index: len(prompts[index])):
        need = prompt_bytes(model, len(prompts[index]), n, max_new_tokens, places)
        if batch and used + need > memory_bytes:
            yield batch
            batch, used = [], 0
        batch.append(index)
        used += need
    if batch:
        yield batch


def prompt_bytes(model: PreTrainedModel, length: int, n: int, max_new_tokens: int, places: int = 1) -> int:
    """Bytes of one prompt at most: its keys and values, those of n suffixes, and float32 logits at n * ``places``."""
    config = model.config.get_text_config()
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    token = 2 * config.num_hidden_layers * heads * width * model.dtype.itemsize
    return int((length + n * max_new_tokens) * token + 4 * n * places * config.vocab_size)


def free_bytes(device: torch.device) -> int:
    """What one batch may take by default: 1 GiB, which suits a CPU's caches; of a CUDA device half of what is free."""
    if device.type != "cuda":
        return 1 << 30
    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)  # by torch, for whoever asks next
    return max(1 << 30, (torch.cuda.mem_get_info(device)[0] + kept) // 2)
