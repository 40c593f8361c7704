"""Fine-tuned weights as their difference from the base's, in a few bits a number; what that loses is measured.

A tensor's difference is cut into groups of ``GROUP`` numbers. Each has a scale and whole levels from -L to L, with
L = 2^(bits - 1) - 1; of several scales the one with the least square error is taken.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from calrec_recbole.errors import BackboneError, ConfigError
from calrec_recbole.stored_files import reading

__all__ = ["BITS", "Lost", "add_delta", "write_delta"]

BITS = (2, 4, 8)  # so that a byte holds whole levels
GROUP = 64
SHRUNK = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)  # of the group's largest number, as scales that are tried
LEVELS, SCALES = ".levels", ".scales"


class Lost(NamedTuple):
    """What a delta loses: norms of the error, as shares of the difference's and of the weights'."""

    of_difference: float
    of_weights: float


def write_delta(base: Mapping[str, Tensor], tuned: Mapping[str, Tensor], file: Path, bits: int = 4) -> Lost:
    """Writes ``file`` (safetensors), from which ``add_delta`` makes ``tuned`` again, as far as ``bits`` hold it.

    Raises ``ConfigError`` for other bits, ``BackboneError`` where the two have not the same tensors.
    """
    if bits not in BITS:
        raise ConfigError(f"--bits={bits} must be one of {', '.join(map(str, BITS))}")
    _check_alike(base, tuned)
    kept: dict[str, Tensor] = {}
    error = difference = weights = 0.0
    for name, value in tuned.items():
        delta = value.detach().float().cpu() - base[name].detach().float().cpu()
        levels, scales = _quantised(delta, bits)
        kept |= {name + LEVELS: _packed(levels, bits), name + SCALES: scales}
        rebuilt = _restored(levels, scales, delta.shape)
        error += float((rebuilt - delta).double().square().sum())
        difference += float(delta.double().square().sum())
        weights += float(value.double().square().sum())
    lost = Lost((error / difference) ** 0.5 if difference else 0.0, (error / weights) ** 0.5)
    metadata = {"bits": bits, "base_sha256": _digest(base), **lost._asdict()}
    save_file(kept, file, {"calrec_delta": json.dumps(metadata)})
    return lost


def add_delta(base: Mapping[str, Tensor], file: Path) -> dict[str, Tensor]:
    """The tuned weights, float32. Raises ``BackboneError`` for a damaged file or another base."""
    with reading(f"{file} cannot be read", "pull it again", BackboneError), safe_open(file, "pt") as stored:
        metadata = json.loads(stored.metadata()["calrec_delta"])
        if metadata["base_sha256"] != _digest(base):
            raise BackboneError(f"{file} is a difference from other weights than the base's: give their version of it")
        found = {}
        for name, value in base.items():
            scales = stored.get_tensor(name + SCALES)
            levels = _unpacked(stored.get_tensor(name + LEVELS), metadata["bits"]).view(len(scales), GROUP)
            found[name] = value.detach().float().cpu() + _restored(levels, scales, value.shape)
    return found


def _check_alike(base: Mapping[str, Tensor], tuned: Mapping[str, Tensor]) -> None:
    shapes, others = ({name: tuple(one.shape) for name, one in weights.items()} for weights in (base, tuned))
    if shapes != others:
        name = min(name for name in shapes.keys() | others if shapes.get(name) != others.get(name))
        raise BackboneError(f"--delta needs a base of the same tensors: {name} differs; push without --delta")


def _quantised(delta: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    """(...) -> levels (groups, GROUP) int8, scales (groups,) float16."""
    flat = torch.nn.functional.pad(delta.flatten(), (0, -delta.numel() % GROUP)).view(-1, GROUP)
    most = 2 ** (bits - 1) - 1
    largest = flat.abs().amax(1, keepdim=True) / most
    best, error = torch.zeros_like(largest), torch.full_like(largest, torch.inf)
    for share in SHRUNK:
        scale = (largest * share).half().float()
        own = (_levels(flat, scale, most) * scale - flat).square().sum(1, keepdim=True)
        best, error = torch.where(own < error, scale, best), torch.minimum(own, error)
    return _levels(flat, best, most).to(torch.int8), best[:, 0].half()


def _levels(flat: Tensor, scale: Tensor, most: int) -> Tensor:
    levels: Tensor = torch.where(scale > 0, flat / scale.clamp(min=1e-12), 0.0).round().clamp(-most, most)
    return levels


def _restored(levels: Tensor, scales: Tensor, shape: torch.Size) -> Tensor:
    restored: Tensor = (levels.float() * scales.float()[:, None]).flatten()[: shape.numel()].view(shape)
    return restored


def _packed(levels: Tensor, bits: int) -> Tensor:
    """Several levels a byte, the first in the lowest bits."""
    shifts = torch.arange(0, 8, bits)
    unsigned = (levels.to(torch.int16) & (2**bits - 1)).view(-1, len(shifts))
    packed: Tensor = (unsigned << shifts).sum(1).to(torch.uint8)
    return packed


def _unpacked(packed: Tensor, bits: int) -> Tensor:
    unsigned = (packed.to(torch.int16)[:, None] >> torch.arange(0, 8, bits)) & (2**bits - 1)
    levels: Tensor = (unsigned - (unsigned >= 2 ** (bits - 1)) * 2**bits).to(torch.int8).flatten()
    return levels


def _digest(weights: Mapping[str, Tensor]) -> str:
    hashed = hashlib.sha256()
    for name in sorted(weights):
        hashed.update(name.encode())
        hashed.update(weights[name].detach().float().cpu().contiguous().numpy().tobytes())
    return hashed.hexdigest()
