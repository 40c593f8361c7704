"""Where the numbers of RecBole's own settings lie, as far as no group of ours owns them; its models check little."""

import math
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from calrec_recbole.setting_groups import outside

__all__ = ["numbers_outside"]

WHOLE = {
    **dict.fromkeys(("eval_batch_size", "train_batch_size", "pretrain_batch_size"), "[1, 1e9]"),
    **dict.fromkeys(("epochs", "pretrain_epochs", "stopping_step", "eval_step", "save_step"), "[0, 1e6]"),
    **dict.fromkeys(("hidden_size", "embedding_size", "kg_embedding_size", "inner_size"), "[1, 1e5]"),
    **dict.fromkeys(("prototype_size", "interest_size", "k_interests", "high_order"), "[1, 1e5]"),
    **dict.fromkeys(("n_layers", "num_layers", "n_heads", "block_num"), "[1, 1e3]"),
    **dict.fromkeys(("kernel_size", "order_len", "nh", "nv"), "[1, 1e3]"),
}
REAL = {
    **{"learning_rate": "(0, 1e3]", "weight_decay": "[0, 1e3]", "initializer_range": "[0, 1e3]"},
    **{"temperature": "(0, 1e6]", "tau_ratio": "(0, 1e6]", "layer_norm_eps": "[0, 1]"},
    **dict.fromkeys(("dropout_prob", "hidden_dropout_prob", "attn_dropout_prob"), "[0, 1)"),
    **dict.fromkeys(("item_dropout", "sess_dropout"), "[0, 1)"),
    **dict.fromkeys(("mask_ratio", "ft_ratio", "reg_loss_ratio", "global_ratio", "spatial_ratio"), "[0, 1]"),
    **dict.fromkeys(("aap_weight", "mip_weight", "map_weight", "sp_weight", "reg_weight"), "[0, 1e6]"),
    **dict.fromkeys(("lmd", "lmd_sem"), "[0, 1e6]"),
}
LARGEST = 2**53  # whole numbers up to it are floats as well


def numbers_outside(settings: Mapping[str, Any], ours: Collection[str]) -> Iterator[str]:
    """The faults of the numbers in ``settings`` that are not ``ours``: out of their range, or not finite."""
    for key, value in settings.items():
        if key in ours:
            continue
        within = WHOLE.get(key) or REAL.get(key)
        if within and isinstance(value, int | float):
            if fault := outside(key, value, within, key in WHOLE):
                yield fault
        elif not all(map(_fits, _numbers(value))):
            yield f"{key}={value!r} must hold finite numbers only, up to {LARGEST}"


def _numbers(value: Any) -> Iterator[int | float]:
    """Those in ``value``, at any depth."""
    if isinstance(value, int | float):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _numbers(one)
    elif isinstance(value, list | tuple | set):
        for one in value:
            yield from _numbers(one)


def _fits(number: int | float) -> bool:
    return math.isfinite(number) and abs(number) <= LARGEST
