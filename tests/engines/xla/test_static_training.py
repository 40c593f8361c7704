"""XLA's training on a CPU: what it decides; benchmarks/xla_check.sh runs it on XLA itself."""

import pytest
import torch

from calrec_recbole.backbone import Backbone, ScratchSizes, scratch_model, train_tokenizer
from calrec_recbole.engines.xla.static_gradient import FixedShapes
from calrec_recbole.engines.xla.static_training import StaticTraining
from calrec_recbole.errors import ConfigError
from calrec_recbole.examples import tokenise_items
from calrec_recbole.training import TrainingSettings

TEXTS = [f"Title: Item {chr(65 + number)}." for number in range(4)]
SIZES = ScratchSizes(300, 16, 2, 2, 32, 0.0)


def training(**changes):
    tokenizer = train_tokenizer(TEXTS, SIZES.vocab_size, merge_across_words=True)
    model = scratch_model(SIZES, len(tokenizer), tokenizer.eos_token_id, 256, seed=1)
    settings = TrainingSettings(**{"train_steps": 4, "train_batch_size": 4, **changes})
    items = tokenise_items(TEXTS, tokenizer, 200)
    return StaticTraining(Backbone(model, tokenizer), items, [[0, 1, 2], [1, 2]], settings, 5, torch.device("cpu"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"packing": True}, "packing=true: XLA reads padded"), ({"kernels": "compile"}, "kernels=compile: XLA compiles")],
)
def test_what_xla_cannot_do_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        training(**changes)


def test_sequences_are_padded_whatever_the_backbone_could_read():
    run = training(packing="auto")
    assert not run.packed
    assert isinstance(run.batch(0), FixedShapes)


def test_the_warm_up_has_no_contrast_and_takes_the_mean():
    run = training(warmup_steps=2)
    assert [(run.batch(step).contrasts, run.batch(step).reduction) for step in (1, 2)] == [
        (False, "mean"),
        (True, "sum"),
    ]


def test_attention_is_plain_inside_the_block_only():
    run = training()
    before = run.backbone.model.config._attn_implementation
    assert before == "sdpa"
    with run.attending():
        assert run.backbone.model.config._attn_implementation == "eager"
    assert run.backbone.model.config._attn_implementation == before


def test_gradients_begin_at_zero_so_that_each_step_is_the_same_graph():
    run = training()
    frozen, *trained = run.backbone.model.parameters()
    frozen.requires_grad_(False)
    trained[0].grad = torch.ones_like(trained[0])
    run.clear_gradients()
    assert frozen.grad is None
    assert all(parameter.grad is not None and not parameter.grad.any() for parameter in trained)


def test_the_optimiser_counts_its_steps_on_the_device():
    (optimiser,) = training().optimisers
    assert all(group["capturable"] and not group["fused"] for group in optimiser.param_groups)
