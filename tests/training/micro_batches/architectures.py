"""Small models of the architectures that can be packed."""

import torch
import transformers

from calrec_recbole.backbone import Backbone

CPU = torch.device("cpu")


SIZES = {"vocab_size": 60, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2}


HEADS = {"num_attention_heads": 4, "num_key_value_heads": 2}


GEMMA_LAYERS = {"layer_types": ["sliding_attention", "full_attention"], "sliding_window": 5}


ARCHITECTURES = {
    "llama": ("LlamaConfig", {**SIZES, **HEADS}),
    "mistral, windows of 5": ("MistralConfig", {**SIZES, **HEADS, "sliding_window": 5}),
    "qwen2": ("Qwen2Config", {**SIZES, **HEADS}),
    "qwen3": ("Qwen3Config", {**SIZES, **HEADS, "head_dim": 8}),
    "gemma3, one layer with windows": ("Gemma3TextConfig", {**SIZES, **HEADS, "head_dim": 8, **GEMMA_LAYERS}),
    "gpt-neox": ("GPTNeoXConfig", {**SIZES, "num_attention_heads": 4}),
    "smollm3": ("SmolLM3Config", {**SIZES, **HEADS, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}),
    "gpt2": ("GPT2Config", {"vocab_size": 60, "n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 64}),
}


def backbone_of(name, **changes):
    kind, sizes = ARCHITECTURES[name]
    torch.manual_seed(3)
    config = getattr(transformers, kind)(**{**sizes, **changes})
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.2)  # so that attention is far from uniform
    return Backbone(model, None)
