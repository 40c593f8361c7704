"""Claim: SmolLM2-135M learns Scientific (stage II alone) and ranks for all its users within ten minutes of one GPU.

    calrec prepare --category=Scientific --raw=DIR --out=dataset/
    python benchmarks/gpu_scientific.py --data_path=dataset --out=results/gpu-scientific [--backbone=FOLDER]

The shipped runner with configs/experiment/smollm2-135m-gpu.yaml; more settings as --key=value. The folder `--out` gets
`gpu_scientific.json` and `.md`, every metric beside the paper's, and the run's folder. The ten minutes count training
with its validations, and the evaluation of all users; reading data and loading weights are listed apart.
`--dry_run` goes the same way on a CPU with a tiny decoder from scratch on RecBole's ml-100k: its numbers mean nothing.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from calrec_recbole.durable import write_json, write_text
from calrec_recbole.errors import CalrecError
from calrec_recbole.plugin.settings import parse_arguments

EXPERIMENT = "smollm2-135m-gpu"
MINUTES = 10
PAPER = {  # Table 2, CALRec (PaLM-2 XXS, stages I and II) on Scientific: optimistic, pessimistic
    "ndcg@10": (0.0788, 0.0740),
    "recall@1": (0.0511, 0.0389),
    "recall@10": (0.1124, 0.1117),
    "mrr": (0.0730, 0.0667),
}
TINY = {
    **{"backbone": "scratch", "scratch_vocab_size": 300, "scratch_hidden_size": 16, "scratch_num_hidden_layers": 1},
    **{"scratch_num_attention_heads": 2, "scratch_intermediate_size": 32, "max_input_length": 256},
    **{"train_steps": 2, "eval_interval": 1, "train_batch_size": 8, "valid_users": 4, "retrieval": "okapi"},
    **{"n_gen": 2, "max_new_tokens": 4, "gpu_id": ""},
}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data_path", required=True, help="holds Scientific/Scientific.inter, from `calrec prepare`")
    parser.add_argument("--backbone", help="hub id, folder or .gguf file; by default that of the experiment's YAML")
    parser.add_argument("--dataset", help="by default Scientific, and ml-100k for a dry run")
    parser.add_argument("--out", required=True, type=Path, help="folder for the results")
    parser.add_argument("--dry_run", action="store_true", help="tiny sizes, also on a CPU")
    arguments, settings = parser.parse_known_args(argv)
    try:
        return measure(arguments, parse_arguments(settings))
    except (CalrecError, OSError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2


def measure(arguments: argparse.Namespace, settings: dict[str, Any]) -> int:
    import torch

    if not arguments.dry_run and not torch.cuda.is_available():
        print(
            "error: gpu_scientific needs a CUDA device and none is visible; --dry_run tries its steps", file=sys.stderr
        )
        return 2
    from calrec_recbole.plugin.runner import run

    torch.set_float32_matmul_precision("high")  # TensorFloat32 in sampling; training is in bfloat16
    overrides = {"data_path": arguments.data_path, "output_dir": str(arguments.out / "runs"), **settings}
    if arguments.backbone:
        overrides["backbone"] = arguments.backbone
    dataset = arguments.dataset or ("ml-100k" if arguments.dry_run else "Scientific")
    result = run("CALRec", dataset, [EXPERIMENT], {**overrides, **(TINY if arguments.dry_run else {})})
    ran = json.loads((result.folder / "environment.json").read_text(encoding="utf-8"))
    found = record(result.test, ran, dataset, arguments.dry_run)
    found["folder"] = str(result.folder)
    write_json(arguments.out / "gpu_scientific.json", found)
    write_text(arguments.out / "gpu_scientific.md", markdown(found))
    print(markdown(found))
    print(f"ratio seconds/{60 * MINUTES} {found['seconds'] / (60 * MINUTES):.2f}")
    for name, row in found["metrics"].items():
        if row["paper"]:
            print(f"ratio {name} ours/paper {row['ours'] / row['paper']:.2f}")
    return 0


def record(test: Mapping[str, float], ran: Mapping[str, Any], dataset: str, dry_run: bool) -> dict[str, Any]:
    """Every test metric beside the paper's (None where it reports none, and on other data); seconds are wall-clock."""
    paper = (
        {} if dataset != "Scientific" else {_key(name, side): PAPER[name][side] for name in PAPER for side in (0, 1)}
    )
    phases = {name: spent["wall"] for name, spent in ran["seconds"].items()}
    seconds = phases["train"] + phases["evaluate"] + ran["seconds_before_resume"]
    return {
        "what": "dry run: the numbers mean nothing" if dry_run else "SmolLM2-135M, stage II alone",
        "dataset": dataset,
        "device": ran["devices"]["name"],
        "metrics": {name: {"ours": value, "paper": paper.get(name)} for name, value in test.items()},
        "seconds": round(seconds, 1),
        "within_limit": seconds < 60 * MINUTES,
        "seconds_by_phase": phases,
        "users": ran["users"],
        "samples": ran.get("samples"),
        "versions": ran["versions"],
        "peak_memory_mib": ran["peak_memory_mib"],
    }


def _key(name: str, side: int) -> str:
    """("ndcg@10", 1) -> "ndcg_pes@10"."""
    metric, at, k = name.partition("@")
    return f"{metric}_{('opt', 'pes')[side]}{at}{k}"


def markdown(found: Mapping[str, Any]) -> str:
    """One table: optimistic / pessimistic, ours and the paper's; then the time."""
    lines = [f"{found['what']}; {found['dataset']}, {found['users']['test']} test users, {found['device']}", ""]
    lines += ["| metric | ours | paper (PaLM-2 XXS, both stages) |", "|-|-|-|"]
    rows = found["metrics"]
    for name in (name for name in rows if "_opt" in name):
        pair = rows[name], rows[name.replace("_opt", "_pes")]
        ours = " / ".join(f"{row['ours']:.4f}" for row in pair)
        paper = " / ".join("-" if row["paper"] is None else f"{row['paper']:.4f}" for row in pair)
        lines.append(f"| {name.replace('_opt', '')} | {ours} | {paper} |")
    phases = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in found["seconds_by_phase"].items())
    verdict = "within" if found["within_limit"] else "beyond"
    lines += [
        "",
        f"Training and evaluation: {found['seconds']:.0f} s of wall clock, {verdict} {MINUTES} min ({phases}).",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
