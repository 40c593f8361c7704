"""What CALRec's trainer leaves on disk: the state for resuming, the best weights, weights that are kept for good."""

import shutil
import time
from pathlib import Path
from typing import Any

from calrec_recbole.durable import recover_folder, replacing_folder, write_json
from calrec_recbole.errors import DataError
from calrec_recbole.training.best_weights import best_step, check_best
from calrec_recbole.training.progress import Progress, vocabulary_hash
from calrec_recbole.plugin.model_card import model_card
from calrec_recbole.plugin.retriever import NONE
from calrec_recbole.training import Processes, Training, load_state, save_state

__all__ = ["CALRecCheckpoints"]


class CALRecCheckpoints:
    """Goes before ``TieHonest`` in ``CALRecTrainer``.

    ``checkpoint/last`` is written before ``checkpoint/best``, whose weights it holds too at that moment: a kill between
    the two loses neither. Of several processes the first writes.
    """

    config: Any
    model: Any
    logger: Any
    tensorboard: Any
    checkpoint_dir: Path
    valid_metric: str
    resumed_seconds: float
    began: float  # of training, on the clock of ``time.perf_counter``, as if it had never been interrupted

    @property
    def processes(self) -> Processes:
        return Processes.present()

    @property
    def ranks(self) -> bool:
        """Whether targets are ranked; otherwise the best weights are those of the fewest nats a held-out item."""
        return bool(self.config["retrieval"] != NONE)

    def scored(self, score: float) -> dict[str, float]:
        """``valid_metric`` with the ``score`` of a validation, where that is what it is."""
        return {self.valid_metric: score} if self.ranks else {}

    @property
    def last(self) -> Path:
        return self.checkpoint_dir / "last"

    @property
    def best(self) -> Path:
        return self.checkpoint_dir / "best"

    def save_weights(self, folder: Path, state: dict[str, Any]) -> None:
        self._write(folder / "best", state)

    def _write(self, folder: Path, state: dict[str, Any]) -> None:
        """The weights as a standard transformers folder with a model card, by the first process."""
        if self.processes.first:
            with replacing_folder(folder) as temporary:
                self.model.save_weights(temporary)
                parameters = sum(parameter.numel() for parameter in self.model.parameters())
                model_card(self.config, parameters, state).save(temporary / "README.md")
                write_json(temporary / "state.json", state)
        self.processes.wait()  # whoever reads it finds it

    def load_weights(self, folder: Path) -> None:
        check_best(folder / "best")
        self.model.load_weights(folder / "best")

    def _fresh(self) -> Progress:
        return Progress(self.config["run_id"] or "", vocabulary_hash(self.model.recommender.backbone.tokenizer))

    def _resume(self, training: Training) -> Progress:
        """Where an interrupted run of these settings stood, or the beginning."""
        if self.processes.first:
            recover_folder(self.last)
            recover_folder(self.best)
        self.processes.wait()
        fresh = self._fresh()
        if not self.last.is_dir():
            shutil.rmtree(self.best, ignore_errors=True)  # of an attempt whose state somebody removed
            return fresh
        progress = Progress.loaded(load_state(training, self.last), fresh, str(self.last))
        self._keep_best(training, progress)
        if progress.best_step >= 0:
            check_best(self.best)
        self.resumed_seconds = progress.seconds
        self.tensorboard.resume(training.step)
        self.logger.info(f"resumed at step {training.step} from {self.last}, after {progress.seconds:.0f} s")
        return progress

    def _next_kept(self, training: Training) -> int:
        interval = int(self.config["keep_interval"]) or training.settings.train_steps
        return (training.step // interval + 1) * interval

    def _keep(self, step: int, progress: Progress) -> None:
        """Weights for good where ``step`` is one of ``keep_interval``."""
        interval = int(self.config["keep_interval"])
        if interval and step % interval == 0:
            self._write(self.checkpoint_dir / f"step-{step}", {"run": progress.run, "step": step})

    def _save(self, training: Training, progress: Progress) -> None:
        """The state, then the best weights where they are the present ones."""
        progress.seconds = time.perf_counter() - self.began
        save_state(training, progress.saved(), self.last)
        self._keep_best(training, progress)

    def _keep_best(self, training: Training, progress: Progress) -> None:
        """``checkpoint/best`` as ``progress`` says; after a kill in ``_save`` it may be one validation older."""
        if progress.best_step < 0:
            return
        present, *_ = self.processes.gather(best_step(self.best, progress.run))
        if present == progress.best_step:
            return
        if progress.best_step != training.step:
            raise DataError(
                f"checkpoint {self.best} does not hold the weights of step {progress.best_step}, as {self.last} says: "
                f"remove {self.checkpoint_dir} to start anew"
            )
        state = {"run": progress.run, "step": progress.best_step, **self.scored(progress.best_score)}
        state |= {"nats": progress.best_nats, "users": progress.users, "valid": progress.best_result}
        self.save_weights(self.checkpoint_dir, state)

    def _drop_state(self) -> None:
        """When training is over the state for resuming is no longer needed."""
        if self.processes.first:
            shutil.rmtree(self.last, ignore_errors=True)
        self.processes.wait()
