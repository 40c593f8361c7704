"""Fine-tuning a backbone by the objective of section 3.4."""

from calrec_recbole.training.checkpoint import load_state, save_state
from calrec_recbole.training.fit import Fit, FitSettings, StoppedError, Validation
from calrec_recbole.training.loop import StepReport, Training
from calrec_recbole.training.mixture import Mixture
from calrec_recbole.training.objective import LossParts, objective
from calrec_recbole.training.parallel import Processes
from calrec_recbole.training.settings import TrainingSettings
from calrec_recbole.training.validation import nats_per_item

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
