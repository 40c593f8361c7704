"""Histories without their padding. RecBole pads each to ``MAX_ITEM_LIST_LENGTH``, and a transformer reads the pads too.

Cutting a batch to its longest history saves little: among 2,048 rows one is nearly always full. So a batch is read in
groups of like length, each cut to its own longest row, and the outputs are put together again. Only models in whose
YAML ``trim_padding`` stands are read so: those that pad on the right, mask the pads, count positions from the left and
compute each row alone. Their outputs are the same; dropout draws other random numbers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

__all__ = ["TrimSettings", "forward_by_length", "length_groups", "trimmed"]


@dataclass(frozen=True)
class TrimSettings:
    """Known only to models whose outputs it does not change."""

    trim_padding: bool = False


def trimmed(model_class: type[Any]) -> type[Any]:
    """The model class with a ``forward(item_seq, ...)`` that reads groups of like length."""
    return type(model_class.__name__, (_Trimmed, model_class), {"__module__": model_class.__module__})


class _Trimmed:
    """Goes before a RecBole model among the bases."""

    def forward(self, item_seq: Tensor, *inputs: Any, **options: Any) -> Tensor:
        return forward_by_length(super().forward, item_seq, *inputs, **options)  # type: ignore[misc]


def length_groups(item_seq: Tensor) -> list[tuple[Tensor, int]]:
    """(B, L) item ids, 0 = pad -> groups of rows (places, width): width is the group's last place that is no pad.

    Widths double from group to group at most: less than half of what is read is padding.
    """
    places = torch.arange(1, item_seq.shape[1] + 1, device=item_seq.device)
    widths = ((item_seq != 0) * places).amax(dim=1).clamp(min=1)  # (B,)
    doubling = torch.log2(widths.double()).ceil()
    groups = [(doubling == step).nonzero()[:, 0] for step in doubling.unique()]
    return [(rows, int(widths[rows].max())) for rows in groups]


def forward_by_length(forward: Callable[..., Tensor], item_seq: Tensor, *inputs: Any, **options: Any) -> Tensor:
    """``forward(item_seq, *inputs, **options)`` -> (B, H) or (B, L, H), group by group; zeros in place of the pads.

    Tensors among ``inputs`` are a row each of (B, ...); those of (B, L, ...) are cut as ``item_seq`` (B, L) is.
    """
    length = item_seq.shape[1]
    groups = length_groups(item_seq)
    outputs = []
    for rows, width in groups:
        cut = [_cut(value, rows, width, length) if isinstance(value, Tensor) else value for value in inputs]
        output = forward(_cut(item_seq, rows, width, length), *cut, **options)
        outputs.append(_widened(output, length) if output.dim() == 3 else output)
    order = torch.cat([rows for rows, _ in groups]).argsort()
    return torch.cat(outputs)[order]


def _cut(value: Tensor, rows: Tensor, width: int, length: int) -> Tensor:
    chosen = value[rows]
    return chosen[:, :width] if value.dim() > 1 and value.shape[1] == length else chosen


def _widened(output: Tensor, length: int) -> Tensor:
    return torch.nn.functional.pad(output, (0, 0, 0, length - output.shape[1]))  # (B, width, H) -> (B, L, H)
