import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    Gemma2Config,
    Gemma2ForCausalLM,
    GPTNeoConfig,
    GPTNeoForCausalLM,
    OPTConfig,
    OPTForCausalLM,
)

from calrec_recbole.backbone import (
    Backbone,
    ScratchSizes,
    add_dropout,
    load_backbone,
    no_bars,
    read_backbone,
    save_backbone,
    scratch_model,
    train_tokenizer,
)
from calrec_recbole.errors import BackboneError
from calrec_recbole.generation import sample

TEXTS = [f"Title: Cordless drill {n} volt. Category: Power tools. Brand: Bosch. Price: Unknown." for n in range(40)]
SIZES = ScratchSizes(400, 32, 2, 2, 64, 0.5)


@pytest.fixture
def backbone():
    tokenizer = train_tokenizer(TEXTS, SIZES.vocab_size, merge_across_words=True)
    return Backbone(scratch_model(SIZES, len(tokenizer), tokenizer.eos_token_id, 128, seed=3), tokenizer)


def test_a_saved_backbone_is_a_standard_folder(backbone, tmp_path):
    add_dropout(backbone.model, 0.5)
    save_backbone(backbone, tmp_path)
    ids = torch.tensor([backbone.tokenizer(TEXTS[0])["input_ids"]])
    backbone.model.eval()
    with torch.no_grad():
        expected = backbone.model(ids).logits
        model = AutoModelForCausalLM.from_pretrained(tmp_path)
        torch.testing.assert_close(model(ids).logits, expected)
        torch.testing.assert_close(read_backbone(tmp_path).model(ids).logits, expected)
    assert AutoTokenizer.from_pretrained(tmp_path)(TEXTS[0])["input_ids"] == ids[0].tolist()


def test_logits_are_the_models_own_with_soft_capping_too(backbone):
    torch.manual_seed(0)
    config = Gemma2Config(
        vocab_size=50, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=8, final_logit_softcapping=0.5,
    )  # fmt: skip
    for model in (backbone.model.eval(), Gemma2ForCausalLM(config).eval()):
        ids = torch.arange(1, 9)[None]
        with torch.no_grad():
            ours = Backbone(model, None).logits(model.base_model(ids).last_hidden_state)
            torch.testing.assert_close(ours, model(ids).logits)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("no/such/model.gguf", "no such GGUF file"),
        ("./no/such/folder", r"cannot be loaded \(no such folder, and no hub id\): give 'scratch'"),
    ],
)
def test_what_cannot_be_loaded_is_named(source, message, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(BackboneError, match=message):
        load_backbone(source)


def test_a_tokenizer_without_end_token_is_refused(backbone, tmp_path):
    save_backbone(backbone, tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    tokenizer.eos_token = None
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(BackboneError, match="no end token"):
        load_backbone(str(tmp_path))


def test_truncated_weights_are_refused_in_one_line(backbone, tmp_path):
    save_backbone(backbone, tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(BackboneError, match="cannot be loaded"):
        read_backbone(tmp_path)


TINY = {"vocab_size": 400, "hidden_size": 16}
LAYERS = {"num_hidden_layers": 2, "num_attention_heads": 2}
SAMPLED = {
    "gpt_neo": lambda: GPTNeoForCausalLM(
        GPTNeoConfig(**TINY, num_layers=2, num_heads=2, attention_types=[[["global", "local"], 1]])
    ),
    "gemma2": lambda: Gemma2ForCausalLM(
        Gemma2Config(**TINY, **LAYERS, intermediate_size=32, head_dim=8, num_key_value_heads=1)
    ),
    "opt": lambda: OPTForCausalLM(
        OPTConfig(**TINY, **LAYERS, ffn_dim=32, word_embed_proj_dim=16, max_position_embeddings=128)
    ),
}


@pytest.fixture
def saved(backbone, tmp_path):
    def saved(name):
        torch.manual_seed(0)
        save_backbone(Backbone(SAMPLED[name](), backbone.tokenizer), tmp_path)
        return str(tmp_path)

    return saved


@pytest.mark.parametrize("name", ["gpt_neo", "gemma2"])
def test_a_backbone_that_cannot_be_sampled_is_refused_when_it_is_loaded(saved, name):
    folder = saved(name)
    with pytest.raises(BackboneError, match=r"^backbone=.*choose another backbone$"):
        load_backbone(folder)
    assert load_backbone(folder, samples=False)  # for an engine that knows it


def test_opt_is_sampled(saved):
    backbone = load_backbone(saved("opt"))
    assert sample(backbone.model, [[5, 6, 7]], n=4, max_new_tokens=3)


def test_transformers_shows_no_bars_and_downloads_still_do():
    from huggingface_hub.utils import are_progress_bars_disabled
    from transformers.utils import logging as transformers_logging

    with no_bars():
        assert not transformers_logging.is_progress_bar_enabled()
        assert not are_progress_bars_disabled()
    assert transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()  # somebody wants none at all
    try:
        with no_bars():
            assert are_progress_bars_disabled()
        assert not transformers_logging.is_progress_bar_enabled()
    finally:
        transformers_logging.enable_progress_bar()
