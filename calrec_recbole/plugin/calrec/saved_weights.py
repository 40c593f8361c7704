"""What CALRec's trainer leaves on disk: the state for resuming, the best weights, weights that are kept for good."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from calrec_recbole.durable_files import replacing_folder, write_json
from calrec_recbole.plugin.calrec.retriever import NONE
from calrec_recbole.runs.model_card import model_card
from calrec_recbole.setting_files import write_settings
from calrec_recbole.training import Processes
from calrec_recbole.training.best_weights import check_best

__all__ = ["CALRecCheckpoints"]


class CALRecCheckpoints:
    """Goes before ``TieHonest`` in ``CALRecTrainer``. Of several processes the first writes."""

    asked: Mapping[str, Any]
    run_dir: Path | None
    model: Any
    logger: Any
    tensorboard: Any
    checkpoint_dir: Path
    valid_metric: str
    resumed_seconds: float
    planned: Mapping[str, Any] = MappingProxyType({})  # what ``auto`` settings and a budget of minutes came to
    began: float  # of training, on the clock of ``time.perf_counter``, as if it had never been interrupted

    @property
    def processes(self) -> Processes:
        return Processes.present()

    @property
    def ranks(self) -> bool:
        """Whether targets are ranked; otherwise the best weights are those of the fewest nats a held-out item."""
        return bool(self.model.settings.retrieval.retrieval != NONE)

    def scored(self, score: float) -> dict[str, float]:
        """``valid_metric`` with the ``score`` of a validation, where that is what it is."""
        return {self.valid_metric: score} if self.ranks else {}

    @property
    def last(self) -> Path:
        return self.checkpoint_dir / "last"

    @property
    def best(self) -> Path:
        return self.checkpoint_dir / "best"

    def keep_plan(self, planned: Mapping[str, Any]) -> None:
        """What ``auto`` and a budget of minutes came to goes into the run's config.yaml: it repeats the run."""
        self.planned = planned
        asked = {name: self.asked[name] for name in planned if self.asked[name] != planned[name]}
        if self.run_dir and self.processes.first and asked:
            write_settings(self.run_dir / "config.yaml", {**self.asked, **planned}, asked)

    def save_weights(self, folder: Path, state: dict[str, Any]) -> None:
        self.write_weights(folder / "best", state)

    def write_weights(self, folder: Path, state: dict[str, Any]) -> None:
        """The weights as a standard transformers folder with a model card, by the first process."""
        if self.processes.first:
            with replacing_folder(folder) as temporary:
                self.model.save_weights(temporary)
                parameters = sum(parameter.numel() for parameter in self.model.parameters())
                model_card({**self.asked, **self.planned}, parameters, state).save(temporary / "README.md")
                write_json(temporary / "state.json", state)
        self.processes.wait()  # whoever reads it finds it

    def load_weights(self, folder: Path) -> None:
        check_best(folder / "best")
        self.model.load_weights(folder / "best")

    def _drop_state(self) -> None:
        """When training is over the state for resuming is no longer needed."""
        if self.processes.first:
            shutil.rmtree(self.last, ignore_errors=True)
        self.processes.wait()
