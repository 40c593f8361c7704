"""The names of finished runs stand: a request means the same folder as when it was run, on any machine.

The ids below were computed from these requests by the code before settings had dataclasses of their own.
"""

from typing import Any

import pytest

from calrec_recbole.plugin import config
from calrec_recbole.plugin.config import Config
from calrec_recbole.runs.run_folder import run_id

HASHES = {"inter": "1" * 64, "item": "2" * 64}
STARTED = {**HASHES, "pre_model": "3" * 64}
FIRST_STAGE = {**STARTED, "rerank_from": "4" * 64}
JOINT = {**HASHES, "CDs.inter": "5" * 64, "CDs.item": "6" * 64}

AGAIN = {"retrieval": "rerank", "pre_model_path": "runs/a", "rerank_from": "runs/b", "rerank_candidates": 50}
TUNED = {"train_stage": "finetune", "pre_model_path": "runs/u", "freeze_encoder": True, "lambda": 0.01}
BY_TIME = {"split": "global_time", "global_time_shares": [0.7, 0.2, 0.1]}
NO_EFFECT = {"speculate": False, "milvus_uri": "http://x", "log_wandb": True, "checkpoint_minutes": 1.0}

REQUESTS: dict[str, tuple[str, str, tuple[str, ...], dict[str, Any], dict[str, str]]] = {
    "2020-7c060279": ("CALRec", "Scientific", (), {}, HASHES),
    "1-3151a930": ("CALRec", "Scientific", ("smollm2-135m",), {"seed": 1}, HASHES),
    "2020-0aa1985d": ("CALRec", "Scientific", ("scratch-joint",), {"joint_datasets": ["CDs"]}, JOINT),
    "2020-ad0f43c1": ("CALRec", "Games", ("untuned",), AGAIN, FIRST_STAGE),
    "2020-908b22d3": ("CALRec", "ml-100k", ("demo",), {"beams": 64, "decoding": "constrained", **NO_EFFECT}, HASHES),
    "2020-3bfa2d5a": ("SASRec", "Scientific", (), BY_TIME, HASHES),
    "2020-e678588d": ("BERT4Rec", "Office", (), {"learning_rate": "1e-4", "text_cache": "elsewhere"}, HASHES),
    "7-832a478c": ("FDSAText", "Pet", (), {"text_pooling": "cls", "seed": 7}, HASHES),
    "2020-350942a7": ("S3RecText", "Instruments", (), {"pretrain_epochs": 3}, HASHES),
    "2020-32a8faa4": ("UniSRec", "Scientific", (), TUNED, STARTED),
    "2020-477f2612": ("Recformer", "ml-100k", (), {"train_stage": "pretrain", "stopping_step": 2}, HASHES),
    "2020-8d373652": ("LIR", "Arts", (), {"retrieval": "milvus", "milvus_candidates": 100}, HASHES),
    "2020-710db28c": ("Pop", "Scientific", (), {}, HASHES),
}


def id_of(model: str, dataset: str, files: tuple[str, ...], overrides: dict[str, Any], hashes: dict[str, str]) -> str:
    asked = Config(model, dataset, files, overrides)
    return run_id(asked.settings, hashes, asked.groups)


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_means_the_folder_that_it_always_meant(name, tmp_path, monkeypatch):
    model, dataset, files, overrides, hashes = REQUESTS[name]
    here = {"data_path": str(tmp_path), "output_dir": str(tmp_path / "runs"), "gpu_id": "", "show_progress": False}
    monkeypatch.chdir(tmp_path)
    assert id_of(model, dataset, files, here | overrides, hashes) == name


def test_a_changed_default_gives_a_new_id(monkeypatch):
    own = id_of("CALRec", "Scientific", (), {}, HASHES)
    shipped = config.shipped_settings
    for changed in ({"beams": 64}, {"rerank_weight": 0.5}, {"train_batch_size": 128}, {"test_users": 10}):
        monkeypatch.setattr(config, "shipped_settings", lambda *name, more=changed: shipped(*name) | more)
        assert id_of("CALRec", "Scientific", (), {}, HASHES) != own
