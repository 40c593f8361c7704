"""Chooses the precision of sampling, and scores again in float32 the texts that fusion takes."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers import PreTrainedModel

from calrec_recbole.attention.products import exact_products
from calrec_recbole.errors import ConfigError
from calrec_recbole.generation.likelihood import text_logprobs
from calrec_recbole.generation.sampling import Sample

__all__ = ["PRECISIONS", "decode_dtype", "score_again"]

PRECISIONS = ("auto", "float32", "bfloat16")

Best = Callable[[list[Sample]], list[int]]


def decode_dtype(precision: str, model: PreTrainedModel) -> torch.dtype:
    """The precision of passes that draw samples. Raises ConfigError where a CUDA device lacks bfloat16.

    ``auto`` is bfloat16 on CUDA devices that compute it, for a model in float32; else the model's own. A CPU gains
    nothing by it: to score the best texts again in float32 takes as long as was saved.
    """
    if precision == "float32" or model.dtype != torch.float32:
        return model.dtype
    on_cuda = model.device.type == "cuda"
    computes = on_cuda and torch.cuda.is_bf16_supported(including_emulation=False)
    if precision == "bfloat16" and on_cuda and not computes:
        raise ConfigError(
            f"decode_precision=bfloat16: {torch.cuda.get_device_name(model.device)} lacks it; set decode_precision: "
            "float32"
        )
    return torch.bfloat16 if precision == "bfloat16" or computes else model.dtype


def score_again(
    model: PreTrainedModel, prompts: Sequence[Sequence[int]], samples: Sequence[list[Sample]], best: Best, steps: int
) -> list[list[Sample]]:
    """``samples`` of lower precision with the model's own log-probabilities for those that are ``best`` by them.

    ``best`` names, of the samples of a prompt, the places of those that will be taken; scoring goes on while the new
    numbers bring others among them; matrices are multiplied in full precision, whatever else torch may do. A sample of
    ``steps`` tokens was cut, and has no end token.
    """
    found = [list(own) for own in samples]
    exact: list[set[Any]] = [set() for _ in found]
    while True:
        wanted = [
            [own[place].token_ids for place in best(own) if own[place].token_ids not in known]
            for own, known in zip(found, exact, strict=True)
        ]
        users = [user for user, texts in enumerate(wanted) if texts]
        if not users:
            return [sorted(own, key=lambda one: (-one.logprob, one.token_ids)) for own in found]
        asked = [prompts[user] for user in users], [wanted[user] for user in users]
        with exact_products():
            scored = text_logprobs(model, *asked, steps=steps, at_once=True)
        for user, values in zip(users, scored, strict=True):
            nats = dict(zip(wanted[user], values.tolist(), strict=True))
            found[user] = [one._replace(logprob=nats.get(one.token_ids, one.logprob)) for one in found[user]]
            exact[user] |= nats.keys()
