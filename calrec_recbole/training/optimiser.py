"""AdamW and the course of its learning rate. Ours, not the paper's: it names no optimiser."""

import math
from typing import Any

import torch

from calrec_recbole.training.settings import TrainingSettings

__all__ = ["adamw", "learning_rate"]


def adamw(model: Any, settings: TrainingSettings) -> torch.optim.AdamW:
    """Fused AdamW; weight decay acts on matrices only, not on norms and biases."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if p.dim() > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in trained if p.dim() <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.learning_rate, betas=(0.9, 0.98), fused=True)


def learning_rate(step: int, settings: TrainingSettings) -> float:
    """The rate of 0-based ``step``: a linear rise over ``lr_warmup_steps``, then constant or a cosine down to 5 %."""
    rise = min(1.0, (step + 1) / max(1, settings.lr_warmup_steps))
    if settings.lr_schedule == "constant":
        return settings.learning_rate * rise
    share = step / settings.train_steps
    return settings.learning_rate * rise * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * share)))
