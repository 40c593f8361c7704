"""What else than its own data set a run reads: other data sets and the weights that it starts from."""

from pathlib import Path
from typing import Any

from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.data.dataset import data_files, data_hash, sha256
from calrec_recbole.plugin.data.split import named_runs
from calrec_recbole.runs.run_folder import CHECKPOINT, METRICS_FILE

__all__ = ["source_files", "source_hashes"]

DATASETS = ("joint_datasets", "pretrain_datasets")  # settings that name prepared data sets
WEIGHTS = (f"{CHECKPOINT}/best/model.safetensors", f"{CHECKPOINT}/model.safetensors", "model.safetensors")


def source_hashes(config: Config) -> dict[str, str]:
    """sha256 by file: ``CDs.inter``, ``CDs.item``, ``pre_model`` for the weights behind ``pre_model_path``, and
    ``rerank_from``, ``rerank_from.1``, ... for the metrics of those runs.

    What is missing is left out here: the model says so in its own words.
    """
    found: dict[str, str] = {}
    for name in _other_datasets(config):
        found |= {f"{name}.{kind}": digest for kind, digest in data_hash(config.on(name)).items()}
    weights = _weights(str(config["pre_model_path"] or ""))
    found |= {"pre_model": sha256(weights)} if weights else {}
    for number, file in enumerate(_first_stage(config)):
        found |= {f"rerank_from.{number}" if number else "rerank_from": sha256(file)} if file.is_file() else {}
    return found


def source_files(config: Config) -> list[Path]:
    """Every file whose presence or content decides the hashes of a run: its own data and the sources; some may be
    missing.
    """
    data = [config, *(config.on(name) for name in _other_datasets(config))]
    of_data = [file for one in data for file in data_files(one).values()]
    return [*of_data, *_candidates(str(config["pre_model_path"] or "")), *_first_stage(config)]


def _first_stage(config: Config) -> list[Path]:
    """What a run whose candidates are reranked has come to; its folder may be another place tomorrow."""
    return [Path(name).expanduser() / METRICS_FILE for name in named_runs(config["rerank_from"])]


def _other_datasets(config: Config) -> list[str]:
    named = dict.fromkeys(str(name) for setting in DATASETS for name in _listed(config[setting]))
    return [name for name in named if name != config["dataset"]]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _weights(path: str) -> Path | None:
    """The file that a run starts from: ``path`` itself, or the one of a run's or a transformers folder."""
    return next((file for file in _candidates(path) if file.is_file()), None)


def _candidates(path: str) -> list[Path]:
    start = Path(path).expanduser()
    return [start, *(start / name for name in WEIGHTS)] if path else []
