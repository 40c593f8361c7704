"""The weights as sampling reads them: joined where that saves calls, in the precision of decoding."""

import copy
import logging
import os
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from calrec_recbole.attention.products import product_precisions
from calrec_recbole.generation.probe import check_backbone, fault
from calrec_recbole.generation.requirements import check_layers
from calrec_recbole.generation.shared_prefix.lean_decoder import LeanDecoder, NotLeanError, joins
from calrec_recbole.generation.shared_prefix.memory_budget import free_memory
from calrec_recbole.generation.shared_prefix.packed_decoder import Decoder, ModelDecoder

__all__ = ["decoder_of"]

KEPT = 0.1  # share of the free memory that a copy may hold between calls
TAKEN = 0.5  # ... and at most during one

_log = logging.getLogger(__name__)


class _Copy(NamedTuple):
    decoder: Decoder
    of: tuple[Any, ...]  # what it was made from


_is_lean: "WeakKeyDictionary[PreTrainedModel, dict[tuple[Any, ...], bool]]" = WeakKeyDictionary()
_copies: "WeakKeyDictionary[PreTrainedModel, dict[torch.dtype, _Copy]]" = WeakKeyDictionary()


def decoder_of(model: PreTrainedModel, dtype: torch.dtype | None = None) -> Decoder:
    """Passes that compute ``model`` in ``dtype``, by default its own, checked by the probe once.

    A copy of weights is made at most once while they stay as they are, and kept where memory allows. Raises
    BackboneError.
    """
    dtype = dtype or model.dtype
    lean = _checked_lean(model, dtype)
    if not lean and dtype == model.dtype:
        return ModelDecoder(model)
    of, copies = (lean, joins(model.device), _state(model)), _copies.setdefault(model, {})
    kept = copies.pop(dtype, None)
    if kept is None or kept.of != of:
        del kept
        kept = _Copy(LeanDecoder(model, dtype) if lean else ModelDecoder(_cast(model, dtype)), of)
    if _bytes(model, dtype) <= KEPT * _free(model.device):
        copies[dtype] = kept
    return kept.decoder


def _checked_lean(model: PreTrainedModel, dtype: torch.dtype) -> bool:
    """Whether `LeanDecoder` reads the model; if not, `ModelDecoder` does. Raises BackboneError where neither does."""
    known = _is_lean.setdefault(model, {})
    here = model.device.type, dtype, joins(model.device), *product_precisions()
    if here not in known:
        plain = model if dtype == model.dtype else _cast(model, dtype)
        known[here] = _fits(model, plain)
        if not known[here]:
            check_backbone(model)
            check_backbone(plain)
    return known[here]


def _fits(model: PreTrainedModel, plain: PreTrainedModel) -> bool:
    if _bytes(model, plain.dtype) > TAKEN * _free(model.device):
        return False
    check_layers(model)
    try:
        found = fault(model, plain, lambda dtype: LeanDecoder(model, dtype))
    except NotLeanError:
        return False
    if found is not None:
        _log.warning("%s %s in few calls: sampling takes the modules of transformers", type(model).__name__, found)
    return found is None


def _state(model: PreTrainedModel) -> tuple[Any, ...]:
    """Stands for the weights as they are: another one after any change that training, loading or moving makes."""
    weights = [one.detach() for one in model.parameters()]
    versions = tuple((id(one), 0 if one.is_inference() else one._version) for one in model.parameters())
    norms = torch.stack([norm.float() for norm in torch._foreach_norm(weights)])
    return versions, tuple(one.data_ptr() for one in weights), tuple(norms.tolist())


def _cast(model: PreTrainedModel, dtype: torch.dtype) -> PreTrainedModel:
    """A copy with weights in ``dtype``, buffers as they are; nothing else is held twice."""
    weights: dict[int, Any] = {
        id(one): nn.Parameter(_in(one.detach(), dtype), requires_grad=False) for one in model.parameters()
    }
    return copy.deepcopy(model, weights)


def _in(weights: Tensor, dtype: torch.dtype) -> Tensor:
    return weights.to(dtype) if weights.is_floating_point() else weights


def _bytes(model: PreTrainedModel, dtype: torch.dtype) -> int:
    """At most, of a copy; none where the weights are read as they are."""
    if dtype == model.dtype and not joins(model.device):
        return 0
    return sum(one.numel() for one in model.parameters()) * dtype.itemsize


def _free(device: torch.device) -> int:
    """Bytes that are free where the copy would lie."""
    if device.type == "cuda":
        return free_memory(device)
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
