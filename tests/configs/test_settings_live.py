"""A setting of CALRec lives where shipped files differ in it, the paper gives its value, or a reason stands here."""

from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
CALREC = CONFIGS / "model" / "CALRec.yaml"

PAPER = {  # sections 3 and 4 state the value
    *("tau_c", "truncate_last", "mixture_power", "temperature", "n_pred", "bm25_k1", "bm25_b"),
}
KEPT = {  # at most 25, each with one line of reason; what shares a prefix is one feature
    # what a path, a device or a budget is differs from machine to machine, so no shipped file can name it
    "pre_model_path": "the folder of an earlier run",
    "rerank_from": "the folder of an earlier run",
    "device": "xla needs a package and an environment of its own",
    "*_minutes": "how long a machine may train and evaluate, and how much work a kill may cost there",
    "report_interval": "how long a step takes there",
    # what auto chooses by the device, and somebody must be able to overrule
    "packing": "a backbone whose packed rows are wrong must be padded",
    "kernels": "Liger's kernels round otherwise: plain repeats a CPU's numbers on a GPU",
    "micro_batch_*": "auto measures the free memory; a shared GPU has less",
    "precision": "float32 compares two devices",
    "decode_precision": "float32 compares two devices",
    "speculate": "the same samples without proposals, to hold them against",
    "cuda_graphs": "off until it has been run on CUDA",
    # larger backbones than the shipped ones
    "lora_*": "a backbone whose optimiser does not fit is trained by adapters",
    "gradient_checkpointing": "activations that do not fit",
    "parallel": "a backbone that no single GPU holds is sharded",
    "max_grad_norm": "a backbone that diverges is clipped harder",
    # another way for one part
    "generation_engine": "vLLM's or a server's samples of finished weights",
    "engine_*": "where the servers of samples are differs from cluster to cluster",
    "milvus_*": "the catalogue of an application may lie in Milvus already",
    "rerank_engine": "reranking without Java",
    "rerank_unseen_loss": "what results/modes was chosen by: see experimental/",
    "allow_other_objective": "a second stage that departs from the first is asked for, not happened upon",
    "scratch_dropout": "0 makes two runs comparable loss by loss (benchmarks/xla_run.py)",
    "scratch_merge_across_words": "false repeats tokenizers that split at words, as pretrained ones do",
}


def settings() -> dict[str, Any]:
    return yaml.safe_load(CALREC.read_text(encoding="utf-8"))


def values(node: Any) -> Iterator[tuple[str, Any]]:
    """Every key of ``node`` with its value, at any depth: an experiment sets some of its rows."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield key, value
            yield from values(value)
    elif isinstance(node, list):
        for one in node:
            yield from values(one)


@pytest.fixture(scope="module")
def unvaried():
    """The settings that no shipped file sets to another value than CALRec.yaml."""
    default = settings()
    files = [*CONFIGS.glob("model/CALRec-*.yaml"), *CONFIGS.glob("experiment/*.yaml"), CONFIGS / "overall.yaml"]
    found = [pair for file in files for pair in values(yaml.safe_load(file.read_text(encoding="utf-8")))]
    varied = {key for key, value in found if key in default and value != default[key]}
    assert varied  # else nothing was read
    return set(default) - varied


def test_each_setting_lives_for_one_reason(unvaried):
    for name in unvaried:
        reasons = [pattern for pattern in KEPT if fnmatch(name, pattern)]
        assert len(reasons) + (name in PAPER) == 1, f"{name} is set by no shipped file: reasons {reasons}"


def test_no_reason_is_left_of_what_went_or_varies(unvaried):
    assert unvaried >= PAPER
    assert not [pattern for pattern in KEPT if not any(fnmatch(name, pattern) for name in unvaried)]


def test_the_reasons_are_few_lines():
    assert len(KEPT) <= 25
    assert not [name for name, reason in KEPT.items() if not reason or "\n" in reason]


def test_the_papers_values_name_their_section():
    text = {line.partition(":")[0]: line for line in CALREC.read_text(encoding="utf-8").splitlines()}
    assert not [name for name in PAPER if "# paper " not in text[name] and "paper 3.3" not in text[name]]
