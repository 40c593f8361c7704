"""The samples of ``sampling`` drawn by vLLM on any of its platforms; its prefix cache reads prompts and prefixes once.

The draws follow the same distribution as ``sample``'s but are not the same draws. What the two must agree on, and how:

- Log-probabilities at temperature 1: ``logprobs_mode="raw_logprobs"``, before temperature. It has been vLLM's default
  since 0.10; an older vLLM does not know the argument and is refused, since it answers other numbers.
- No other filter: no top-p, top-k, min-p or penalty (``SamplingParams``' own defaults, stated here), and
  ``generation_config="vllm"`` keeps those of the model's folder out.
- The end token is the last of ``token_ids`` and counts in ``max_tokens``, as in ``sample``.
- The model's own dtype; "auto" would turn float32 into half precision.

Sources: https://docs.vllm.ai/en/latest/api/vllm/sampling_params/ and .../configuration/engine_args/.
"""

import gc
import json
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from calrec_recbole.backbone import Backbone, save_backbone
from calrec_recbole.errors import BackboneError, ConfigError
from calrec_recbole.generation.requirements import check_prompts, check_settings, end_ids
from calrec_recbole.generation.sampling import Sample, counted
from calrec_recbole.stored_files import one_line

__all__ = ["Vllm", "VllmSampler", "check_vllm", "load_vllm", "sample_with_vllm"]

LOWEST_TEMPERATURE = 0.01  # vLLM raises a lower one to this, and below 1e-5 takes the best token
MEMORY_SHARE = 0.5  # of the GPU's: this process holds the same weights once more
PROCESS = "calrec_recbole.engines.vllm_process"


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
    def _llm(self) -> "Vllm":
        return load_vllm(self.backbone.model, partial(save_backbone, self.backbone))


class Vllm:
    """The process of `vllm_process`; it ends with this object."""

    def __init__(self, command: Sequence[str] = (sys.executable, "-m", PROCESS)) -> None:
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._end = weakref.finalize(self, _end, self.process)

    def ask(self, request: dict[str, Any]) -> Any:
        """The answer to ``request``. Raises ``ConfigError`` with what vLLM told, or that it is gone."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            print(json.dumps(request), file=self.process.stdin, flush=True)
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise ConfigError(
                f"generation_engine=vllm: its process ended with code {self.process.wait()}; its lines are above; "
                "mend that, or set generation_engine: native"
            )
        answer = json.loads(line)
        if isinstance(answer, dict) and answer.get("error") == "TypeError":
            raise ConfigError(
                f"generation_engine=vllm needs vllm 0.10 or newer ({answer['told']}): pip install -U vllm"
            )
        if isinstance(answer, dict) and "error" in answer:
            told = one_line(ValueError(f"{answer['error']}: {answer['told']}"))
            raise ConfigError(f"generation_engine=vllm refuses ({told}); mend that, or set generation_engine: native")
        return answer


def _end(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    for pipe in (process.stdin, process.stdout):
        pipe.close()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def check_vllm() -> None:
    """``ConfigError`` where the package vllm is missing."""
    if find_spec("vllm") is None:
        raise ConfigError(
            "generation_engine=vllm needs the package vllm: pip install vllm, or set generation_engine: native; of a "
            "vLLM elsewhere, openai and engine_url"
        )


def load_vllm(model: PreTrainedModel, save: Callable[[Path], None], start: Callable[[], Vllm] = Vllm) -> Vllm:
    """A vLLM of the weights that ``save`` writes into a folder; it keeps them whatever ``model`` learns later.

    Raises ``ConfigError`` (no vLLM, one before 0.10, or what it refuses) or ``BackboneError`` (several end ids:
    ``sample`` counts them as one event, vLLM cannot).
    """
    check_vllm()
    ends = end_ids(model)
    if len(ends) > 1:
        raise BackboneError(f"generation_engine=vllm knows one end id, not {ends}: set generation_engine: native")
    gc.collect()  # an engine of earlier weights gives its memory back only then
    with tempfile.TemporaryDirectory(prefix="calrec-vllm-") as folder:
        save(Path(folder))
        llm = start()
        llm.ask(
            {
                **{"model": folder, "dtype": str(model.dtype).removeprefix("torch."), "generation_config": "vllm"},
                **{"enable_prefix_caching": True, "logprobs_mode": "raw_logprobs"},
                **{"gpu_memory_utilization": MEMORY_SHARE},
            }
        )
    return llm


def sample_with_vllm(
    llm: Vllm,
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
    if not prompts:
        return []
    settings = {
        **{"n": n, "temperature": temperature, "top_p": 1.0, "top_k": -1, "min_p": 0.0},
        **{"max_tokens": max_new_tokens, "stop_token_ids": [end]},
        **{"logprobs": 1, "detokenize": False},  # the drawn token's is always there; 0 meant none in early versions
    }
    spread = [_spread(seed) for seed, _ in zip(seeds, prompts, strict=True)]
    answers = llm.ask({"prompts": [list(map(int, one)) for one in prompts], "settings": settings, "seeds": spread})
    return [counted((_without(ids, end), nats) for ids, nats in drawn) for drawn in answers]


def _spread(seed: int) -> int:
    """vLLM seeds the i-th draw of a prompt with seed + i: neighbours such as 0 and 1 would share all draws but one."""
    return int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0] >> np.uint64(2))


def _without(ids: Sequence[int], end: int) -> tuple[int, ...]:
    return tuple(ids[:-1] if ids[-1] == end else ids)
