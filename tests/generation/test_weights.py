"""Which passes read a model, that they are its own, and that a copy of weights is never older than they are."""

import logging

import pytest
import torch
from transformers import (
    Ernie4_5Config,
    Ernie4_5ForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    MistralConfig,
    MistralForCausalLM,
    SmolLM3Config,
    SmolLM3ForCausalLM,
)

from calrec_recbole.backbone import AdapterSettings, add_adapters, add_dropout
from calrec_recbole.generation import sample, weights
from calrec_recbole.generation.shared_prefix import lean_decoder as lean
from calrec_recbole.generation.shared_prefix.lean_decoder import LeanDecoder
from calrec_recbole.generation.shared_prefix.packed_decoder import ModelDecoder
from calrec_recbole.generation.weights import decoder_of

SIZES = {"vocab_size": 12, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "eos_token_id": 0}
HEADS = {"num_attention_heads": 4, "num_key_value_heads": 2, "initializer_range": 0.4, "pad_token_id": None}
ALIKE = {
    "mistral": lambda: MistralForCausalLM(MistralConfig(**SIZES, **HEADS, sliding_window=8)),
    "no positions in some layers": lambda: SmolLM3ForCausalLM(
        SmolLM3Config(**SIZES, **HEADS, no_rope_layers=[1, 0, 1])
    ),
}
OTHER = {
    "positions in pairs": lambda: Ernie4_5ForCausalLM(Ernie4_5Config(**SIZES, **HEADS, head_dim=8)),
    "gpt2": lambda: GPT2LMHeadModel(
        GPT2Config(
            vocab_size=12, n_embd=32, n_layer=2, n_head=4, initializer_range=0.4, eos_token_id=0, bos_token_id=None
        )
    ),
}
PROMPTS = [[1, 2, 3], [4, 5, 7, 8, 1, 2, 3, 4, 5]]


def built(factory):
    torch.manual_seed(0)
    return factory().eval()


def assert_logprobs_are_plain(model, plain_logprob, **asked):
    for prompt, samples in zip(PROMPTS, sample(model, PROMPTS, n=12, max_new_tokens=6, **asked), strict=True):
        for one in samples:
            end = [0] if len(one.token_ids) < 6 else []
            assert one.logprob == pytest.approx(plain_logprob(model, prompt, [*one.token_ids, *end]), abs=1e-4)


def test_the_architectures_of_the_other_tests_are_read_in_few_calls(decoder):
    assert isinstance(decoder_of(decoder), LeanDecoder)


@pytest.fixture(params=[False, True], ids=["products apart", "products joined"])
def joined(request, monkeypatch):
    for module in (lean, weights):
        monkeypatch.setattr(module, "joins", lambda device: request.param)
    return request.param


@pytest.mark.parametrize("name", sorted(ALIKE))
def test_what_is_built_alike_is_too(name, plain_logprob, joined):
    model = built(ALIKE[name])
    assert isinstance(decoder_of(model), LeanDecoder)
    assert_logprobs_are_plain(model, plain_logprob)


@pytest.mark.parametrize("name", sorted(OTHER))
def test_what_is_built_otherwise_keeps_its_own_modules(name, plain_logprob, caplog):
    model = built(OTHER[name])
    with caplog.at_level(logging.WARNING):
        assert isinstance(decoder_of(model), ModelDecoder)
        decoder_of(model)
    assert_logprobs_are_plain(model, plain_logprob)
    told = [record.getMessage() for record in caplog.records if "calrec" in record.name]
    assert len(told) == (name == "positions in pairs")  # only the numbers tell it from Llama
    assert all("sampling takes the modules of transformers" in line for line in told)


