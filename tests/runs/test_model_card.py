"""The fine-tuned backbone is a standard folder with a card that says what it is."""

from collections import defaultdict

import pytest
import torch
from huggingface_hub import ModelCard
from transformers import AutoModelForCausalLM, AutoTokenizer

from calrec_recbole.plugin.reload import load_run
from calrec_recbole.plugin.runner import run
from calrec_recbole.runs.model_card import model_card

SETTINGS = {"backbone": "scratch", "dataset": "Tiny", "train_steps": 6, "alpha": 0.125, "beta": -0.025}
STATE = {"step": 4, "mrr_pes": 0.25, "valid": {"mrr_opt": 0.5, "mrr_pes": 0.25}, "nats": 31.5, "users": 8}


def card(state=STATE, **changes):
    return model_card(defaultdict(lambda: None, {**SETTINGS, **changes}), 1_234_567, state)


def test_the_header_is_what_hubs_read():
    data = card().data
    assert (data.library_name, data.pipeline_tag) == ("transformers", "text-generation")
    assert {"calrec", "sequential-recommendation"} <= set(data.tags)
    found = {result.metric_type: (result.metric_value, result.dataset_name) for result in data.eval_results}
    assert found == {"mrr_opt": (0.5, "Tiny"), "mrr_pes": (0.25, "Tiny"), "nats_per_item": (31.5, "Tiny")}


@pytest.mark.parametrize(
    ("backbone", "base"),
    [
        ("HuggingFaceTB/SmolLM2-135M", "HuggingFaceTB/SmolLM2-135M"),
        ("scratch", None),
        ("weights/small.gguf", None),
        ("/home/me/model", None),
    ],
)
def test_only_a_hub_id_is_a_base_model(backbone, base):
    found = card(backbone=backbone)
    assert found.data.base_model == base
    assert f"Backbone: `{backbone}`; 1,234,567 parameters" in found.text


def test_the_text_says_what_the_weights_are_and_how_to_use_them():
    text = card().text
    for part in (
        "# CALRec on Tiny",
        "step 4 of at most 6",
        "8 users",
        "| mrr_pes | 0.25000 |",
        "- `alpha: 0.125`",
        "AutoModelForCausalLM.from_pretrained(",
        "load_run(",
        "recommender.recommend(",
    ):
        assert part in text
    assert "weight_decay" not in text  # nobody set it
    assert "there was no validation" in card({"step": 6}).text


def test_transformers_loads_a_runs_weights_as_they_are(calrec_settings):
    folder = run("CALRec", overrides=calrec_settings, show=False).folder
    best = folder / "checkpoint" / "best"
    assert ModelCard.load(best / "README.md").data.model_name == "CALRec on Tiny"
    ours = load_run(folder).model.recommender.backbone
    model, tokenizer = AutoModelForCausalLM.from_pretrained(best), AutoTokenizer.from_pretrained(best)
    text = " Title: Red Glue. Category: Office Adhesives."
    ids = tokenizer(text, return_tensors="pt")["input_ids"]
    assert ids[0].tolist() == ours.tokenizer(text)["input_ids"]
    with torch.no_grad():
        assert torch.equal(model(ids).logits, ours.model(ids).logits)
