"""Gradients of several processes that each hold the whole model, summed by torch's DistributedDataParallel."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from calrec_recbole.training.parallel import Processes

__all__ = ["gradient_sum"]


def gradient_sum(model: nn.Module, processes: Processes) -> Callable[[], None]:
    """What is to be called once a step, after the last backward pass of the process: all then hold the sum.

    A step runs the backbone many times, in two passes, and not equally often everywhere; DDP sums in the backward pass
    of one forward. So it gets a forward of its own, whose gradient is zero for every trained weight: what the
    backbone's passes have accumulated goes into DDP's buckets with it.
    """
    if processes.world == 1:
        return lambda: None
    replica = nn.parallel.DistributedDataParallel(_Nothing(model))
    replica.register_comm_hook(None, _sum)  # each process adds its share of one mean: DDP's average would be too small
    return lambda: replica().backward()


class _Nothing(nn.Module):
    """0, as a function of every trained weight."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self) -> Tensor:
        parts = [(weight.flatten()[:1] * 0).sum() for weight in self.model.parameters() if weight.requires_grad]
        return torch.stack(parts).sum()


def _sum(_: Any, bucket: torch.distributed.GradBucket) -> torch.futures.Future[Tensor]:
    work = torch.distributed.all_reduce(bucket.buffer(), async_op=True)
    future: torch.futures.Future[list[Tensor]] = work.get_future()
    return future.then(lambda done: done.value()[0])
