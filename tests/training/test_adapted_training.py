"""Training with LoRA adapters and with gradient checkpointing."""

import pytest
import torch
from safetensors.torch import load_file

from calrec_recbole.backbone import (
    AdapterSettings,
    Backbone,
    ScratchSizes,
    add_adapters,
    add_dropout,
    scratch_model,
    train_tokenizer,
)
from calrec_recbole.examples import tokenise_items
from calrec_recbole.training import Training, TrainingSettings, load_state, objective, save_state
from calrec_recbole.two_tower import collate_sequences, collate_targets

TEXTS = [f"Title: Item {chr(65 + number) * (1 + number)}." for number in range(6)]
SEQUENCES = [[(start + place) % 6 for place in range(2 + start % 4)] for start in range(10)]
SIZES = ScratchSizes(300, 16, 2, 2, 32, 0.0)


def training(rank, dropout=0.0, **changes):
    tokenizer = train_tokenizer(TEXTS, SIZES.vocab_size, merge_across_words=True)
    model = scratch_model(SIZES, len(tokenizer), tokenizer.eos_token_id, 256, seed=1)
    add_dropout(model, dropout)
    add_adapters(model, AdapterSettings(lora_rank=rank, lora_dropout=dropout if rank else 0.0), seed=3)
    defaults = {"train_steps": 9, "train_batch_size": 8, "micro_batch_tokens": 120, "precision": "float32"}
    settings = TrainingSettings(**{**defaults, "lr_warmup_steps": 1, "learning_rate": 1e-2, **changes})
    items = tokenise_items(TEXTS, tokenizer, 200)
    return Training(Backbone(model, tokenizer), items, SEQUENCES, settings, 5, torch.device("cpu"))


def weights(run):
    return {name: value.detach().clone() for name, value in run.backbone.model.named_parameters()}


@pytest.mark.parametrize("packing", [True, False])
def test_groups_have_the_gradient_of_the_whole_batch_with_adapters(packing):
    run = training(rank=2, packing=packing)
    run.run(2, lambda report: None)  # B is no longer zero
    batch, model = run.batch(run.step), run.backbone.model
    assert len(batch.passes.groups) > 2
    with run.attending():
        batch.accumulate()
    pieces = {name: value.grad.clone() for name, value in model.named_parameters() if value.grad is not None}
    assert set(pieces) == {name for name in weights(run) if ".lora_" in name}
    model.zero_grad()
    sequences, targets = collate_sequences(batch.examples), collate_targets(batch.examples, run.items.start)
    objective(run.backbone, sequences, targets, run.settings).total.backward()
    for name, value in model.named_parameters():
        if name in pieces:
            torch.testing.assert_close(pieces[name], value.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("learner", ["adamw", "muon"])
def test_only_adapters_move(learner):
    run = training(rank=2, learner=learner)
    before = weights(run)
    run.run(3, lambda report: None)
    for name, value in weights(run).items():
        assert torch.equal(value, before[name]) == (".lora_" not in name), name


def test_an_adapted_run_resumes_bit_identical_from_its_adapters_alone(tmp_path):
    torch.manual_seed(4)
    whole = training(rank=2, dropout=0.2)
    whole.run(6, lambda report: None)
    torch.manual_seed(4)
    first = training(rank=2, dropout=0.2)
    first.run(3, lambda report: None)
    save_state(first, {}, tmp_path / "last")
    saved = load_file(tmp_path / "last" / "state.safetensors")
    assert all(".lora_" in name for name in saved if name.startswith("model."))
    second = training(rank=2, dropout=0.2)
    load_state(second, tmp_path / "last")
    second.run(6, lambda report: None)
    expected = weights(whole)
    assert all(torch.equal(value, expected[name]) for name, value in weights(second).items())


@pytest.mark.parametrize("packing", [True, False])
@pytest.mark.parametrize("rank", [0, 2])
def test_checkpointing_recomputes_the_same_gradients(rank, packing):
    """With dropout: what is computed again must draw the same masks."""
    found = []
    for on in (False, True):
        run = training(rank, dropout=0.3, gradient_checkpointing=on, packing=packing)
        run.backbone.model.train()
        calls = []
        run.backbone.model.base_model.layers[0].self_attn.register_forward_hook(lambda *_, calls=calls: calls.append(1))
        torch.manual_seed(8)
        batch = run.batch(run.step)
        with run.attending():
            batch.accumulate()
        found.append([value.grad for value in run.backbone.model.parameters() if value.grad is not None])
        *again, largest = [1 if packing else len(group.sequences) + len(group.targets) for group in batch.passes.groups]
        assert sum(again) > 0
        pieces = sum(again) + largest
        # every backward pass computes its piece once more
        assert len(calls) == pieces + sum(again) + (pieces if on else 0)
    for kept, computed in zip(*found, strict=True):
        torch.testing.assert_close(kept, computed, rtol=1e-5, atol=1e-6)
