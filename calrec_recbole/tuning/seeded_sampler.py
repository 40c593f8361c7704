"""Optuna's TPE whose draws depend on the seed, the trial's place and the trials before it alone, in any process."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

__all__ = ["SeededTPE"]


class SeededTPE(BaseSampler):
    """``TPESampler``, seeded anew for each trial by ``seed`` and by the trial's place among all that are not repeats.

    One sampler would go on with its random numbers where the process stopped; a study that is taken up again by another
    process would then draw other values.
    """

    def __init__(self, seed: int, place_of: Callable[[FrozenTrial], int]) -> None:
        self.seed, self.place_of = seed, place_of
        self.tpe = TPESampler(seed=seed)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Called by Optuna before anything is drawn."""
        word = np.random.SeedSequence([self.seed, self.place_of(trial)]).generate_state(1)[0]
        self.tpe = TPESampler(seed=int(word))
        self.tpe.before_trial(study, trial)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """TPE's."""
        return self.tpe.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """TPE's."""
        return self.tpe.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """TPE's."""
        return self.tpe.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """TPE's."""
        self.tpe.after_trial(study, trial, state, values)
