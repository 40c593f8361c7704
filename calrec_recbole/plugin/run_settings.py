"""Settings of every run, whatever its model: where it lies, on what it runs, what it tells."""

from dataclasses import dataclass
from pathlib import Path

from calrec_recbole.runs.run_folder import model_label
from calrec_recbole.setting_groups import check_ranges, no_effect, ranged

__all__ = ["RunSettings"]


@dataclass(frozen=True)
class RunSettings:
    """Most are RecBole's own; ``worker``, ``state`` and the decimal places are read by RecBole alone."""

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

    def __post_init__(self) -> None:
        check_ranges(self)

    @property
    def parent(self) -> Path:
        """The folder of all runs of the model on the data set."""
        return Path(self.output_dir) / self.dataset / model_label(self.model)
