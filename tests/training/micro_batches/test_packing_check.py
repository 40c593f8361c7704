"""Whether a backbone reads packed rows as it reads sequences alone."""

import pytest
import torch
import transformers

from calrec_recbole.attention.varlen import varlen_attention_in_loops
from calrec_recbole.backbone import Backbone
from calrec_recbole.errors import BackboneError, ConfigError
from calrec_recbole.training.micro_batches import packed_attention
from calrec_recbole.training.micro_batches.packing_check import reads_packed
from tests.training.micro_batches.architectures import ARCHITECTURES, CPU, HEADS, SIZES, backbone_of


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_check_passes_what_can_be_packed(name, precision):
    assert reads_packed(backbone_of(name), "auto", CPU, precision)


def without_dropout(*args, dropout, **options):
    return varlen_attention_in_loops(*args, **options)


def of_two_sequences(q, k, v, one, other, **options):
    """The first two see each other."""
    merged = [packed_attention.Segments(segments.starts[[0, 2, 3]], 100) for segments in (one, other)]
    return without_dropout(q, k, v, *merged, **options)


WRONG = {
    "queries of the place before": lambda q, *args, **options: without_dropout(q.roll(1, 0), *args, **options),
    "no mask": lambda *args, **options: without_dropout(*args, **{**options, "causal": False}),
    "other scale": lambda *args, scaling, **options: without_dropout(*args, scaling=1.5 * scaling, **options),
    "one sequence sees another": of_two_sequences,
    "no window": lambda *args, **options: without_dropout(*args, **{**options, "window": None}),
}


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("wrong", WRONG)
def test_the_check_refuses_an_attention_that_is_wrong_in_one_precision(wrong, precision, monkeypatch):
    def attention(query, *args, **options):
        return (WRONG[wrong] if query.dtype == precision else without_dropout)(query, *args, **options)

    monkeypatch.setattr(packed_attention, "fused", lambda states: True)
    monkeypatch.setattr(packed_attention, "varlen_attention", attention)
    backbone = backbone_of("mistral, windows of 5")
    for weight in backbone.model.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    assert not reads_packed(backbone, "auto", CPU, precision)
    with pytest.raises(ConfigError, match="packing=true: MistralForCausalLM reads packed rows otherwise"):
        reads_packed(backbone, True, CPU, precision)
    assert backbone.model.config._attn_implementation == "sdpa"


def test_an_attention_that_asks_for_more_is_refused_by_name():
    with pytest.raises(BackboneError, match="asks for softcap"):
        packed_attention.packed_attention(torch.nn.Identity(), *[torch.zeros(1, 1, 2, 4)] * 3, None, softcap=30.0)


@pytest.mark.parametrize(
    ("kind", "sizes"),
    [
        ("Gemma2Config", {**SIZES, **HEADS, "head_dim": 8}),  # caps its scores
        ("BloomConfig", {"vocab_size": 60, "hidden_size": 16, "n_layer": 2, "n_head": 2}),  # no attention interface
        ("MambaConfig", {"vocab_size": 60, "hidden_size": 16, "num_hidden_layers": 2, "state_size": 4}),
    ],
)
def test_what_cannot_be_packed_is_padded_and_the_log_says_why(kind, sizes, caplog):
    model = transformers.AutoModelForCausalLM.from_config(getattr(transformers, kind)(**sizes))
    with caplog.at_level("INFO"):
        assert not reads_packed(Backbone(model, None), "auto", CPU, torch.float32)
    assert "sequences are padded, not packed: " in caplog.text
    with pytest.raises(ConfigError, match=r"packing=true: .*; set packing: auto"):
        reads_packed(Backbone(model, None), True, CPU, torch.float32)
