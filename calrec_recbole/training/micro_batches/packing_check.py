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

LENGTHS = (48, 17, 31)  # tokens of the sequences that are tried
ROUNDING = 1e-4  # what packing may add in float32, of the states' size
TIMES = 1.5  # and in lower precision: of the error that the plain pass has there itself (0.9 to 1.2 were measured)

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
    training, trunk = backbone.model.training, backbone.trunk
    backbone.model.eval()
    sequences = _tried(backbone.model.get_input_embeddings().num_embeddings)
    rows = [torch.from_numpy(sequence)[None].to(device) for sequence in sequences]
    try:
        with exact_products():
            exact = _alone(trunk, rows)
            gaps = [(_size(_packed(backbone, sequences, device) - exact), 0.0)]
        with autocast(precision, device):
            gaps.append((_size(_packed(backbone, sequences, device) - exact), _size(_alone(trunk, rows) - exact)))
    except Exception as problem:  # whatever an architecture makes of a row that it does not know
        return " ".join(str(problem).split())
    finally:
        backbone.model.train(training)
    for packed, plain in gaps:
        if not packed <= TIMES * plain + ROUNDING * _size(exact):
            return f"{type(backbone.model).__name__} reads packed rows otherwise than sequences alone (by {packed:.1e})"
    return ""


def _alone(trunk: Any, rows: list[Tensor]) -> Tensor:
    """The hidden states of each row, read by itself."""
    return torch.cat([trunk(input_ids=row, use_cache=False).last_hidden_state[0] for row in rows]).float()


def _tried(vocabulary: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
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
    """The root of the mean square."""
    return float(states.square().mean().sqrt())
