"""Tiny random decoders of four architectures, and the plain forward pass that sampling is held against."""

from collections.abc import Callable, Sequence

import pytest
import torch
from transformers import (
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

SIZES = {
    "vocab_size": 12,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "initializer_range": 0.4,  # peaked enough that samples repeat
    "eos_token_id": 0,
    "bos_token_id": None,
    "pad_token_id": None,
}
WINDOW = {"head_dim": 8, "sliding_window": 4, "layer_types": ["sliding_attention", "full_attention"]}
DECODERS: dict[str, Callable[[dict], PreTrainedModel]] = {
    "llama": lambda sizes: LlamaForCausalLM(LlamaConfig(**sizes)),
    "gemma3": lambda sizes: Gemma3ForCausalLM(Gemma3TextConfig(**sizes, **WINDOW, query_pre_attn_scalar=8)),
    "qwen2": lambda sizes: Qwen2ForCausalLM(Qwen2Config(**sizes)),
    "qwen3": lambda sizes: Qwen3ForCausalLM(Qwen3Config(**sizes, **WINDOW, use_sliding_window=True)),
}


@pytest.fixture
def build() -> Callable[..., PreTrainedModel]:
    def build(name: str = "llama", **sizes: object) -> PreTrainedModel:
        torch.manual_seed(0)
        return DECODERS[name](SIZES | sizes)

    return build


@pytest.fixture(params=sorted(DECODERS))
def decoder(request: pytest.FixtureRequest, build: Callable[..., PreTrainedModel]) -> PreTrainedModel:
    return build(request.param)


@pytest.fixture
def llama(build: Callable[..., PreTrainedModel]) -> PreTrainedModel:
    return build("llama")


@pytest.fixture
def plain_logprob() -> Callable[[PreTrainedModel, Sequence[int], Sequence[int]], float]:
    """Nats of a continuation by one pass over the whole sequence, without any cache."""

    @torch.inference_mode()
    def plain_logprob(model: PreTrainedModel, prompt: Sequence[int], continuation: Sequence[int]) -> float:
        logits = model.eval()(torch.tensor([[*prompt, *continuation]])).logits[0].double()
        before = range(len(prompt) - 1, len(prompt) + len(continuation) - 1)
        logprobs = logits.log_softmax(-1)
        return sum(float(logprobs[place, token]) for place, token in zip(before, continuation, strict=True))

    return plain_logprob


@pytest.fixture
def passes() -> Callable[[PreTrainedModel], list[int]]:
    """Watches a model: the returned list grows by the number of tokens of each forward pass."""

    def watch(model: PreTrainedModel) -> list[int]:
        rows: list[int] = []
        model.get_input_embeddings().register_forward_pre_hook(lambda _, read: rows.append(read[0].numel()))
        return rows

    return watch
