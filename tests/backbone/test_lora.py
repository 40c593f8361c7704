"""LoRA: what is trained, what is saved, and what is refused."""

import sys

import pytest
import torch
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel, MixtralConfig, MixtralForCausalLM

from calrec_recbole.backbone import (
    AdapterSettings,
    Backbone,
    ScratchSizes,
    add_adapters,
    save_backbone,
    scratch_model,
    train_tokenizer,
)
from calrec_recbole.errors import ConfigError

SIZES = ScratchSizes(300, 16, 2, 2, 32, 0.0)
IDS = torch.arange(1, 13)[None]


def small_model():
    return scratch_model(SIZES, 300, 0, 64, seed=3).eval()


def adapted(**changes):
    model = small_model()
    add_adapters(model, AdapterSettings(**{"lora_rank": 2, **changes}), seed=7)
    return model


def drawn(model):
    """B starts at zero; after training it is not."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(generator=generator)
    return model


def logits(model):
    with torch.no_grad():
        return model(IDS).logits


def test_fresh_adapters_change_nothing():
    assert torch.equal(logits(adapted()), logits(small_model()))


def test_only_adapters_are_trained():
    model = adapted(lora_targets=["q_proj", "v_proj"])
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert trained == {
        f"model.layers.{layer}.self_attn.{target}_proj.lora_{part}.default.weight"
        for layer in range(2)
        for target in "qv"
        for part in "AB"
    }


def test_every_linear_map_but_the_head_has_an_adapter():
    names = {name.split(".lora_")[0] for name, _ in adapted().named_parameters() if ".lora_" in name}
    attention = {f"self_attn.{part}_proj" for part in "qkvo"}
    mlp = {f"mlp.{part}_proj" for part in ("gate", "up", "down")}
    assert names == {f"model.layers.{layer}.{part}" for layer in range(2) for part in attention | mlp}


@pytest.mark.parametrize("alpha", [16.0, 3.0])
def test_the_saved_folder_is_a_plain_model_with_the_adapted_ones_logits(tmp_path, alpha):
    model = drawn(adapted(lora_alpha=alpha))
    assert not torch.allclose(logits(model), logits(small_model()), atol=1e-2)
    before = logits(model)
    tokenizer = train_tokenizer(["Title: Tape."], 300, merge_across_words=True)
    save_backbone(Backbone(model, tokenizer), tmp_path)
    merged = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert not [name for name, _ in merged.named_parameters() if "lora" in name]
    assert not list(tmp_path.glob("adapter*"))
    torch.testing.assert_close(logits(merged), before, rtol=1e-4, atol=1e-4)
    assert torch.equal(logits(model), before)


def test_the_merged_matrix_is_w_plus_alpha_over_r_times_b_a(tmp_path):
    model = drawn(adapted(lora_alpha=3.0))
    map_ = model.model.layers[1].mlp.up_proj
    a, b = map_.lora_A["default"].weight, map_.lora_B["default"].weight
    expected = map_.base_layer.weight + 3 / 2 * b @ a
    save_backbone(Backbone(model, train_tokenizer(["Title: Tape."], 300, merge_across_words=True)), tmp_path)
    saved = AutoModelForCausalLM.from_pretrained(tmp_path).model.layers[1].mlp.up_proj.weight
    torch.testing.assert_close(saved, expected.detach())


def test_the_same_seed_gives_the_same_adapters_and_leaves_torchs_state_alone():
    torch.manual_seed(9)
    expected = torch.rand(1)
    torch.manual_seed(9)
    first, second = adapted(), adapted()
    assert torch.rand(1) == expected
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lora_rank": -1}, "lora_rank=-1 must be at least 0"),
        ({"lora_alpha": 0}, "lora_alpha=0"),
        ({"lora_dropout": 1.0}, "lora_dropout=1.0"),
        ({"lora_targets": []}, r"lora_targets=\[\]"),
        (
            {"lora_targets": ["query"]},
            r"lora_targets=\['query'\] with lora_dropout=0.0 do not fit.*down_proj, gate_proj.*v_proj",
        ),
    ],
)
def test_settings_that_do_not_fit_are_named(changes, message):
    with pytest.raises(ConfigError, match=message):
        adapted(**changes)


def mixture_of_experts():
    torch.manual_seed(3)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2, "num_key_value_heads": 1}
    return MixtralForCausalLM(MixtralConfig(vocab_size=300, num_hidden_layers=2, num_local_experts=4, **sizes)).eval()


@pytest.mark.filterwarnings("ignore:The following .*_pattern keys:RuntimeWarning")  # of peft's own making
def test_adapters_of_experts_are_merged_too(tmp_path):
    model = mixture_of_experts()
    before = logits(model)
    add_adapters(model, AdapterSettings(lora_rank=2), seed=7)
    names = [name for name, _ in drawn(model).named_parameters() if "lora_B" in name]
    assert sum(".experts." in name for name in names) == 4  # two matrices of all experts in each of two layers
    adapted_logits = logits(model)
    assert not torch.allclose(adapted_logits, before, atol=1e-2)
    save_backbone(Backbone(model, train_tokenizer(["Title: Tape."], 300, merge_across_words=True)), tmp_path)
    torch.testing.assert_close(logits(AutoModelForCausalLM.from_pretrained(tmp_path)), adapted_logits)


def test_what_peft_cannot_do_with_experts_is_told_with_its_reason():
    with pytest.raises(ConfigError, match=r"lora_dropout=0.1 do not fit .*does not work with lora_dropout != 0"):
        add_adapters(mixture_of_experts(), AdapterSettings(lora_rank=2, lora_dropout=0.1), seed=7)


def test_the_maps_of_gpt2_are_named():
    model = GPT2LMHeadModel(GPT2Config(vocab_size=300, n_embd=16, n_layer=1, n_head=2))
    with pytest.raises(ConfigError, match=r"its linear maps are c_attn, c_fc, c_proj, lm_head$"):
        add_adapters(model, AdapterSettings(lora_rank=2, lora_targets=["q_proj", "v_proj"]), seed=7)


def test_a_missing_peft_is_told_in_one_line_before_anything_is_loaded(monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    AdapterSettings(lora_rank=0)
    with pytest.raises(ConfigError, match=r"lora_rank=4 needs the package peft: pip install peft") as caught:
        AdapterSettings(lora_rank=4)
    assert "\n" not in str(caught.value)
