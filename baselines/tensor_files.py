"""Tensors by name out of files that others wrote: safetensors, or what ``torch.save`` left. No code in them runs."""

import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

from calrec_recbole.errors import DataError
from calrec_recbole.stored_files import reading

__all__ = ["read_tensors"]

CONVERT = (
    "where you trust it, convert it: safetensors.torch.save_file(torch.load(FILE, weights_only=False)['state_dict'], "
    "'converted.safetensors')"
)


class _Inert:
    """Takes the place of every class and function that a checkpoint names: none of them is imported or called."""

    def __init__(self, *_: Any) -> None: ...

    def __new__(cls, *_: Any) -> "_Inert":
        return super().__new__(cls)

    def __setstate__(self, state: Any) -> None: ...


def read_tensors(file: Path) -> dict[str, Tensor]:
    """Name -> tensor, on the CPU, of a ``.safetensors`` or of what ``torch.save`` wrote, bare or as ``state_dict``.

    Raises ``DataError`` that names ``file`` where it is damaged, or holds no tensors by name.
    """
    with reading(f"checkpoint {file} cannot be read without executing it", CONVERT):
        found: Any = load_file(file) if file.suffix == ".safetensors" else _read_pickle(file)
        tensors = found.get("state_dict", found) if isinstance(found, Mapping) else found
        named = isinstance(tensors, Mapping) and all(isinstance(name, str) for name in tensors)
    if not named:
        raise DataError(f"checkpoint {file} holds a {type(tensors).__name__}, not a state dict of tensors by name")
    return {name: tensor for name, tensor in tensors.items() if isinstance(tensor, Tensor)}


def _read_pickle(file: Path) -> Any:
    """The config beside the official tensors names classes of RecBole: each is replaced by an inert one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch, on kinds of storages that a damaged file may name
        named = get_unsafe_globals_in_checkpoint(str(file)) if zipfile.is_zipfile(file) else []  # older files are none
        with safe_globals([(_Inert, name) for name in named]):
            return torch.load(file, map_location="cpu", weights_only=True)
