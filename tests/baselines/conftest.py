"""A tiny random BERT on disk, for the models that read text."""

import pytest
import torch
from tokenizers import BertWordPieceTokenizer
from transformers import BertConfig, BertModel, BertTokenizerFast

NAMES = [
    "red",
    "blue",
    "green",
    "glue",
    "tape",
    "pen",
    "steel",
    "ruler",
    "office",
    "adhesives",
    "pens",
    "tools",
    "acme",
]
WORDS = [*NAMES, "bolt", *"abcdefgh"]
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory):
    """A Hugging Face folder: 2 layers, 12 dimensions, 32 positions."""
    folder = tmp_path_factory.mktemp("tiny-bert")
    vocabulary = {word: place for place, word in enumerate(VOCABULARY)}
    tokenizer = BertWordPieceTokenizer(vocabulary)._tokenizer
    BertTokenizerFast(tokenizer_object=tokenizer, model_max_length=32).save_pretrained(folder)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        config = BertConfig(
            vocab_size=len(VOCABULARY),
            hidden_size=12,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=16,
            max_position_embeddings=32,
            initializer_range=0.5,
        )
        BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture
def text_settings(tiny_settings, tiny_encoder):
    """``tiny_settings`` for a model that reads text."""
    return {**tiny_settings, "text_encoder": str(tiny_encoder), "text_max_length": 32}
