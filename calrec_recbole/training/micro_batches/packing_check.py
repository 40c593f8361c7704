"""A check before training that a backbone reads packed rows as it reads each sequence alone."""

import logging
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from calrec_recbole.attention.products import exact_products
from calrec_recbole.backbone import Backbone
from calrec_recbole.errors import ConfigError
from calrec_recbole.examples import IGNORED, Example
from calrec_recbole.training.device.mixed_precision import autocast
from calrec_recbole.training.micro_batches.packed_attention import attending_packed
from calrec_recbole.training.micro_batches.packing import pack

__all__ = ["reads_packed"]

LENGTHS = [48, 17, 31]  # tokens of the sequences that are tried
ROUNDING = 1e-4  # what packing may add in float32, of the states' size
TIMES = 1.6  # and in lower precision: of the error that the plain pass has there itself (0.6 to 1.7 were measured)
TRIES = 3  # sets of tokens, of which one must pass: single sequences of a trained model are rounded far off

logger = logging.getLogger(__name__)


def reads_packed(
    backbone: Backbone, wanted: bool | Literal["auto"], device: torch.device, precision: torch.dtype
) -> bool:
    """Whether ``backbone`` is to be trained on packed rows in ``precision``: ``wanted``, "auto" where it can.

    Says in the log why not. Raises ``ConfigError`` where it cannot and ``wanted`` is True.
    """
    if wanted is False:
        return False
    reason = _problem(backbone, device, precision)
    if reason and wanted is True:
        raise ConfigError(f"packing=true: {reason}; set packing: auto")
    if reason:
        logger.info("sequences are padded, not packed: %s", reason)
    return not reason


@torch.no_grad()
def _problem(backbone: Backbone, device: torch.device, precision: torch.dtype) -> str:
    """Why packed rows cannot be had; empty where they can."""
    training, gaps = backbone.model.training, []
    backbone.model.eval()
    try:
        for seed in range(TRIES):
            gaps.append(_gap(backbone, device, precision, seed))
            if gaps[-1] <= 1:
                return ""
    except Exception as problem:  # whatever an architecture makes of a row that it does not know
        return " ".join(str(problem).split())
    finally:
        backbone.model.train(training)
    allowed = f"{min(gaps):.2g} times what rounding allows"
    return f"{type(backbone.model).__name__} reads packed rows otherwise than sequences alone (by {allowed})"


def _gap(backbone: Backbone, device: torch.device, precision: torch.dtype, seed: int) -> float:
    """How far packed rows are from sequences alone, as a multiple of what is allowed: the larger of float32's and that
    of ``precision``.
    """
    trunk, sequences = backbone.trunk, _tried(backbone.model.get_input_embeddings().num_embeddings, seed)
    rows = [torch.from_numpy(sequence)[None].to(device) for sequence in sequences]
    with exact_products():
        exact = _alone(trunk, rows)
        floor = ROUNDING * _size(exact)
        in_float32 = _size(_packed(backbone, sequences, device) - exact) / floor
    with autocast(precision, device):
        plain, packed = _alone(trunk, rows) - exact, _packed(backbone, sequences, device) - exact
    ratios = [
        _typical(own, floor) / (TIMES * _typical(other, floor))
        for own, other in zip(packed.split(LENGTHS), plain.split(LENGTHS), strict=True)
    ]
    return max(in_float32, *ratios)


def _alone(trunk: Any, rows: list[Tensor]) -> Tensor:
    """The hidden states of each row, read by itself."""
    return torch.cat([trunk(input_ids=row, use_cache=False).last_hidden_state[0] for row in rows]).float()


def _tried(vocabulary: int, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, vocabulary, length) for length in LENGTHS]


def _packed(backbone: Backbone, sequences: list[np.ndarray], device: torch.device) -> Tensor:
    """The hidden states of ``sequences``, one after another in their order, read as one row."""
    examples = [Example(tokens, 1, np.full(len(tokens), IGNORED)) for tokens in sequences]
    packing = pack(examples, range(len(examples)), [], np.zeros(0, np.int64), device)
    with attending_packed(backbone.model):
        hidden = backbone.trunk(
            input_ids=packing.tokens, position_ids=packing.positions, use_cache=False, packing=packing
        ).last_hidden_state[0]
    parts = dict(zip(packing.sequences.tolist(), hidden.float().split(list(packing.lengths)), strict=True))
    return torch.cat([parts[number] for number in range(len(examples))])


def _size(states: Tensor) -> float:
    """The root of the mean square of (tokens, D) ``states``."""
    return float(states.square().mean().sqrt())


def _typical(errors: Tensor, floor: float) -> float:
    """The geometric mean over tokens of the size of (tokens, D) ``errors``, each at least ``floor``.

    Rounding throws single tokens of a trained model far off, in plain passes as in packed ones: they would decide a
    mean of squares.
    """
    return float(errors.square().mean(dim=1).sqrt().clamp_min(floor).log().mean().exp())
