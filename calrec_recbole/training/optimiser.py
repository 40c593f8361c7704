"""What turns a gradient into a step, and the course of the learning rate. Ours, not the paper's: it names neither."""

import math

import torch
from torch import nn

from calrec_recbole.training.settings import TrainingSettings

__all__ = ["learning_rate", "optimisers"]


def optimisers(model: nn.Module, settings: TrainingSettings, **adamw: bool) -> list[torch.optim.Optimizer]:
    """One or two optimisers that together own every trained parameter; weight decay acts on matrices only.

    ``learner="adamw"`` is torch's AdamW with its options ``adamw``. ``"muon"`` takes the matrices of the blocks (Jordan
    et al. 2024), scaled so that AdamW's learning rates carry over (Liu et al. 2025, https://arxiv.org/abs/2502.16982);
    AdamW keeps the embeddings, the head and the norms.
    """
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    inner = _matrices_of_blocks(model) if settings.learner == "muon" else []
    taken = {id(parameter) for parameter in inner}
    rest = [parameter for parameter in trained if id(parameter) not in taken]
    groups = [
        {"params": [p for p in rest if p.dim() > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in rest if p.dim() <= 1], "weight_decay": 0.0},
    ]
    rate = settings.learning_rate
    made: list[torch.optim.Optimizer] = [torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98), **adamw)]
    if inner:
        decay = settings.weight_decay
        made.append(torch.optim.Muon(inner, lr=rate, weight_decay=decay, adjust_lr_fn="match_rms_adamw"))
    return made


def _matrices_of_blocks(model: nn.Module) -> list[torch.Tensor]:
    """The trained weights of all linear maps, the head excepted."""
    head = model.get_output_embeddings()  # type: ignore[operator]
    linear = [module for module in model.modules() if isinstance(module, nn.Linear) and module is not head]
    return [module.weight for module in linear if module.weight.requires_grad]


def learning_rate(step: int, settings: TrainingSettings) -> float:
    """The rate of 0-based ``step``: a linear rise over ``lr_warmup_steps``, then constant or a cosine down to 5 %."""
    rise = min(1.0, (step + 1) / max(1, settings.lr_warmup_steps))
    if settings.lr_schedule == "constant":
        return settings.learning_rate * rise
    share = step / settings.train_steps
    return settings.learning_rate * rise * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * share)))
