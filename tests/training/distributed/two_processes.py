"""Run by torchrun: the same training by all processes together, then by the first one alone; see test_parallel.py."""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_model

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
from calrec_recbole.training import Processes, Training, TrainingSettings, load_state, save_state

TEXTS = [f"Title: Item {chr(65 + number) * (1 + number)}." for number in range(6)]
SEQUENCES = [[(start + place) % 6 for place in range(2 + start % 4)] for start in range(14)]
SIZES = ScratchSizes(300, 16, 2, 2, 32, 0.0)


def training(processes, rank=0, dropout=0.0, **changes):
    """Batches of 8 users whose prompts differ in length: an odd number of micro-batches in most steps."""
    tokenizer = train_tokenizer(TEXTS, SIZES.vocab_size, merge_across_words=True)
    model = scratch_model(SIZES, len(tokenizer), tokenizer.eos_token_id, 256, seed=1)
    add_dropout(model, dropout)
    add_adapters(model, AdapterSettings(lora_rank=rank), seed=2)
    settings = TrainingSettings(
        **{
            "train_steps": 50,
            "train_batch_size": 8,
            "micro_batch_tokens": 120,
            "precision": "float32",
            "lr_warmup_steps": 5,
            "learning_rate": 3e-3,
            **changes,
        }
    )
    items, cpu = tokenise_items(TEXTS, tokenizer, 200), torch.device("cpu")
    return Training(Backbone(model, tokenizer), items, SEQUENCES, settings, 5, cpu, processes=processes)


def losses(run, until=50):
    found = []
    run.run(until, lambda report: found.append([report.total, report.nig, report.tt, report.ut]))
    return found


def resumed(processes, folder, **changes):
    """Five steps, and from their saved state the rest by a new training."""
    first = training(processes, **changes)
    found = losses(first, 5)
    save_state(first, {"best": 1.5}, folder)
    processes.wait()
    second = training(processes, **changes)
    assert load_state(second, folder) == {"best": 1.5}
    return found + losses(second)


def main(folder: Path) -> None:
    torch.distributed.init_process_group("gloo")
    processes = Processes.present()
    answers = {}
    for name, changes in json.loads((folder / "cases.json").read_text()).items():
        joint = training(processes, **changes)
        answers[name] = {"joint": losses(joint)}
        save_model(joint.backbone.model, str(folder / f"{name}.{processes.rank}.safetensors"))
        if "dropout" in changes:
            answers[name]["resumed"] = resumed(processes, folder / "last", **changes)
        elif processes.first:
            alone = training(Processes(), **changes)
            answers[name]["alone"] = losses(alone)
            save_model(alone.backbone.model, str(folder / f"{name}.alone.safetensors"))
    (folder / f"answers.{processes.rank}.json").write_text(json.dumps(answers))
    torch.distributed.destroy_process_group()


main(Path(sys.argv[1]))
