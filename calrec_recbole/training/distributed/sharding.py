"""The backbone in parts, one a process, by torch's FSDP2: weights, gradients and AdamW's moments are sharded.

Each block is gathered when it runs. Every process also keeps the whole backbone, for sampling and for checkpoints; it
takes the trained weights over when training pauses.
"""

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from calrec_recbole.backbone import Backbone
from calrec_recbole.training.device.fused_kernels import repeated_blocks

__all__ = ["Sharded", "placed_as", "whole"]


class Sharded:
    """See the module. The passes of all processes must be equally many: ``evenly`` sees to it."""

    def __init__(self, backbone: Backbone) -> None:
        self.source = backbone
        model = copy.deepcopy(backbone.model)
        root = _Trunk(model)
        for part in (*repeated_blocks(model), root):
            fully_shard(part)
        for part in root.modules():
            if isinstance(part, FSDPModule):
                # each process adds its share of one mean: FSDP's own average would be too small
                part.set_gradient_divide_factor(1.0)
                part.set_force_sum_reduction_for_comms(True)
        self.backbone: Backbone = _ShardedBackbone(model, backbone.tokenizer, root)

    def sum_gradients(self) -> None:
        """FSDP has done it, in every backward pass."""

    @torch.no_grad()
    def publish(self) -> None:
        for mine, theirs in zip(self.source.model.parameters(), self.backbone.model.parameters(), strict=True):
            mine.copy_(whole(theirs))

    @torch.no_grad()
    def take_over(self) -> None:
        for mine, theirs in zip(self.source.model.parameters(), self.backbone.model.parameters(), strict=True):
            theirs.copy_(placed_as(theirs, mine))


class _Trunk(nn.Module):
    """The decoder without its head; the head's matrix is gathered with it, and stays so until the backward pass."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, **inputs: Any) -> Any:
        return self.model.base_model(**inputs)


@dataclass(frozen=True)
class _ShardedBackbone(Backbone):
    root: nn.Module

    @property
    def trunk(self) -> Any:
        return self.root


def whole(tensor: Tensor) -> Tensor:
    """The full tensor of a shard, gathered from all processes; any other tensor is itself."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def placed_as(parameter: Tensor, tensor: Tensor) -> Tensor:
    """The full ``tensor``, the same in all processes -> sharded as ``parameter`` is, where it has that one's shape."""
    if not isinstance(parameter, DTensor) or tensor.shape != parameter.shape:
        return tensor
    mesh, placements = parameter.device_mesh, parameter.placements
    return distribute_tensor(tensor.to(mesh.device_type), mesh, placements, src_data_rank=None)
