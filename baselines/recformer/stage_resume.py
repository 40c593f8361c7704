"""Where Recformer's fine-tuning stood at the start of an epoch of a stage, so that a killed run goes on from there."""

import time
from typing import Any

from calrec_recbole.baselines.recformer.model import WEIGHTS
from calrec_recbole.durable_files import recover_folder
from calrec_recbole.plugin.training.epoch_resume import LAST, load_epoch, phase_left, save_epoch
from calrec_recbole.stored_files import NUMBER, read_json

__all__ = ["resume_stage", "save_stage"]


def save_stage(trainer: Any, stage: int, epoch: int) -> None:
    """Weights, optimiser, random state and early stopping -> ``checkpoint/last``; the best weights lie beside it."""
    trainer.phase = f"stage {stage}"
    trainer.best_valid_score, trainer.best_valid_result = trainer.best.score, trainer.best.result
    seconds = trainer.resumed_seconds + time.perf_counter() - trainer.started
    save_epoch(trainer.checkpoint_dir / LAST, trainer, None, epoch, seconds)


def resume_stage(trainer: Any) -> tuple[int, int]:
    """Takes over what an interrupted run left -> the stage and the epoch to begin; (1, 0) where it left nothing."""
    last, best = trainer.checkpoint_dir / LAST, trainer.checkpoint_dir / WEIGHTS
    phase = phase_left(last)
    if phase is None:
        return 1, 0
    recover_folder(best)
    if best.is_dir():
        trainer.load_weights(trainer.checkpoint_dir)
        shape = {trainer.valid_metric: NUMBER, "epoch": str, ...: object}
        state = read_json(best / "state.json", f"remove {last} to start anew", shape)
        trainer.keep(state[trainer.valid_metric], state["epoch"], {})
    epoch, trainer.resumed_seconds = load_epoch(last, trainer, None)
    trainer.best.score, trainer.best.result = float(trainer.best_valid_score), trainer.best_valid_result or {}
    steps = trainer.optimizer.state.values()
    trainer.step = int(next(iter(steps))["step"]) if steps else 0
    trainer.epochs_done = trainer.step // trainer.steps_per_epoch
    trainer.logger.info(f"resumed at the start of epoch {epoch} ({phase}) from {last}")
    return int(phase.removeprefix("stage ")), epoch
