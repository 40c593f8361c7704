"""The authors' checkpoint: their tensors into our network, by name.

Written from the names and shapes in the public repository (https://github.com/AaronHeee/RecFormer). The weights
themselves could not be had where this was written: it is tested on a state dict of those names and shapes, and was
never run on the real file.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from calrec_recbole.baselines.recformer.longformer import RecformerNetwork
from calrec_recbole.baselines.tensor_files import read_tensors
from calrec_recbole.errors import BackboneError

__all__ = ["Loaded", "load_official"]

WRAPPERS = ("_forward_module.", "module.", "model.")  # DeepSpeed's, DataParallel's, Lightning's
TIED = {"lm_head.decoder.weight", "lm_head.decoder.bias"}  # ours share the word embeddings and lm_head.bias
INNER = ("embeddings.", "encoder.")


class Loaded(NamedTuple):
    """Our tensors that the file does not hold, and the file's tensors that we have no place for."""

    missed: list[str]
    left_over: list[str]


def load_official(file: Path, network: RecformerNetwork) -> Loaded:
    """Fills ``network`` from a ``pytorch_model.bin`` or one of the two converted files, with or without MLM head.

    The authors' decoder of the MLM head is not tied to the word embeddings; ours is, so theirs is left over. Raises
    ``DataError`` for a file that is no state dict, ``BackboneError`` for tensors of other shapes, naming both.
    """
    theirs = _named(read_tensors(file))
    ours = {name: tensor for name, tensor in network.state_dict().items() if name not in TIED}
    found = sorted(ours.keys() & theirs.keys())
    if not found:
        raise BackboneError(f"pre_model_path={file} holds no tensor of Recformer, only such as {sorted(theirs)[:3]}")
    wrong = [
        f"{name} is {tuple(theirs[name].shape)} there and {tuple(ours[name].shape)} here"
        for name in found
        if theirs[name].shape != ours[name].shape
    ]
    if wrong:
        raise BackboneError(
            f"pre_model_path={file} does not fit recformer_backbone ({len(wrong)} of {len(found)} tensors): {wrong[0]}"
        )
    network.load_state_dict({name: theirs[name] for name in found}, strict=False)
    return Loaded(sorted(ours.keys() - theirs.keys()), sorted(theirs.keys() - ours.keys()))


def _named(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Without the wrappers' prefixes; the file of the encoder alone lacks ``longformer.`` before its names."""
    named = {}
    for name, tensor in tensors.items():
        for wrapper in WRAPPERS:
            name = name.removeprefix(wrapper)
        named[f"longformer.{name}" if name.startswith(INNER) else name] = tensor
    return named