@pytest.mark.parametrize("part", ["_turn", "_onto"])
def test_wrong_passes_in_few_calls_are_never_taken(llama, plain_logprob, monkeypatch, part):
    wrong = {"_turn": lambda *_: None, "_onto": lambda hidden, values, weights, _: hidden + values @ weights[0] / 2}
    monkeypatch.setattr(lean, part, wrong[part])
    assert isinstance(decoder_of(llama), ModelDecoder)
    assert_logprobs_are_plain(llama, plain_logprob)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_copy_stays_while_the_weights_do(llama, dtype):
    assert decoder_of(llama, dtype) is decoder_of(llama, dtype)
    assert decoder_of(llama, dtype).dtype == dtype
    assert llama.dtype == torch.float32


def by_optimiser(model):
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.1)
    model(torch.tensor([[1, 2, 3]]), labels=torch.tensor([[1, 2, 3]])).loss.backward()
    optimiser.step()


def by_loading(model):
    model.load_state_dict({name: values + 0.1 for name, values in model.state_dict().items()})


def behind_torchs_back(model):
    for one in model.parameters():
        one.data.mul_(1.1)


def with_other_tensors(model):
    for one in model.parameters():
        one.data = one.data + 0.1


@pytest.mark.parametrize("change", [by_optimiser, by_loading, behind_torchs_back, with_other_tensors])
def test_changed_weights_are_read_anew(llama, plain_logprob, change):
    sample(llama, PROMPTS, n=2, max_new_tokens=2)
    old = decoder_of(llama, torch.bfloat16)
    change(llama)
    assert_logprobs_are_plain(llama, plain_logprob)
    assert decoder_of(llama, torch.bfloat16) is not old


def test_biases_and_norms_of_heads(build, plain_logprob, joined):
    for name in ("qwen2", "qwen3", "gemma3"):
        model = build(name)
        torch.nn.init.normal_(model.model.layers[0].self_attn.q_proj.weight, std=0.5)
        assert isinstance(decoder_of(model), LeanDecoder)
        assert_logprobs_are_plain(model, plain_logprob)


def test_on_a_cpu_no_weight_is_held_twice(llama):
    own = {one.untyped_storage().data_ptr() for one in llama.parameters()}
    read = decoder_of(llama)
    for block in read._blocks:
        for matrix, _ in (*block.into_heads, block.out, *block.gate_and_up, block.down):
            assert matrix.untyped_storage().data_ptr() in own


def test_adapters_are_read_too(llama, plain_logprob, joined):
    sample(llama, PROMPTS, n=2, max_new_tokens=2)
    add_adapters(llama, AdapterSettings(lora_rank=2), seed=1)
    with torch.no_grad():
        for name, one in llama.named_parameters():
            if "lora_B" in name:
                one.normal_(generator=torch.Generator().manual_seed(1))
    assert isinstance(decoder_of(llama), LeanDecoder)
    assert_logprobs_are_plain(llama, plain_logprob)


@pytest.mark.parametrize("name", ["mistral", "gpt2"])
def test_dropout_never_acts(name, plain_logprob):
    model = built((ALIKE | OTHER)[name])
    if name == "mistral":
        add_dropout(model, 0.5)
    model.train()
    assert_logprobs_are_plain(model, plain_logprob, seeds=[1, 2])


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_a_lower_precision_samples_nearly_the_same(build, name):
    model = build("llama") if name == "llama" else built(OTHER["gpt2"])
    exact = sample(model, PROMPTS, n=200, max_new_tokens=1, temperature=1.0, seeds=[1, 2])
    before = {key: values.clone() for key, values in model.state_dict().items()}
    rounded = sample(model, PROMPTS, n=200, max_new_tokens=1, temperature=1.0, seeds=[1, 2], dtype=torch.bfloat16)
    assert all(torch.equal(values, before[key]) for key, values in model.state_dict().items())
    for left, right in zip(exact, rounded, strict=True):
        counts = {one.token_ids: one.count for one in right}
        assert sum(min(one.count, counts.get(one.token_ids, 0)) for one in left) > 170
        assert [one.logprob for one in left] != [one.logprob for one in right]
