"""How several processes hold the backbone in training: each the whole of it, or each a part. Both are torch's.

``parallel: ddp`` is DistributedDataParallel, ``parallel: fsdp`` is FSDP2 (``fully_shard``, which accelerate's FSDP2
calls too).
"""

from typing import Any, Protocol

import torch
from torch import Tensor, nn

from calrec_recbole.backbone import Backbone
from calrec_recbole.training.distributed.processes import Processes
from calrec_recbole.training.distributed.sharding import Sharded

__all__ = ["Engine", "engine"]


class Engine(Protocol):
    """``backbone`` is what the passes run through and what the optimisers step on."""

    backbone: Backbone

    def sum_gradients(self) -> None:
        """Once a step, after the last backward pass of the process: its gradients become those of all."""

    def publish(self) -> None:
        """The trained weights go back into the whole backbone, in every process."""

    def take_over(self) -> None:
        """The weights of the whole backbone become those in training."""


def engine(backbone: Backbone, parallel: str, processes: Processes) -> Engine:
    """The way of ``processes`` to train ``backbone``."""
    if processes.world == 1:
        return Whole(backbone)
    if parallel == "fsdp":
        return Sharded(backbone)
    return Replicas(backbone)


class Whole:
    """One process with the whole backbone."""

    def __init__(self, backbone: Backbone) -> None:
        self.backbone = backbone

    def sum_gradients(self) -> None: ...

    def publish(self) -> None: ...

    def take_over(self) -> None: ...


class Replicas(Whole):
    """The whole backbone in each process, gradients summed by DistributedDataParallel.

    A step runs the backbone many times, in two passes, and not equally often everywhere; DDP sums in the backward pass
    of one forward. So it gets a forward of its own, whose gradient is zero for every trained weight: what the
    backbone's passes have accumulated goes into DDP's buckets with it.
    """

    def __init__(self, backbone: Backbone) -> None:
        super().__init__(backbone)
        self.replica = nn.parallel.DistributedDataParallel(_Nothing(backbone.model))
        # each process adds its share of one mean: DDP's own average would be too small
        self.replica.register_comm_hook(None, _sum)

    def sum_gradients(self) -> None:
        self.replica().backward()


class _Nothing(nn.Module):
    """0, as a function of every trained weight."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self) -> Tensor:
        parts = [(weight.flatten()[:1] * 0).sum() for weight in self.model.parameters() if weight.requires_grad]
        return torch.stack(parts).sum()


def _sum(
    _: Any,
    bucket: torch.distributed.GradBucket,  # type: ignore[name-defined]  # DDP refuses a hook annotated otherwise
) -> torch.futures.Future[Tensor]:
    work = torch.distributed.all_reduce(bucket.buffer(), async_op=True)
    future: torch.futures.Future[list[Tensor]] = work.get_future()
    return future.then(lambda done: done.value()[0])
