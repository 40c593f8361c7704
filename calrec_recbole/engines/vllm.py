"""The samples of ``sampling`` drawn by vLLM, on CUDA: prompts and prefixes are read once by its prefix cache.

Written to vLLM's documentation, never run on vLLM itself: there was no GPU. The draws follow the same distribution as
``sample``'s but are not the same draws. What the two must agree on, and how:

- Log-probabilities at temperature 1: ``logprobs_mode="raw_logprobs"``, before temperature. It has been vLLM's default
  since 0.10; an older vLLM does not know the argument and is refused, since it answers other numbers.
- No other filter: no top-p, top-k, min-p or penalty (``SamplingParams``' own defaults, stated here), and
  ``generation_config="vllm"`` keeps those of the model's folder out.
- The end token is the last of ``token_ids`` and counts in ``max_tokens``, as in ``sample``.
- The model's own dtype; "auto" would turn float32 into half precision.

Sources: https://docs.vllm.ai/en/latest/api/vllm/sampling_params/ and .../configuration/engine_args/.
"""

import gc
import importlib
import tempfile
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from calrec_recbole.backbone import Backbone, save_backbone
from calrec_recbole.errors import BackboneError, ConfigError
from calrec_recbole.generation.requirements import check_prompts, check_settings, end_ids
from calrec_recbole.generation.sampling import Sample

__all__ = ["VllmSampler", "check_vllm", "load_vllm", "sample_with_vllm"]

LOWEST_TEMPERATURE = 0.01  # vLLM raises a lower one to this, and below 1e-5 takes the best token
MEMORY_SHARE = 0.5  # of the GPU's: this process holds the same weights once more


class VllmSampler:
    """Draws samples of ``backbone`` by vLLM; see ``recommender.Draw``.

    vLLM gets the weights as they are when it is first asked: they must be finished.
    """

    def __init__(self, backbone: Backbone) -> None:
        self.backbone = backbone

    def __call__(
        self,
        prompts: Sequence[Sequence[int]],
        n: int,
        temperature: float,
        max_new_tokens: int,
        *,
        seeds: Sequence[int],
    ) -> list[list[Sample]]:
        """``n`` draws of each prompt, as ``sample_with_vllm`` returns them."""
        return sample_with_vllm(self._llm, self.backbone.model, prompts, n, temperature, max_new_tokens, seeds=seeds)

    @cached_property
    def _llm(self) -> Any:
        return load_vllm(self.backbone.model, partial(save_backbone, self.backbone))


def check_vllm() -> Any:
    """The module vllm; ``ConfigError`` where it or CUDA is missing."""
    try:
        vllm = importlib.import_module("vllm")
    except ImportError as problem:
        raise ConfigError(
            f"generation_engine=vllm needs the package vllm ({problem}): pip install vllm, or set "
            "generation_engine: native"
        ) from problem
    if not torch.cuda.is_available():
        raise ConfigError("generation_engine=vllm needs a CUDA device, and none is here: set generation_engine: native")
    return vllm


def load_vllm(model: PreTrainedModel, save: Callable[[Path], None]) -> Any:
    """A ``vllm.LLM`` of the weights that ``save`` writes into a folder; it keeps them whatever ``model`` learns later.

    It takes the first visible CUDA device. Raises ``ConfigError`` (no vLLM, no CUDA, a vLLM before 0.10) or
    ``BackboneError`` (several end ids: ``sample`` counts them as one event, vLLM cannot).
    """
    vllm = check_vllm()
    ends = end_ids(model)
    if len(ends) > 1:
        raise BackboneError(f"generation_engine=vllm knows one end id, not {ends}: set generation_engine: native")
    gc.collect()  # an engine of earlier weights gives its memory back only then
    with tempfile.TemporaryDirectory(prefix="calrec-vllm-") as folder:
        save(Path(folder))
        try:
            return vllm.LLM(
                model=folder,
                dtype=str(model.dtype).removeprefix("torch."),
                enable_prefix_caching=True,
                logprobs_mode="raw_logprobs",
                generation_config="vllm",
                gpu_memory_utilization=MEMORY_SHARE,
            )
        except TypeError as problem:
            raise ConfigError(
                f"generation_engine=vllm needs vllm 0.10 or newer ({problem}): pip install -U vllm"
            ) from problem


def sample_with_vllm(
    llm: Any,
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    n: int = 32,
    temperature: float = 0.5,
    max_new_tokens: int = 80,
    *,
    seeds: Sequence[int],
) -> list[list[Sample]]:
    """``n`` draws of each prompt by ``llm``, as ``sample`` returns them: per prompt the distinct ones, sorted alike.

    ``model`` is the one that ``llm`` was loaded from; ``seeds`` holds one number a prompt. Raises as ``sample`` does.
    """
    check_settings(n, temperature, max_new_tokens)
    if temperature < LOWEST_TEMPERATURE:
        raise ConfigError(f"temperature is {temperature}; generation_engine=vllm takes {LOWEST_TEMPERATURE} or more")
    check_prompts(model, [torch.as_tensor(prompt, dtype=torch.int64) for prompt in prompts], max_new_tokens)
    (end,) = end_ids(model)
    kind = check_vllm().SamplingParams
    settings = [
        kind(
            **{"n": n, "temperature": temperature, "top_p": 1.0, "top_k": -1, "min_p": 0.0, "seed": _spread(seed)},
            **{"max_tokens": max_new_tokens, "stop_token_ids": [end]},
            **{"logprobs": 1, "detokenize": False},  # the drawn token's is always there; 0 meant none in early versions
        )
        for seed, _ in zip(seeds, prompts, strict=True)
    ]
    asked = [{"prompt_token_ids": list(prompt)} for prompt in prompts]  # vllm.TokensPrompt, a TypedDict
    answers = llm.generate(asked, sampling_params=settings, use_tqdm=False) if asked else []
    return [_distinct(answer.outputs, end) for answer in answers]


def _spread(seed: int) -> int:
    """vLLM seeds the i-th draw of a prompt with seed + i: neighbours such as 0 and 1 would share all draws but one."""
    return int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0] >> np.uint64(2))


def _distinct(drawn: Sequence[Any], end: int) -> list[Sample]:
    """vLLM's n outputs of one prompt -> the distinct ones, sorted; of equal ones the highest log-probability stays."""
    found: dict[tuple[int, ...], tuple[int, float]] = {}
    for one in drawn:
        token_ids = tuple(one.token_ids)
        nats = sum(by_token[token].logprob for token, by_token in zip(token_ids, one.logprobs, strict=True))
        ids = token_ids[:-1] if token_ids[-1] == end else token_ids
        count, best = found.get(ids, (0, nats))
        found[ids] = (count + 1, max(best, nats))
    samples = (Sample(ids, count, nats) for ids, (count, nats) in found.items())
    return sorted(samples, key=lambda sample: (-sample.logprob, sample.token_ids))
