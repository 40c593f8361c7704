"""How many of TIGER's ten best items do few beams find? Against beams for the whole catalogue, on 60 test users.

python benchmarks/tables/tiger_beams.py runs/Scientific/TIGER/2020-aa2941a4
"""

import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from calrec_recbole.plugin.reload import load_run

USERS = 60


def top_items(model: Any, rows: Any, beams: int) -> tuple[Tensor, float]:
    """The ten best items of each row (B, 10), and CPU seconds a user."""
    object.__setattr__(model.settings, "beams", beams)
    began = time.process_time()
    with torch.no_grad():
        found = model.full_sort_predict(rows).topk(10).indices
    return found, (time.process_time() - began) / len(rows)


def main(folder: str) -> None:
    loaded = load_run(Path(folder))
    model = loaded.model.eval()
    rows = next(iter(loaded.test_data))[0][slice(0, USERS)]
    exact, seconds = top_items(model, rows, model.n_items)
    print(f"all beams: {seconds:.3f} s a user")
    for beams in (10, 20, 50):
        found, seconds = top_items(model, rows, beams)
        same = sum(len(set(a) & set(b)) for a, b in zip(exact.tolist(), found.tolist(), strict=True))
        print(f"{beams} beams: {seconds:.4f} s a user, {100 * same / exact.numel():.1f} % of the ten best")


if __name__ == "__main__":
    main(*sys.argv[1:])
