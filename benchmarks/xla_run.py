"""Claim: a run of CALRec by `run_recbole --device=xla` learns as one on the CPU does.

    benchmarks/xla_check.sh FOLDER      # builds the venv, sets PJRT_DEVICE=CPU, runs xla_check.py and this

Both runs train a small decoder from nothing on a made data set of 16 users, dropout off, in float32, validate, and
sample for their test users. The losses of every step must agree to 1e-3 nats of about 100, as must the nats of a
held-out item; samples of XLA are other draws, so ranks may differ. AdamW learns: Muon multiplies in bfloat16, whose
rounding moved the losses of these 24 steps by 1.2e-2.
"""

import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ITEMS = [f"Item {letter * length}" for letter, length in zip("ABCDEFGH", (1, 3, 9, 12, 2, 6, 4, 8), strict=True)]
SETTINGS = {
    **{"train_steps": 24, "warmup_steps": 8, "eval_interval": 8, "train_batch_size": 8, "report_interval": 1},
    **{"scratch_vocab_size": 300, "scratch_hidden_size": 32, "scratch_num_hidden_layers": 2},
    **{"scratch_num_attention_heads": 2, "scratch_intermediate_size": 64, "scratch_dropout": 0.0},
    **{"max_input_length": 128, "micro_batch_tokens": 1024, "precision": "float32", "n_gen": 4, "retrieval": "okapi"},
    **{"learner": "adamw", "learning_rate": 1e-3},
    **{"use_gpu": False, "show_progress": False, "stopping_step": 0, "log_tensorboard": False},
}
CURVES = ("train/total", "train/nig", "train/tt", "train/ut", "valid/nats_per_item")
TOLERANCE = 1e-3  # nats


def write_data(folder: Path) -> None:
    """The data set Made: 16 users, 8 items, a user's n-th item follows from the one before."""
    folder.mkdir(parents=True)
    items = [f"{number}\t{title}\tTools\tAcme\t" for number, title in enumerate(ITEMS)]
    header = "item_id:token\ttitle:token\tcategory:token\tbrand:token\tprice:token"
    (folder / "Made.item").write_text("\n".join([header, *items]) + "\n", encoding="utf-8")
    events = [(user, (user + 3 * place) % 8, 10 * place + user % 10) for user in range(16) for place in range(6)]
    rows = [f"{user}\t{item}\t{time}" for user, item, time in sorted(events, key=lambda event: event[2])]
    header = "user_id:token\titem_id:token\ttimestamp:float"
    (folder / "Made.inter").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")


def run(folder: Path, device: str) -> Path:
    """The folder of a run on ``device``."""
    options = SETTINGS | {"data_path": folder / "dataset", "output_dir": folder / device, "device": device}
    command = [Path(sys.executable).with_name("run_recbole"), "--model=CALRec", "--dataset=Made"]
    subprocess.run([*command, *(f"--{key}={value}" for key, value in options.items())], check=True)
    (found,) = (folder / device / "Made" / "CALRec").iterdir()
    return found


def curve(run: Path) -> dict[tuple[str, int], float]:
    with (run / "curves.csv").open(encoding="utf-8", newline="") as file:
        return {(row["metric"], int(row["step"])): float(row["value"]) for row in csv.DictReader(file)}


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_data(folder / "dataset" / "Made")
        native, xla = (run(folder, device) for device in ("auto", "xla"))
        ours, theirs = curve(xla), curve(native)
        used = json.loads((xla / "environment.json").read_text(encoding="utf-8"))["devices"]["device"]
        metrics = json.loads((xla / "metrics.json").read_text(encoding="utf-8"))["test"]
    print(f"devices: {used} and cpu; test metrics of XLA's run: {metrics}")
    healthy = used.startswith("xla") and ours.keys() == theirs.keys()
    for metric in CURVES:
        places = [place for place in theirs if place[0] == metric]
        worst = max(abs(ours[place] - theirs[place]) for place in places)
        print(f"{metric}: largest difference over {len(places)} steps {worst:.2e} nats, allowed {TOLERANCE:g}")
        healthy = healthy and worst <= TOLERANCE
    return 0 if healthy else 1


if __name__ == "__main__":
    sys.exit(main())
