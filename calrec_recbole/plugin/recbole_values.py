"""What RecBole's own settings may be, as far as no group of ours owns them; its models check little."""

import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from calrec_recbole.errors import not_one_of
from calrec_recbole.setting_groups import WITHIN, keys_of, outside
from calrec_recbole.stored_files import NUMBER, misfit

__all__ = ["recbole_faults"]

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
WORDS = {
    "learner": ("adam", "adamw", "sgd", "adagrad", "rmsprop", "sparse_adam"),
    "hidden_act": ("gelu", "relu", "swish", "tanh", "sigmoid"),
    "state": ("info", "debug", "error", "warning", "critical"),
}
NAMES = (list, str, type(None))  # of columns
SHAPES: dict[str, dict[Any, Any]] = {  # see ``misfit``
    "clip_grad_norm": {"max_norm": NUMBER, "norm_type?": NUMBER, "error_if_nonfinite?": bool, ...: ()},
    "load_col": {"inter": NAMES, ...: NAMES},
    "unload_col": {...: NAMES},
}
_END = r"-?(?:\d+(?:\.\d*)?|inf)"
INTERVALS = re.compile(rf"(?:^|;)\s*[\[(]{_END},\s*{_END}[\])]\s*" r"(?=;|$)")
INTERVAL_KEYS = ("user_inter_num_interval", "item_inter_num_interval")
LARGEST = 2**53  # whole numbers up to it are floats as well


def recbole_faults(settings: Mapping[str, Any], groups: Iterable[type[Any]]) -> Iterator[str]:
    """What is wrong with the values in ``settings``, as far as no field of ``groups`` gives their range: numbers out of
    it or not finite, words and shapes that RecBole does not know.
    """
    ours = {key: WITHIN in one.metadata for group in groups for key, one in keys_of(group).items()}
    yield from _numbers_outside(settings, {key for key, has_range in ours.items() if has_range})
    for key, known in WORDS.items():
        if isinstance(settings.get(key), str) and not (key == "learner" and key in ours):
            yield from filter(None, [not_one_of(key, settings[key].lower(), known)])
    for key, shape in SHAPES.items():
        if settings.get(key) is not None:
            yield from filter(None, [misfit(settings[key], shape, key)])
    for key in INTERVAL_KEYS:
        if (value := settings.get(key)) is not None and INTERVALS.sub("", str(value)):
            yield f"{key}={value!r} must be an interval, such as [5,inf)"


def _numbers_outside(settings: Mapping[str, Any], ours: Collection[str]) -> Iterator[str]:
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
    return abs(number) <= LARGEST if isinstance(number, int) else math.isfinite(number)
