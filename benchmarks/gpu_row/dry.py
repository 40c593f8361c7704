"""A dry run: made-up data sets under the names of the real ones, and sizes with which all phases take a minute."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from calrec_recbole.durable_files import write_text

__all__ = ["LONGEST", "SIZES", "write_data"]

LONGEST = 0.005  # minutes of a training
SIZES = {
    **{"backbone": "scratch", "scratch_vocab_size": 400, "scratch_hidden_size": 16, "scratch_num_hidden_layers": 1},
    **{"scratch_num_attention_heads": 2, "scratch_intermediate_size": 32, "max_input_length": 128},
    **{"train_batch_size": 8, "valid_users": 4, "eval_batch_size": 16, "n_gen": 4, "max_new_tokens": 12},
    **{"learning_rate": 2.0e-2, "gpu_id": "", "topk": [1, 10], "log_tensorboard": False},
}
USERS, ITEMS, EVENTS = 24, 12, 7
KINDS, COLOURS = ("Glue", "Tape", "Pen", "Ruler"), ("Red", "Blue", "Green")


def write_data(folder: Path, names: Sequence[str]) -> None:
    """Prepared data sets ``names`` of some users each, in ``folder``; the same every time."""
    for number, name in enumerate(names):
        rng = np.random.default_rng(number)
        texts = [f"{COLOURS[item % 3]} {KINDS[item // 3]}\t{name} {KINDS[item // 3]}\tAcme\t" for item in range(ITEMS)]
        items = [f"{name}{item}\t{text}" for item, text in enumerate(texts)]
        events = [
            f"{name}{user}\t{name}{item}\t{1_500_000_000 + 1000 * place + user}"
            for place in range(EVENTS)
            for user, item in enumerate(rng.integers(0, ITEMS, USERS))
        ]
        head = "item_id:token\ttitle:token\tcategory:token\tbrand:token\tprice:token"
        write_text(folder / name / f"{name}.item", "\n".join([head, *items]) + "\n")
        head = "user_id:token\titem_id:token\ttimestamp:float"
        write_text(folder / name / f"{name}.inter", "\n".join([head, *events]) + "\n")
