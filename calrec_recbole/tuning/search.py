"""Trial after trial, until a budget is spent."""

from collections.abc import Callable
from pathlib import Path

from optuna.trial import FrozenTrial, TrialState

from calrec_recbole.errors import CalrecError, ConfigError
from calrec_recbole.plugin.run_settings import RunSettings
from calrec_recbole.plugin.training.several_processes import local_rank
from calrec_recbole.setting_groups import settings_of
from calrec_recbole.tuning.chosen_settings import write_best
from calrec_recbole.tuning.shared_study import SharedStudy
from calrec_recbole.tuning.trial_run import run_trial
from calrec_recbole.tuning.tuning_request import TuningRequest

__all__ = ["search", "study_of"]

MOST_FAILURES = 3  # in a row from the start: then it is not the drawn values


def study_of(model: str, dataset: str, folder: Path, storage: str = "", seed: int = 0) -> SharedStudy:
    """The study of ``model`` on ``dataset``, not opened yet."""
    return SharedStudy(folder, f"{model} on {dataset}", storage, seed)


def search(
    request: TuningRequest,
    trials: int | None,
    minutes: float | None,
    storage: str = "",
    tell: Callable[[FrozenTrial], None] = lambda trial: None,
) -> SharedStudy:
    """Runs trials until the study has ``trials`` or has spent CPU ``minutes``, those of other processes counted.

    ``tell`` sees each trial as it ends here. Raises ``CalrecError`` where nothing succeeds.
    """
    if local_rank() is not None:
        raise ConfigError("calrec tune runs one process a trial: start several of the same command instead of torchrun")
    base = request.checked()
    shared = study_of(request.model, request.dataset, request.folder, storage, settings_of(RunSettings, base).seed)
    attributes = {
        "defaults": request.defaults(base),
        "fixed": request.for_the_run(base),
        "valid_metric": str(base["valid_metric"]),
    }
    shared.create(request.identity(base), attributes, request.first_trial(base))
    while (trial := shared.next(request.space, trials, minutes)) is not None:
        run_trial(shared, trial, request, base, minutes)
        found = shared.trials()
        tell(found[trial.number])
        write_best(shared, request.model, request.dataset)
        _check_success(found)
    return shared


def _check_success(trials: list[FrozenTrial]) -> None:
    if any(trial.state in (TrialState.COMPLETE, TrialState.PRUNED) for trial in trials):
        return
    failed = [trial.user_attrs["error"] for trial in trials if trial.user_attrs.get("error")]
    if len(failed) >= MOST_FAILURES:
        raise CalrecError(f"{len(failed)} trials have failed and none has succeeded; the latest: {failed[-1]}")
