"""Where Recformer's network and tokenizer come from: nothing, a Longformer, or an earlier run of Recformer."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoConfig, AutoTokenizer, LongformerConfig, PreTrainedTokenizerFast
from transformers.utils import logging as transformers_logging

from calrec_recbole.backbone import names_nothing, no_bars
from calrec_recbole.backbone.pretrained import NO_CODE, check_size, check_trained_size
from calrec_recbole.baselines.recformer.longformer import RecformerNetwork
from calrec_recbole.errors import BackboneError, ConfigError
from calrec_recbole.setting_groups import check_ranges, ranged
from calrec_recbole.stored_files import reading

__all__ = ["Backbone", "LongformerSizes", "from_longformer", "from_scratch", "read_backbone", "save_backbone"]

SPECIAL = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>", "mask_token": "<mask>"}
OTHER = "give 'scratch', a hub id or a local folder of a Longformer"
TOKEN_TYPES = 4
SHARED, AVERAGED = 0.1, 5.0  # of a network from scratch


class Backbone(NamedTuple):
    """A network and the tokenizer that its word embeddings belong to."""

    network: RecformerNetwork
    tokenizer: Any


@dataclass(frozen=True)
class LongformerSizes:
    """Sizes of a network trained from scratch; ``dropout`` also acts on attention, as in Longformer."""

    prefix: ClassVar[str] = "scratch_"

    vocab_size: int = ranged(8000, "[261, 1e12]")  # a token a byte and the special ones at least
    hidden_size: int = ranged(128, "[1, 1e12]")
    num_hidden_layers: int = ranged(2, "[1, 1e12]")
    num_attention_heads: int = ranged(2, "[1, 1e12]")
    intermediate_size: int = ranged(512, "[1, 1e12]")
    dropout: float = ranged(0.1, "[0, 1)")

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.hidden_size % self.num_attention_heads:
            wanted = f"a multiple of scratch_num_attention_heads={self.num_attention_heads}"
            raise ConfigError(f"scratch_hidden_size={self.hidden_size} must be {wanted}")
        check_trained_size(self.num_hidden_layers, self.hidden_size, self.intermediate_size, self.vocab_size)


def from_scratch(
    sizes: LongformerSizes, texts: Iterable[str], window: int, positions: int, max_tokens: int
) -> Backbone:
    """A network with weights drawn by torch's seed, and byte-level BPE learnt on ``texts``, as Longformer's own is.

    Weights begin so that the texts tell items apart, as those of a pretrained network do: standard deviation
    hidden_size^-0.5, a tenth of it for positions, types and item positions, which all items share, and ``AVERAGED``
    times as much where attention, an average over some ``AVERAGED`` squared words, is put out. With Longformer's 0.02
    the first tokens of all items of Scientific begin as one vector (mean cosine .99996 at 128), with hidden_size^-0.5
    everywhere nearly so (.991); as above it is .63, and only what the table tells apart can be learnt by fine-tuning.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=sizes.vocab_size,
        special_tokens=list(SPECIAL.values()),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, clean_up_tokenization_spaces=False, **SPECIAL)
    beside: dict[str, Any] = {"item_positions": positions}  # no field of a Longformer's own
    config = LongformerConfig(
        vocab_size=len(fast),
        hidden_size=sizes.hidden_size,
        num_hidden_layers=sizes.num_hidden_layers,
        num_attention_heads=sizes.num_attention_heads,
        intermediate_size=sizes.intermediate_size,
        hidden_dropout_prob=sizes.dropout,
        attention_probs_dropout_prob=sizes.dropout,
        max_position_embeddings=max_tokens + fast.pad_token_id + 1,
        bos_token_id=fast.bos_token_id,
        pad_token_id=fast.pad_token_id,
        eos_token_id=fast.eos_token_id,
        sep_token_id=fast.eos_token_id,
        attention_window=window,
        type_vocab_size=TOKEN_TYPES,
        initializer_range=sizes.hidden_size**-0.5,
        **beside,
    )
    network = RecformerNetwork(config)
    _let_words_speak(network)
    return Backbone(network, fast)


