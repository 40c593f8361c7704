"""Fine-tuning a backbone by the objective of section 3.4."""

from calrec_recbole.training.distributed.processes import Processes
from calrec_recbole.training.fit import Fit, FitSettings, StoppedError, Validation
from calrec_recbole.training.held_out import nats_per_item
from calrec_recbole.training.loop import StepReport, Training
from calrec_recbole.training.mixture import Mixture
from calrec_recbole.training.objective import LossParts, objective
from calrec_recbole.training.settings import TrainingSettings
from calrec_recbole.training.training_state import load_state, save_state

__all__ = [
    "Fit",
    "FitSettings",
    "LossParts",
    "Mixture",
    "Processes",
    "StepReport",
    "StoppedError",
    "Training",
    "TrainingSettings",
    "Validation",
    "load_state",
    "nats_per_item",
    "objective",
    "save_state",
]
