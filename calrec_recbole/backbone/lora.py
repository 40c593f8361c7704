"""LoRA (Hu et al. 2021, https://arxiv.org/abs/2106.09685) by peft: small trained matrices beside frozen ones."""

import re
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.pytorch_utils import Conv1D

from calrec_recbole.errors import ConfigError
from calrec_recbole.setting_groups import check_ranges, ranged

__all__ = ["AdapterSettings", "add_adapters", "merged_weights"]

NAME = "default"  # peft's
ALL_LINEAR = "all-linear"  # peft's word for every linear map but the head


@dataclass(frozen=True)
class AdapterSettings:
    """``lora_rank=0`` trains the whole backbone; otherwise only W + lora_alpha / lora_rank * B A, with B = 0 at first.

    ``lora_targets``: names of the backbone's linear maps ("q_proj", "v_proj"), or "all-linear".
    """

    lora_rank: int = ranged(0, "[0, 16384]")
    lora_alpha: float = ranged(16.0, "(0, 1e6]")
    lora_dropout: float = ranged(0.0, "[0, 1)")
    lora_targets: str | tuple[str, ...] | list[str] = ALL_LINEAR

    def __post_init__(self) -> None:
        check_ranges(self)
        if not self.lora_targets:
            raise ConfigError(f"lora_targets={self.lora_targets!r} must name linear maps, or be {ALL_LINEAR}")
        if self.lora_rank:
            _peft(self.lora_rank)


def add_adapters(model: Any, settings: AdapterSettings, seed: int) -> None:
    """Puts adapters into ``model`` and freezes all else; nothing happens for ``lora_rank=0``.

    The same seed gives the same adapters. Raises ``ConfigError`` where the model has none of ``lora_targets``, or
    peft cannot adapt them.
    """
    if not settings.lora_rank:
        return
    peft = _peft(settings.lora_rank)
    targets = settings.lora_targets
    config = peft.LoraConfig(
        r=settings.lora_rank,
        lora_alpha=settings.lora_alpha,
        lora_dropout=settings.lora_dropout,
        target_modules=targets if isinstance(targets, str) else list(targets),
    )
    maps = {name.rpartition(".")[2] for name, part in model.named_modules() if type(part) in (torch.nn.Linear, Conv1D)}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            peft.inject_adapter_in_model(config, model)
        except ValueError as problem:
            raise ConfigError(
                f"lora_targets={targets!r} with lora_dropout={settings.lora_dropout} do not fit the backbone "
                f"({_first_line(problem)}); its linear maps are {', '.join(sorted(maps))}"
            ) from problem


@torch.no_grad()
def merged_weights(model: Any) -> dict[str, Tensor]:
    """The state dict of the plain model that computes what ``model`` does: adapters are added into their matrices.

    ``model`` itself is left as it is: taking an adapter out of a matrix again would round.
    """
    weights: dict[str, Tensor] = {
        _plain_name(name): value for name, value in model.state_dict().items() if ".lora_" not in name
    }
    for name, part in model.named_modules():
        if NAME in getattr(part, "lora_A", {}):
            matrix = getattr(part, "parameter_name", "weight")  # peft's word for all matrices of a layer of experts
            merged = _plain_name(f"{name}.{matrix}")
            weights[merged] = weights[merged] + part.get_delta_weight(NAME)
    return weights


def _plain_name(name: str) -> str:
    """The name that a weight had before adapters, one or more, were put around its layer."""
    return re.sub(r"(\.base_layer)+\.", ".", name)


def _first_line(problem: Exception) -> str:
    return str(problem).strip().split("\n")[0].rstrip(".")


def _peft(rank: int) -> Any:
    try:
        import peft
    except ImportError as problem:
        raise ConfigError(
            f"lora_rank={rank} needs the package peft: pip install peft, or set lora_rank: 0"
        ) from problem
    return peft
