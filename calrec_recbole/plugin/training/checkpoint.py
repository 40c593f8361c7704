"""A model's weights on disk: ``model.safetensors``, and ``state.json`` beside it. Nothing is pickled."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from calrec_recbole.durable_files import replacing_file, write_json
from calrec_recbole.errors import DataError
from calrec_recbole.stored_files import read_json, reading

__all__ = ["load_checkpoint", "save_checkpoint"]

WEIGHTS, STATE, OTHER = "model.safetensors", "state.json", "other_parameter."


def save_checkpoint(folder: Path, model: Any, state: Mapping[str, Any]) -> None:
    """Writes the weights of ``model``, RecBole's ``other_parameter`` tensors among them, then the JSON-able ``state``.

    Each file is whole or absent.
    """
    tensors = {name: tensor for name, tensor in model.state_dict().items() if isinstance(tensor, torch.Tensor)}
    for name, value in (model.other_parameter() or {}).items():
        if isinstance(value, torch.Tensor):
            tensors[OTHER + name] = value
    # a copy each: safetensors refuses tensors that share memory
    copies = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}
    with replacing_file(folder / WEIGHTS) as temporary:
        save_file(copies, temporary)
    write_json(folder / STATE, state)


def load_checkpoint(folder: Path, model: Any, advice: str = "run it again") -> dict[str, Any]:
    """Fills ``model`` with what ``save_checkpoint`` wrote and returns the state; ``DataError`` for a file that is
    missing, cut short or another model's.
    """
    for name in (WEIGHTS, STATE):
        if not (folder / name).is_file():
            raise DataError(f"checkpoint {folder} has no {name}: the run has not finished; {advice}")
    with reading(f"checkpoint {folder} is damaged or another model's", advice):
        tensors = load_file(folder / WEIGHTS, device=str(model.device))
        other = {name.removeprefix(OTHER): tensors.pop(name) for name in list(tensors) if name.startswith(OTHER)}
        model.load_state_dict(tensors)
        model.load_other_parameter(other)
    return dict(read_json(folder / STATE, advice))
