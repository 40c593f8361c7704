"""The state of a training run on disk: safetensors and JSON, whole or absent."""

import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from calrec_recbole.durable_files import replacing_folder
from calrec_recbole.stored_files import reading
from calrec_recbole.training.distributed.sharding import placed_as, whole
from calrec_recbole.training.loop import Training

__all__ = ["StateWriter", "load_state", "save_state"]


def save_state(training: Training, progress: dict[str, Any], folder: Path) -> None:
    """Trained weights, optimiser, random state and step of ``training`` with ``progress`` (JSON) -> ``folder``.

    Of several processes the first writes.
    """
    StateWriter(background=False).write(training, progress, folder)


class StateWriter:
    """Writes states as ``save_state`` does; with ``background`` in a thread, while training goes on.

    Then training waits for a copy of the state, not for the disk. One state is written at a time.
    """

    def __init__(self, background: bool) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="state") if background else None
        self._pending: Future[None] | None = None

    def write(self, training: Training, progress: dict[str, Any], folder: Path) -> None:
        """The state at this moment -> ``folder``. Raises what went wrong with the one before."""
        self.finish()
        tensors = _tensors(training)
        text = json.dumps({"step": training.step, "plan": training.planned(), **progress}, allow_nan=False)
        if not training.processes.first:
            return
        if self._thread is None:
            _write(tensors, text, folder)
        else:
            copies = _copies(tensors, training.device)
            self._pending = self._thread.submit(_write, copies, text, folder)

    def finish(self) -> None:
        """Returns when nothing is left to write; raises what went wrong."""
        pending, self._pending = self._pending, None
        if pending:
            pending.result()


def _write(tensors: dict[str, Tensor], text: str, folder: Path) -> None:
    with replacing_folder(folder) as temporary:
        save_file({name: value.cpu() for name, value in tensors.items()}, temporary / "state.safetensors")
        (temporary / "progress.json").write_text(text, encoding="utf-8")


def _copies(tensors: dict[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    """On the CPU, with memory of their own; the device is waited for once."""
    if device.type != "cuda":
        return {name: value.clone() for name, value in tensors.items()}
    copies = {name: torch.empty_like(value, device="cpu", pin_memory=True) for name, value in tensors.items()}
    for name, value in tensors.items():
        copies[name].copy_(value, non_blocking=True)
    torch.cuda.synchronize(device)
    return copies


def _tensors(training: Training) -> dict[str, Tensor]:
    tensors = {f"model.{name}": value for name, value in _trained(training)}
    for number, optimiser in enumerate(training.optimisers):
        for place, state in optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{number}.{place}.{name}": whole(value) for name, value in state.items()}
    tensors["random.cpu"] = torch.get_rng_state()
    if training.device.type == "cuda":
        tensors["random.cuda"] = torch.cuda.get_rng_state(training.device)
    return {name: value.detach().contiguous() for name, value in tensors.items()}


def load_state(training: Training, folder: Path) -> dict[str, Any]:
    """Puts ``training`` where ``save_state`` left it and returns its progress; the run goes on as if never stopped.

    Raises ``DataError`` that names ``folder`` where it is cut short or belongs to another model.
    """
    with reading(f"checkpoint {folder} cannot be resumed", "remove it to start anew"):
        tensors = load_file(folder / "state.safetensors")
        progress: dict[str, Any] = json.loads((folder / "progress.json").read_text(encoding="utf-8"))
        training.step = _step(progress, training)
        _restore_model(training, tensors)
        _restore_optimisers(training, tensors)
        _restore_random(training, tensors)
    return progress


def _step(progress: Any, training: Training) -> int:
    """Takes the step and the plan out of ``progress``; ``training`` goes on by the plan."""
    if not isinstance(progress, dict) or type(progress.get("step")) is not int:
        raise ValueError("progress.json holds no step")
    step: int = progress.pop("step")
    if "plan" in progress:
        training.take_plan(progress.pop("plan"))
    elif training.asked.train_minutes:
        raise ValueError("progress.json holds no plan")
    if not 0 <= step <= training.settings.train_steps:
        raise ValueError(f"step {step} is not among train_steps={training.settings.train_steps}")
    return step


def _trained(training: Training) -> Iterator[tuple[str, Tensor]]:
    """Frozen weights are the backbone's own and are not kept."""
    return ((name, value) for name, value in training.backbone.model.named_parameters() if value.requires_grad)


def _restore_model(training: Training, tensors: dict[str, Tensor]) -> None:
    ours = {f"model.{name}": parameter for name, parameter in _trained(training)}
    foreign = sorted({name for name in tensors if name.startswith("model.")} ^ ours.keys())
    if foreign:
        raise ValueError(f"it belongs to another model: {foreign[0]} is in one of them only")
    with torch.no_grad():
        for name, parameter in ours.items():
            parameter.copy_(_fitting(name, tensors[name], parameter))
    training.engine.take_over()


def _restore_optimisers(training: Training, tensors: dict[str, Tensor]) -> None:
    states: list[dict[int, dict[str, Tensor]]] = [{} for _ in training.optimisers]
    for key, value in tensors.items():
        if key.startswith("optimiser."):
            _, owner, place, name = key.split(".")
            states[int(owner)].setdefault(int(place), {})[name] = value.cpu() if name == "step" else value
    for number, (optimiser, state) in enumerate(zip(training.optimisers, states, strict=True)):
        parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
        if (training.step and not state) or not state.keys() <= set(range(len(parameters))):
            raise ValueError(f"optimiser {number} has the state of {len(state)} parameters, not of {len(parameters)}")
        for index, values in state.items():
            values |= {name: placed_as(parameters[index], value) for name, value in values.items()}
        optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
        for parameter, restored in optimiser.state.items():
            for name, value in restored.items():
                if value.dim():
                    _fitting(f"optimiser.{number}.{name}", value, parameter)


def _fitting(name: str, value: Tensor, parameter: Tensor) -> Tensor:
    if value.shape != parameter.shape:
        raise ValueError(f"{name} is {tuple(value.shape)} there and {tuple(parameter.shape)} here")
    return value


def _restore_random(training: Training, tensors: dict[str, Tensor]) -> None:
    torch.set_rng_state(tensors["random.cpu"].cpu())
    if "random.cuda" in tensors:
        torch.cuda.set_rng_state(tensors["random.cuda"].cpu(), training.device)
