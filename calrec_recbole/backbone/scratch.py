"""A small Llama-architecture decoder and its tokenizer, made from nothing but the catalogue and the template."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from calrec_recbole.backbone.pretrained import check_trained_size
from calrec_recbole.errors import ConfigError
from calrec_recbole.prompts import FIRST_ITEM, NEXT_ITEM, USER_PREFIX
from calrec_recbole.setting_groups import check_ranges, ranged

__all__ = ["ScratchSizes", "add_dropout", "scratch_model", "train_tokenizer"]

END_TOKEN = "<|end|>"


@dataclass(frozen=True)
class ScratchSizes:
    """Sizes of a decoder trained from scratch; ``dropout`` acts on the embeddings and on every block's output."""

    prefix: ClassVar[str] = "scratch_"

    vocab_size: int = ranged(12000, "[257, 1e12]")  # one token a byte and the end token at least
    hidden_size: int = ranged(256, "[1, 1e12]")
    num_hidden_layers: int = ranged(4, "[1, 1e12]")
    num_attention_heads: int = ranged(4, "[1, 1e12]")
    intermediate_size: int = ranged(768, "[1, 1e12]")
    dropout: float = ranged(0.1, "[0, 1)")
    merge_across_words: bool = True

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.hidden_size % (2 * self.num_attention_heads):
            wanted = f"a multiple of twice scratch_num_attention_heads={self.num_attention_heads}"
            raise ConfigError(f"scratch_hidden_size={self.hidden_size} must be {wanted}")
        check_trained_size(self.num_hidden_layers, self.hidden_size, self.intermediate_size, self.vocab_size)


def train_tokenizer(texts: Iterable[str], vocab_size: int, *, merge_across_words: bool) -> PreTrainedTokenizerFast:
    """Byte-level BPE on the distinct item texts and the template.

    With ``merge_across_words`` merges may cross white space but not the border between two attributes ("SuperBPE",
    Liu et al. 2025): a catalogue repeats whole phrases, and one token for each halves the sequences.
    """
    tokenizer = Tokenizer(models.BPE())
    if merge_across_words:
        border = pre_tokenizers.Split(Regex(r"(?<=\.) (?=\p{Lu}\w*: )"), behavior="merged_with_next")
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [border, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
        )
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    spans = [f"{USER_PREFIX} {FIRST_ITEM}", NEXT_ITEM]
    items = [f" {text}" for text in dict.fromkeys(texts)]
    tokenizer.train_from_iterator(
        spans * max(1, len(items) // 10) + items,
        trainers.BpeTrainer(
            vocab_size=vocab_size,
            special_tokens=[END_TOKEN],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END_TOKEN, clean_up_tokenization_spaces=False)


def scratch_model(sizes: ScratchSizes, vocab_size: int, end: int, max_positions: int, seed: int) -> LlamaForCausalLM:
    """A randomly initialised Llama with tied embeddings, in float32; the same seed gives the same weights."""
    config = LlamaConfig(
        vocab_size=vocab_size,
        hidden_size=sizes.hidden_size,
        num_hidden_layers=sizes.num_hidden_layers,
        num_attention_heads=sizes.num_attention_heads,
        intermediate_size=sizes.intermediate_size,
        max_position_embeddings=max_positions,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=end,
        pad_token_id=end,
    )
    with torch.random.fork_rng(devices=[]):  # the weights are drawn on the CPU
        torch.manual_seed(seed)
        return LlamaForCausalLM(config)


def add_dropout(model: Any, probability: float) -> None:
    """Dropout on the embeddings and on the output of every attention and MLP block, in training only.

    Llama has none of its own, and a small data set wants it. It is put on by hooks: what is saved stays a plain Llama.
    """

    def drop(module: nn.Module, inputs: Any, output: Tensor | tuple[Tensor, ...]) -> Tensor | tuple[Tensor, ...]:
        if not module.training:
            return output
        if isinstance(output, tuple):
            return (F.dropout(output[0], probability), *output[1:])
        return F.dropout(output, probability)

    if probability > 0:
        model.get_input_embeddings().register_forward_hook(drop)
        for layer in model.base_model.layers:
            layer.self_attn.register_forward_hook(drop)
            layer.mlp.register_forward_hook(drop)
