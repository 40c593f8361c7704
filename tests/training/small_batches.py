"""A tiny decoder and its batches, for tests of gradients in pieces and in one."""

import torch

from calrec_recbole.backbone import Backbone, ScratchSizes, scratch_model, train_tokenizer
from calrec_recbole.examples import tokenise_items
from calrec_recbole.training import Training, TrainingSettings

TEXTS = [f"Title: Item {chr(65 + number) * (1 + number)}." for number in range(6)]


SEQUENCES = [[(start + place) % 6 for place in range(2 + start % 4)] for start in range(10)]


SIZES = ScratchSizes(300, 16, 2, 2, 32, 0.0)


CPU = torch.device("cpu")


SOME_FIT, ALL_FIT = 240, 100_000  # micro_batch_tokens: of several groups, and of one


def training(sequences=SEQUENCES, **changes):
    tokenizer = train_tokenizer(TEXTS, SIZES.vocab_size, merge_across_words=True)
    model = scratch_model(SIZES, len(tokenizer), tokenizer.eos_token_id, 256, seed=1)
    settings = TrainingSettings(
        **{
            "train_steps": 9,
            "train_batch_size": 8,
            "micro_batch_tokens": 120,
            "micro_batch_cost": 0,
            "precision": "float32",
            **changes,
        }
    )
    items = tokenise_items(TEXTS, tokenizer, 200)
    return Training(Backbone(model, tokenizer), items, sequences, settings, seed=5, device=CPU)


def gradients(model):
    return [parameter.grad.clone() for parameter in model.parameters()]


def accumulated(run, batch):
    """The losses and the gradient of ``batch``; the model's is cleared."""
    with run.attending():
        parts = batch.accumulate()
    found = gradients(run.backbone.model)
    run.backbone.model.zero_grad()
    return parts, found
