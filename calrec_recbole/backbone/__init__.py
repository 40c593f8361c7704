"""Causal language models: a hub id, a local folder, a GGUF file, or a small one trained from scratch."""

from calrec_recbole.backbone.load import Backbone, load_backbone, names_nothing, no_bars, read_backbone, save_backbone
from calrec_recbole.backbone.lora import AdapterSettings, add_adapters, merged_weights
from calrec_recbole.backbone.scratch import ScratchSizes, add_dropout, scratch_model, train_tokenizer

__all__ = [
    "AdapterSettings",
    "Backbone",
    "ScratchSizes",
    "add_adapters",
    "add_dropout",
    "load_backbone",
    "merged_weights",
    "names_nothing",
    "no_bars",
    "read_backbone",
    "save_backbone",
    "scratch_model",
    "train_tokenizer",
]
