"""Pretrained UniSRec weights, ours or the official ones, by the names of their tensors.

The official checkpoints (``UniSRec-FHCKM-300.pth``) name and shape their tensors as this model does. They could not be
had here: loading is tested on a synthetic file of their names and shapes, the real weights were never run.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from calrec_recbole.baselines.tensor_files import read_tensors
from calrec_recbole.errors import ConfigError
from calrec_recbole.runs.run_folder import CHECKPOINT

__all__ = ["load_pretrained", "weights_file"]

OF_A_DATASET = ("item_embedding.", "plm_embedding.")  # rows by item id, of the data set that it was trained on


def weights_file(path: str | Path | None) -> Path:
    """The file behind ``pre_model_path``: itself, or the one of a run folder or of its checkpoint folder."""
    if not path:
        raise ConfigError("pre_model_path is empty: give the pretraining run's folder, or an official .pth")
    for file in (Path(path), Path(path) / CHECKPOINT / "model.safetensors", Path(path) / "model.safetensors"):
        if file.is_file():
            return file
    raise ConfigError(f"pre_model_path={path} is no weights file and no run folder with checkpoint/model.safetensors")


def load_pretrained(model: Any, path: str | Path) -> None:
    """Fills ``model`` with the tensors of ``path`` that it has too; the log names those that found no match.

    Embeddings by item id are never taken over. Raises ``ConfigError`` for another shape.
    """
    file = weights_file(path)
    given, own = read_tensors(file), model.state_dict()
    taken = {name: given[name] for name in own if name in given and not name.startswith(OF_A_DATASET)}
    if not taken:
        raise ConfigError(f"pre_model_path={file} holds no tensor of UniSRec: it has {', '.join(list(given)[:3])}, ...")
    _check_shapes(file, taken, own)
    model.load_state_dict(taken, strict=False)
    missed, left = sorted(own.keys() - taken), sorted(given.keys() - taken)
    model.logger.info(
        f"pre_model_path={file}: {len(taken)} tensors loaded; "
        f"missed: {', '.join(missed) or 'none'}; left over: {', '.join(left) or 'none'}"
    )


def _check_shapes(file: Path, given: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> None:
    wrong = [
        f"{name} is {tuple(tensor.shape)}, the model's {tuple(own[name].shape)}"
        for name, tensor in given.items()
        if tensor.shape != own[name].shape
    ]
    if wrong:
        raise ConfigError(
            f"pre_model_path={file} does not fit: {'; '.join(wrong)}: set text_encoder, hidden_size, inner_size, "
            "n_exps and MAX_ITEM_LIST_LENGTH as they were when it was trained"
        )
