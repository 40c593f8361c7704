"""The state of a training run on disk: safetensors and JSON, whole or absent."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from calrec_recbole.durable import replacing_folder
from calrec_recbole.errors import DataError
from calrec_recbole.training.loop import Training
from calrec_recbole.training.sharding import placed_as, whole

__all__ = ["load_state", "save_state"]


def save_state(training: Training, progress: dict[str, Any], folder: Path) -> None:
    """Trained weights, optimiser, random state and step of ``training`` with ``progress`` (JSON) -> ``folder``.

    Of several processes the first writes.
    """
    tensors = {f"model.{name}": value for name, value in _trained(training)}
    for number, optimiser in enumerate(training.optimisers):
        for place, state in optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{number}.{place}.{name}": whole(value) for name, value in state.items()}
    tensors["random.cpu"] = torch.get_rng_state()
    if training.device.type == "cuda":
        tensors["random.cuda"] = torch.cuda.get_rng_state(training.device)
    if not training.processes.first:
        return
    with replacing_folder(folder) as temporary:
        save_file(
            {name: value.detach().contiguous() for name, value in tensors.items()}, temporary / "state.safetensors"
        )
        (temporary / "progress.json").write_text(json.dumps({"step": training.step, **progress}), encoding="utf-8")


def load_state(training: Training, folder: Path) -> dict[str, Any]:
    """Puts ``training`` where ``save_state`` left it and returns its progress; the run goes on as if never stopped.

    Raises ``DataError`` that names ``folder`` where it is cut short or belongs to another model.
    """
    try:
        tensors = load_file(folder / "state.safetensors", device=str(training.device))
        progress: dict[str, Any] = json.loads((folder / "progress.json").read_text(encoding="utf-8"))
        _restore_model(training, tensors)
        _restore_optimisers(training, tensors)
        training.step = progress.pop("step")
    except (OSError, SafetensorError, KeyError, IndexError, ValueError, RuntimeError) as problem:
        raise DataError(f"checkpoint {folder} cannot be resumed ({problem}): remove it to start anew") from problem
    torch.set_rng_state(tensors["random.cpu"].cpu())
    if "random.cuda" in tensors:
        torch.cuda.set_rng_state(tensors["random.cuda"].cpu(), training.device)
    return progress


def _trained(training: Training) -> Iterator[tuple[str, Tensor]]:
    """Frozen weights are the backbone's own and are not kept."""
    return ((name, value) for name, value in training.backbone.model.named_parameters() if value.requires_grad)


def _restore_model(training: Training, tensors: dict[str, Tensor]) -> None:
    with torch.no_grad():
        for name, parameter in _trained(training):
            parameter.copy_(tensors[f"model.{name}"])
    training.engine.take_over()


def _restore_optimisers(training: Training, tensors: dict[str, Tensor]) -> None:
    states: list[dict[int, dict[str, Tensor]]] = [{} for _ in training.optimisers]
    for key, value in tensors.items():
        if key.startswith("optimiser."):
            _, number, place, name = key.split(".")
            states[int(number)].setdefault(int(place), {})[name] = value.cpu() if name == "step" else value
    for optimiser, state in zip(training.optimisers, states, strict=True):
        parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
        for index, values in state.items():
            values |= {name: placed_as(parameters[index], value) for name, value in values.items()}
        optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
