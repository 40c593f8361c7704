"""How much memory does a catalogue of 200,000 items take, and how much more than a tenth of it?

    python benchmarks/wide_catalogue.py [--items 200000] [--users 41000] [--models LIR,SASRec,CALRec] [--out FOLDER]

Writes made-up raw reviews and metadata (titles of 3 to 12 words of a vocabulary of 30,000, drawn by Zipf's law; every
user has five events), then runs the real commands, each in its own process: `calrec prepare`, and `run_recbole` of each
model (SASRec: one epoch of pairwise loss; CALRec: a scratch decoder of one layer, four steps, 64 test users). Prints
seconds and the peak memory of each process, and the ratio of memory to that of a tenth of the items and users.
"""

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

EVENTS = 5  # a user
WORDS = 30_000
SMALL = {
    "CALRec": {
        "train_steps": 4,
        "warmup_steps": 0,
        "eval_interval": 4,
        "valid_users": 64,
        "test_users": 64,
        "scratch_hidden_size": 64,
        "scratch_num_hidden_layers": 1,
        "scratch_num_attention_heads": 2,
        "scratch_intermediate_size": 128,
    },
    "SASRec": {"epochs": 1, "loss_type": "BPR", "train_neg_sample_args": "{distribution: uniform, sample_num: 1}"},
}


def reviews(users: int, items: int, rng: np.random.Generator) -> Iterator[dict[str, object]]:
    """Every item is had once at least where there are events enough."""
    chosen = np.resize(rng.permutation(items), users * EVENTS).reshape(EVENTS, users).T
    for user in range(users):
        for place in range(EVENTS):
            yield {
                "reviewerID": f"U{user}",
                "asin": f"I{chosen[user, place]}",
                "overall": 5.0,
                "unixReviewTime": 1_400_000_000 + 86_400 * place + user,
            }


def metadata(items: int, rng: np.random.Generator) -> Iterator[dict[str, object]]:
    words = np.array([f"word{number}" for number in range(WORDS)])
    for item in range(items):
        drawn = np.minimum(rng.zipf(1.2, rng.integers(3, 13)), WORDS) - 1
        yield {
            "asin": f"I{item}",
            "title": " ".join(words[drawn]),
            "brand": f"brand{item % 2_000}",
            "price": f"${item % 97}.99",
            "category": ["All", f"kind{item % 300}"],
        }


def write(path: Path, lines: Iterator[dict[str, object]]) -> None:
    with gzip.open(path, "wt", compresslevel=1) as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)


def measured(command: list[str]) -> tuple[float, float]:
    """Seconds and peak MiB of the command's process."""
    begin = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", *command], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
    return time.perf_counter() - begin, usage.ru_maxrss / 1024


def costs(folder: Path, users: int, items: int, models: list[str]) -> dict[str, tuple[float, float]]:
    """Of each command: seconds and peak MiB."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    raw = folder / "reviews.json.gz", folder / "meta.json.gz"
    write(raw[0], reviews(users, items, rng))
    write(raw[1], metadata(items, rng))
    given = [f"--reviews={raw[0]}", f"--meta={raw[1]}", "--name=Wide", f"--out={folder}"]
    found = {"prepare": measured(["calrec_recbole.cli.calrec", "prepare", *given])}
    for model in models:
        settings = {
            "data_path": str(folder),
            "output_dir": str(folder / "runs"),
            "state": "ERROR",
            **SMALL.get(model, {}),
        }
        arguments = [f"--{key}={value}" for key, value in settings.items()]
        command = ["calrec_recbole.cli.run_recbole", f"--model={model}", "--dataset=Wide", *arguments]
        found[model] = measured(command)
        print(
            f"{items:8,} items, {users:7,} users  {model:8} {found[model][0]:7.1f} s {found[model][1]:7.0f} MiB",
            flush=True,
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=200_000)
    parser.add_argument("--users", type=int, default=41_000)
    parser.add_argument("--models", default="LIR,SASRec,CALRec")
    parser.add_argument("--out", type=Path, help="keeps the made-up data and the runs (default: a temporary folder)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="wide") as temporary:
        folder, models = given.out or Path(temporary), given.models.split(",")
        tenth = costs(folder / "tenth", given.users // 10, given.items // 10, models)
        whole = costs(folder / "whole", given.users, given.items, models)
    for name, (seconds, memory) in whole.items():
        print(f"{name:8} {seconds:7.1f} s {memory:7.0f} MiB, {memory / tenth[name][1]:.2f} times that of a tenth")


if __name__ == "__main__":
    main()