@torch.no_grad()
def _let_words_speak(network: RecformerNetwork) -> None:
    embeddings: Any = network.longformer.embeddings
    for shared in ("position_embeddings", "token_type_embeddings", "item_position_embeddings"):
        getattr(embeddings, shared).weight.mul_(SHARED)
    for layer in network.longformer.encoder.layer:
        layer.attention.output.dense.weight.mul_(AVERAGED)


def from_longformer(source: str, window: int, positions: int, max_tokens: int) -> Backbone:
    """The Longformer of a hub id or local folder; token types and item positions begin anew, as in the paper.

    Raises ``BackboneError`` where it cannot be loaded, is no Longformer, or was made for fewer tokens.
    """
    if names_nothing(source):
        raise BackboneError(
            f"recformer_backbone={source} cannot be loaded (no such folder, and no hub id): give another"
        )
    with reading(f"recformer_backbone={source} cannot be loaded", OTHER, BackboneError):
        check_size(source)
        config = AutoConfig.from_pretrained(source, **NO_CODE)
        if config.model_type != "longformer":
            raise BackboneError(f"recformer_backbone={source} is a {config.model_type}: give a Longformer or 'scratch'")
        config.attention_window = [window] * config.num_hidden_layers
        config.type_vocab_size, config.item_positions = TOKEN_TYPES, positions
        tokenizer = AutoTokenizer.from_pretrained(source, **NO_CODE)
        with _quiet():  # the sizes that do not match are those of the token types
            network = RecformerNetwork.from_pretrained(
                source, config=config, ignore_mismatched_sizes=True, dtype=torch.float32
            )
    _check_longformer(source, network, tokenizer, max_tokens)
    return Backbone(network, tokenizer)


def _check_longformer(source: str, network: RecformerNetwork, tokenizer: Any, max_tokens: int) -> None:
    room = network.config.max_position_embeddings - network.config.pad_token_id - 1
    if max_tokens > room:
        raise BackboneError(f"max_tokens={max_tokens} exceeds the {room} positions of {source}: lower it to {room}")
    lacking = [name for name in ("bos_token", "mask_token") if getattr(tokenizer, name) is None]
    if lacking or not tokenizer.is_fast:
        what = f"no {lacking[0]}" if lacking else "no fast form"
        raise BackboneError(f"recformer_backbone={source}: its tokenizer has {what}; choose another")


def read_backbone(folder: Path, window: int, positions: int, max_tokens: int) -> Backbone:
    """What ``save_backbone`` wrote; never asks the network. Raises ``BackboneError`` where the settings differ."""
    with reading(f"recformer_backbone={folder} cannot be loaded", OTHER, BackboneError):
        check_size(str(folder), local_files_only=True)
        tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True, **NO_CODE)
        with _quiet():
            network = RecformerNetwork.from_pretrained(str(folder), local_files_only=True, dtype=torch.float32)
    config = network.config
    if config.item_positions != positions:
        wanted = f"MAX_ITEM_LIST_LENGTH={config.item_positions - 1}"
        raise BackboneError(f"{folder} was made with {wanted}, not {positions - 1}: set {wanted}")
    if network.window != window:
        raise BackboneError(f"{folder} was made with attention_window={network.window}, not {window}: set it so")
    _check_longformer(str(folder), network, tokenizer, max_tokens)
    return Backbone(network, tokenizer)


def save_backbone(backbone: Backbone, folder: Path) -> None:
    """Writes a folder (safetensors, JSON) that ``read_backbone`` loads."""
    with _quiet():
        backbone.network.save_pretrained(folder)
    backbone.tokenizer.save_pretrained(folder)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' progress bars and its table of the tensors that begin anew."""
    level = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    try:
        with no_bars():
            yield
    finally:
        transformers_logging.set_verbosity(level)
