"""RecBole's training loop: a killed run goes on from the epoch in which it was killed, on a CPU to the same bits."""

import json
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from calrec_recbole.durable_files import recover_folder, replacing_folder, write_json
from calrec_recbole.errors import DataError
from calrec_recbole.plugin.training.checkpoint import STATE, load_checkpoint, save_checkpoint
from calrec_recbole.plugin.training.tensorboard import Curves
from calrec_recbole.stored_files import NUMBER, misfit, read_json, reading

__all__ = ["LAST", "EpochwiseResume", "load_epoch", "phase_left", "save_epoch"]

LAST = "last"  # the folder of the state, inside the checkpoint folder
TRAINING, RANDOM = "training.safetensors", "random.json"


class EpochwiseResume:
    """Mixin, listed before ``TieHonest`` and a trainer that trains by RecBole's ``fit`` and ``_train_epoch``.

    While training, ``checkpoint/last`` holds the state at the start of the present epoch.
    """

    resumes = True
    phase = "train"  # a trainer with several says in which one it is before ``_begin``
    resumed_seconds = 0.0
    started: float | None = None  # training, in this process, on ``time.perf_counter``
    tensorboard: Curves
    checkpoint_dir: Path
    start_epoch: int
    logger: Any

    @property
    def last(self) -> Path:
        return self.checkpoint_dir / LAST

    def fit(
        self,
        train_data: Any,
        valid_data: Any = None,
        verbose: bool = True,
        saved: bool = True,
        show_progress: bool = False,
        callback_fn: Callable[[int, float], None] | None = None,
    ) -> Any:
        self._begin(train_data, saved)
        return super().fit(  # type: ignore[misc]
            train_data, valid_data, verbose, saved, show_progress, callback_fn
        )

    def _begin(self, train_data: Any, saved: bool) -> None:
        """Takes over what an interrupted run left for this phase, if it left something."""
        first = self.started is None  # of several phases of this process
        self.saves, self.started = saved, self.started or time.perf_counter()
        if saved and phase_left(self.last) == self.phase:
            self.start_epoch, self.resumed_seconds = load_epoch(self.last, self, train_data)
            self.logger.info(f"resumed at the start of epoch {self.start_epoch} ({self.phase}) from {self.last}")
        if first:
            self.tensorboard.begin(self.started - self.resumed_seconds, self.resumed_seconds)

    def _train_epoch(self, train_data: Any, epoch_idx: int, *arguments: Any, **options: Any) -> Any:
        if self.saves:
            assert self.started is not None
            seconds = self.resumed_seconds + time.perf_counter() - self.started
            save_epoch(self.last, self, train_data, epoch_idx, seconds)
        return super()._train_epoch(train_data, epoch_idx, *arguments, **options)  # type: ignore[misc]

    def finished(self) -> None:
        """Called when the run is complete: the state for resuming is no longer needed."""
        shutil.rmtree(self.last, ignore_errors=True)


ANEW = "remove it to start anew"


def save_epoch(folder: Path, trainer: Any, train_data: Any, epoch: int, seconds: float) -> None:
    """All that decides how training goes on from the start of ``epoch``, after ``seconds`` -> ``folder``, whole or
    absent.
    """
    best = float(trainer.best_valid_score)
    progress = {
        "run": trainer.run_id,
        "phase": trainer.phase,
        "epoch": epoch,
        "seconds": seconds,
        "cur_step": trainer.cur_step,
        "best_valid_score": best if np.isfinite(best) else None,
        "best_valid_result": trainer.best_valid_result,
    }
    numbers: dict[str, float] = {}
    tensors: dict[str, Tensor] = {"random.torch": torch.get_rng_state()}
    if getattr(train_data, "generator", None) is not None:
        tensors["random.loader"] = train_data.generator.get_state()
    if trainer.device.type == "cuda":
        tensors["random.cuda"] = torch.cuda.get_rng_state(trainer.device)
    for place, state in trainer.optimizer.state_dict()["state"].items():
        for name, value in state.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer.{place}.{name}"] = value.detach().to("cpu", copy=True).contiguous()
            elif value is not None:
                numbers[f"optimizer.{place}.{name}"] = value
    with replacing_folder(folder) as temporary:
        save_checkpoint(temporary, trainer.model, {**progress, "numbers": numbers})
        save_file(tensors, temporary / TRAINING)
        write_json(temporary / RANDOM, {"python": random.getstate(), "numpy": _numpy_state()})


def phase_left(folder: Path) -> str | None:
    """The phase of the state in ``folder``, None where there is none."""
    recover_folder(folder)
    if not folder.is_dir():
        return None
    return str(read_json(folder / STATE, ANEW, {"phase": str, ...: object})["phase"])


def load_epoch(folder: Path, trainer: Any, train_data: Any) -> tuple[int, float]:
    """Puts ``trainer`` and ``train_data`` where ``save_epoch`` found them -> the epoch to begin, seconds spent so far.

    Raises ``DataError`` that names ``folder`` where it is cut short or belongs to another model.
    """
    with reading(f"checkpoint {folder} cannot be resumed", ANEW):
        tensors = load_file(folder / TRAINING)
        states = json.loads((folder / RANDOM).read_text(encoding="utf-8"))
        progress = load_checkpoint(folder, trainer.model, ANEW)
        if progress["run"] != trainer.run_id:
            raise ValueError("it belongs to another run, of other settings or data")
        _restore_optimizer(trainer.optimizer, tensors, progress["numbers"])
        trainer.cur_step, trainer.best_valid_result = progress["cur_step"], progress["best_valid_result"]
        if progress["best_valid_score"] is not None:
            trainer.best_valid_score = progress["best_valid_score"]
        _restore_random(tensors, states, train_data, trainer.device)
    if fault := misfit(progress, {"epoch": int, "seconds": NUMBER, "cur_step": int, ...: object}):
        raise DataError(f"checkpoint {folder} cannot be resumed ({fault}): {ANEW}")
    return progress["epoch"], progress["seconds"]


def _restore_optimizer(optimizer: Any, tensors: dict[str, Tensor], numbers: dict[str, float]) -> None:
    state: dict[int, dict[str, Any]] = {}
    for key, value in {**tensors, **numbers}.items():
        if key.startswith("optimizer."):
            _, place, name = key.split(".")
            state.setdefault(int(place), {})[name] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def _numpy_state() -> dict[str, Any]:
    state: Any = np.random.get_state(legacy=False)
    return {**state, "state": {"key": state["state"]["key"].tolist(), "pos": int(state["state"]["pos"])}}


def _restore_random(tensors: dict[str, Tensor], states: dict[str, Any], train_data: Any, device: torch.device) -> None:
    version, numbers, gauss = states["python"]
    random.setstate((version, tuple(numbers), gauss))
    key = np.array(states["numpy"]["state"]["key"], dtype=np.uint32)
    np.random.set_state({**states["numpy"], "state": {**states["numpy"]["state"], "key": key}})
    torch.set_rng_state(tensors["random.torch"])
    if "random.loader" in tensors:
        train_data.generator.set_state(tensors["random.loader"])
    if "random.cuda" in tensors:
        torch.cuda.set_rng_state(tensors["random.cuda"], device)
