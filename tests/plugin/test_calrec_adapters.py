"""CALRec with LoRA: from settings to a folder that needs no peft."""

import json

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from calrec_recbole.plugin.calrec.trainer import CALRecTrainer
from calrec_recbole.plugin.reload import load_run
from calrec_recbole.plugin.runner import run


def test_an_adapted_run_leaves_a_merged_backbone(calrec_settings, tmp_path, monkeypatch):
    """The scores of the reloaded run are those of its plain folder; the backbone that it began with is frozen."""
    base = run("CALRec", overrides={**calrec_settings, "train_steps": 2, "warmup_steps": 0}, show=False)
    folder = str(base.folder / "checkpoint" / "best")
    changes = {"backbone": folder, "lora_rank": 2, "warmup_steps": 0, "gradient_checkpointing": True}
    kept = []
    original = CALRecTrainer._drop_state

    def watched(self):
        kept.extend(load_file(self.last / "state.safetensors"))
        original(self)

    monkeypatch.setattr(CALRecTrainer, "_drop_state", watched)
    result = run("CALRec", overrides={**calrec_settings, **changes, "learning_rate": 1e-2}, show=False)
    assert all(".lora_" in name for name in kept if name.startswith("model."))
    best = result.folder / "checkpoint" / "best"
    before, after = (AutoModelForCausalLM.from_pretrained(place).state_dict() for place in (folder, best))
    assert set(before) == set(after)
    moved = {name for name in after if not torch.equal(before[name], after[name])}
    assert moved
    assert all("_proj" in name for name in moved)
    assert json.loads((result.folder / "metrics.json").read_text())["test"] == result.test
    loaded = load_run(result.folder)
    weights = loaded.model.backbone_model.state_dict()
    assert all(torch.equal(weights[name], after[name]) for name in after)
