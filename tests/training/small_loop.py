"""A tiny decoder in a training of twenty steps."""

import torch

from calrec_recbole.backbone import Backbone, ScratchSizes, scratch_model, train_tokenizer
from calrec_recbole.examples import tokenise_items
from calrec_recbole.training import Training, TrainingSettings

TEXTS = [f"Title: Item {chr(65 + number)}." for number in range(6)]


SEQUENCES = [
    [number % 6, (number + 1) % 6, (number + 2) % 6, (number + 3) % 6][: 2 + number % 3] for number in range(12)
]


SIZES = ScratchSizes(300, 16, 2, 2, 32, 0.0)


CPU = torch.device("cpu")


def training(**changes):
    tokenizer = train_tokenizer(TEXTS, SIZES.vocab_size, merge_across_words=True)
    model = scratch_model(SIZES, len(tokenizer), tokenizer.eos_token_id, 256, seed=1)
    settings = TrainingSettings(**{"train_steps": 20, "train_batch_size": 8, "lr_warmup_steps": 1, **changes})
    items = tokenise_items(TEXTS, tokenizer, 200)
    return Training(Backbone(model, tokenizer), items, SEQUENCES, settings, seed=5, device=CPU)
