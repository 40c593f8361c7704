"""A tiny random BERT on disk, for the models that read text."""

import pytest
import torch
from tokenizers import BertWordPieceTokenizer
from transformers import BertConfig, BertModel, BertTokenizerFast

from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.data.prepared import prepare
from calrec_recbole.plugin.reload import load_run
from calrec_recbole.plugin.runner import build_model, run
from calrec_recbole.plugin.training.tie_aware_trainer import trainer_for

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


@pytest.fixture
def runs_and_reloads():
    """What every model must do (rule 27): run, score all items finitely, and come back from its folder as it was."""

    def check(model, settings):
        done = run(model, overrides=settings, show=False)
        loaded = load_run(done.folder)
        trainer = trainer_for(model)(loaded.config, loaded.model)
        assert trainer.evaluate(loaded.test_data, load_best_model=False) == done.test
        with torch.no_grad():
            _, scores, _, targets = trainer._full_sort_batch_eval(next(iter(loaded.test_data)))
        assert scores.shape == (len(targets), 9)  # pad and a-h
        assert torch.isfinite(scores[:, 1:]).all()
        return done.folder

    return check


@pytest.fixture
def build():
    """(settings, model name) -> model in evaluation mode, its data set and its loaders."""

    def built(model, settings):
        config = Config(model, config_dict=settings)
        prepared = prepare(config)
        dataset, data = prepared.dataset, prepared.loaders
        return build_model(config, data.train.dataset).eval(), dataset, data

    return built
