"""A check at first use that a model's attention is the one that `shared_attention` computes."""

from weakref import WeakSet

import torch
from torch import Tensor
from transformers import PreTrainedModel

from calrec_recbole.errors import BackboneError, CalrecError
from calrec_recbole.generation.descent import Descent
from calrec_recbole.generation.shared_attention import sharing_prompts

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
    tree = Descent(model, [ids], max_rows=2, max_steps=2)
    prompt, both = tree.logits, torch.zeros(2, dtype=torch.int64, device=ids.device)
    both = tree.read(both, ids[:1].expand(2))
    common = tree.logits[both]
    both = tree.read(both, torch.cat(_lasts(ids)))
    return torch.stack((prompt.expand(2, -1), common, tree.logits[both]), dim=1)
