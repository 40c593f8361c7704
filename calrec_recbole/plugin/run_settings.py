"""Settings of every run, whatever its model: where it lies, on what it runs, what it tells."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calrec_recbole.durable_files import no_folder
from calrec_recbole.runs.run_folder import model_label
from calrec_recbole.setting_groups import check_ranges, no_effect, ranged
from calrec_recbole.stored_files import NUMBER, misfit

__all__ = ["RunSettings"]

TUNING = {"trials": int, "ended?": {...: int}, "cpu_minutes": NUMBER, "chosen": {...: object}}


@dataclass(frozen=True)
class RunSettings:
    """Most are RecBole's own; ``worker``, ``state`` and the decimal places are read by RecBole alone.

    ``tuning``: where the settings come from a search, its trials and how they ended, its CPU minutes and
    what it chose.
    """

    model: str
    dataset: str
    seed: int = ranged(2020, "[0, 4294967295]")
    reproducibility: bool = True
    output_dir: str = no_effect("runs")
    checkpoint_dir: str = no_effect("")
    config_file: str | None = no_effect(None)
    gpu_id: str | int | list[int] | None = no_effect(None)
    use_gpu: bool = no_effect(True)
    worker: int = no_effect(0, within="[0, 1024]")
    state: str = no_effect("INFO")
    show_progress: bool = no_effect(True)
    loss_decimal_place: int = no_effect(4, within="[0, 20]")
    metric_decimal_place: int = no_effect(4, within="[0, 20]")
    log_tensorboard: bool = no_effect(True)
    log_wandb: bool = no_effect(False)
    wandb_project: str = no_effect("recbole")
    tuning: dict[str, Any] | None = no_effect(None)

    def __post_init__(self) -> None:
        fault = misfit(self.tuning, TUNING) if self.tuning is not None else ""
        told = f"tuning={self.tuning!r} is not what calrec tune writes ({fault}): leave it out" if fault else ""
        check_ranges(self, told, no_folder("output_dir", self.output_dir))

    @property
    def parent(self) -> Path:
        """The folder of all runs of the model on the data set."""
        return Path(self.output_dir) / self.dataset / model_label(self.model)
