"""Many runs side by side: what a comparison consists of, which of it is missing, and running that."""

from calrec_recbole.comparison.experiment import Experiment, Row, read_experiment

__all__ = ["Experiment", "Row", "read_experiment"]
