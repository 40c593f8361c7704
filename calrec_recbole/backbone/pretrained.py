"""What holds wherever transformers loads what somebody else wrote: none of its code runs, and it fits the machine."""

from typing import Any

from transformers import AutoConfig

from calrec_recbole.backbone.machine_memory import check_memory

__all__ = ["NO_CODE", "check_size", "check_trained_size", "least_bytes"]

NO_CODE = {"trust_remote_code": False}  # without it transformers asks whoever sits at the terminal
TRAINED_BYTES = 16  # a weight with its gradient and the optimiser's two numbers
LAYER_BYTES = 20_000  # of a layer's Python objects, however small its matrices are


def check_size(source: str, **where: Any) -> None:
    """Raises ``ConfigError`` where the network that ``config.json`` describes cannot fit this machine.

    ``source``: a folder or a hub id. Weights of 4 bits are the least.
    """
    if "gguf_file" in where:  # holds its own tensors
        return
    config = AutoConfig.from_pretrained(source, **NO_CODE, **where).get_text_config()
    names = ("num_hidden_layers", "hidden_size", "intermediate_size", "vocab_size")
    layers, width, inner, words = (_least(getattr(config, name, 0)) for name in names)
    what = f"{source}: the network of its config.json ({layers} layers, {width} wide, {words} tokens)"
    check_memory(what, least_bytes(layers, width, inner, words, 0.5), "choose a smaller one")


def check_trained_size(layers: int, width: int, inner: int, words: int) -> None:
    """Raises ``ConfigError`` where a network of these ``scratch_`` sizes cannot be trained in this machine's memory."""
    sizes = f"scratch_num_hidden_layers={layers}, scratch_hidden_size={width}, scratch_intermediate_size={inner}"
    least = least_bytes(layers, width, inner, words, TRAINED_BYTES)
    check_memory(f"a network of {sizes}, scratch_vocab_size={words}", least, "lower them")


def least_bytes(layers: int, width: int, inner: int, words: int, bytes_each: float) -> float:
    """What a transformer needs at the least: its embeddings, and of each layer one square matrix of attention and two
    of its feed-forward part, ``bytes_each`` a weight.
    """
    return bytes_each * (words * width + layers * (width + 2 * inner) * width) + layers * LAYER_BYTES


def _least(size: Any) -> int:
    """Some configs give a size for each layer, and some none."""
    sizes = [one for one in (size if isinstance(size, list) else [size]) if isinstance(one, int)]
    return max(0, min(sizes, default=0))
