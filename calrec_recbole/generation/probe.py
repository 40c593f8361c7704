"""A check at first use that a model's attention is the one that `shared_attention` computes."""

from weakref import WeakSet

import torch
from torch import Tensor
from transformers import PreTrainedModel

from calrec_recbole.errors import BackboneError, CalrecError
from calrec_recbole.generation.descent import read_prompts, read_rows
from calrec_recbole.generation.memory import Memory
from calrec_recbole.generation.shared_attention import sharing_prompts
from calrec_recbole.generation.tree import Children

LENGTH = 64  # tokens of the probe at most
ROUNDING = {torch.float64: 1e-4, torch.float32: 1e-4}  # share of the largest logit that rounding may take
COARSE_ROUNDING = 2e-2  # for bfloat16 and float16

_checked: "WeakSet[PreTrainedModel]" = WeakSet()


def check_backbone(model: PreTrainedModel, prompt: Tensor) -> None:
    """Logits after a short prompt and two steps of it must be those of plain passes; done once a model object.

    Refuses what shared attention does not know (position biases, state spaces, ...) before it makes silently wrong
    samples. The model must be in evaluation mode. Raises BackboneError.
    """
    if model in _checked:
        return
    ids = prompt[:LENGTH].to(model.device)
    plain = torch.stack([model(input_ids=torch.cat((ids, ids[:1], last))[None]).logits[0, -3:] for last in _lasts(ids)])
    try:
        with sharing_prompts(model):
            shared = _shared_logits(model, ids)
    except CalrecError:
        raise
    except Exception as error:
        raise BackboneError(f"{type(model).__name__} cannot sample on shared prompts: {error}") from error
    gap, scale = float((shared - plain).abs().max()), float(plain.abs().max())
    if not gap <= max(1.0, scale) * ROUNDING.get(plain.dtype, COARSE_ROUNDING):
        raise BackboneError(
            f"{type(model).__name__} on shared prompts is off by {gap:.2g} in a logit; choose another backbone"
        )
    _checked.add(model)


def _lasts(ids: Tensor) -> tuple[Tensor, Tensor]:
    """The last tokens of two rows that part after one common token."""
    return ids[:1], ids[-1:]


def _shared_logits(model: PreTrainedModel, ids: Tensor) -> Tensor:
    """(2 rows, 3 steps, V) logits: after the prompt, after its first token again, after the rows' last tokens."""
    memory = Memory([len(ids)], max_rows=2, max_steps=2, device=ids.device)
    root, rows = torch.zeros_like(ids[:1]), torch.arange(2, device=ids.device)
    prompt = read_prompts(model, memory, ids)
    common = read_rows(model, memory, Children(root, ids[:1], root, rows[:0], rows[:0]))
    parted = read_rows(model, memory, Children(root.expand(2), torch.cat(_lasts(ids)), rows, rows[:1], rows[1:]))
    return torch.stack((prompt.expand(2, -1), common.expand(2, -1), parted), dim=1)
