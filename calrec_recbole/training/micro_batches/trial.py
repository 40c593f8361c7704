"""The sizes of a training: as set, or found by a trial that measures how much memory a token takes."""

import logging
from collections.abc import Callable

import torch
from torch import nn

from calrec_recbole.errors import ConfigError
from calrec_recbole.training.distributed.processes import Processes
from calrec_recbole.training.micro_batches.sizes import Sizes, cpu_sizes, free_bytes, head_rows_for, tokens_for
from calrec_recbole.training.settings import AUTO, TrainingSettings

__all__ = ["sizes_of"]

logger = logging.getLogger(__name__)


def sizes_of(
    settings: TrainingSettings,
    model: nn.Module,
    device: torch.device,
    trial: Callable[[Sizes], object],
    processes: Processes,
) -> Sizes:
    """The sizes that ``settings`` ask for, ``auto`` ones on CUDA by the memory of ``device``, else by a CPU's caches.

    ``trial`` runs forward and backward over about as many tokens as it is told. Of several processes all take what
    fits in each. Raises ``ConfigError`` where not even a trial fits.
    """
    sizes = cpu_sizes(settings)
    if device.type != "cuda":
        return sizes
    free = free_bytes(device, model)
    rows = head_rows_for(free, model.get_input_embeddings().num_embeddings)  # type: ignore[operator]
    tokens = sizes.micro_batch_tokens
    if settings.micro_batch_tokens == AUTO:
        tokens = min(processes.gather(_fitting(device, free, lambda n: trial(Sizes(n, 0, rows)))))
        logger.info("micro_batch_tokens: auto is %d with %.1f GiB free", tokens, free / 2**30)
    return Sizes(tokens, sizes.micro_batch_cost, rows)


def _fitting(device: torch.device, free: int, trial: Callable[[int], object]) -> int:
    def peak(tokens: int) -> int:
        """Bytes that a trial takes at most."""
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        trial(tokens)
        torch.cuda.synchronize(device)
        return int(torch.cuda.max_memory_allocated(device)) - before

    try:
        return tokens_for(free, peak)
    except torch.OutOfMemoryError as problem:
        raise ConfigError(
            f"micro_batch_tokens=auto: the {free / 2**30:.1f} GiB that are free hold no trial of 4,096 tokens; set a "
            "number of tokens, or gradient_checkpointing: true"
        ) from problem
