"""One runner for all models: data, training, evaluation, and one folder with all that a reader of the numbers needs."""

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Protocol

import torch
from recbole.utils import init_seed

from calrec_recbole.errors import CalrecError, ConfigError
from calrec_recbole.evaluation import RankTable
from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.data.data_settings import SourceSettings
from calrec_recbole.plugin.data.input_hashes import edited_since_prepare, input_hashes
from calrec_recbole.plugin.data.prepared import Prepared, prepare
from calrec_recbole.plugin.data.split import check_same_split
from calrec_recbole.plugin.registry import is_own, model_class
from calrec_recbole.plugin.run_settings import RunSettings
from calrec_recbole.plugin.training.epoch_resume import LAST
from calrec_recbole.plugin.training.own_model_guard import guarded, own_code, try_scores
from calrec_recbole.plugin.training.several_processes import claimed, joined
from calrec_recbole.plugin.training.tie_aware_trainer import Tested, Validated, trainer_for
from calrec_recbole.plugin.training.trim_padding import TrimSettings, trimmed
from calrec_recbole.runs.environment import Cost, device_text, devices, environment
from calrec_recbole.runs.log_file import logging_to
from calrec_recbole.runs.results import RunResult, print_result, write_results, write_validation
from calrec_recbole.runs.run_folder import CHECKPOINT, METRICS_FILE, PARTS, run_id
from calrec_recbole.runs.sigterm import sigterm_raises
from calrec_recbole.runs.trained import TRAINED
from calrec_recbole.runs.wandb_run import check_wandb, wandb_run
from calrec_recbole.setting_files import write_settings
from calrec_recbole.setting_groups import settings_of
from calrec_recbole.stored_files import one_line, reading
from calrec_recbole.training import Processes

__all__ = ["RunResult", "Watch", "build_model", "run"]

logger = logging.getLogger(__name__)

UNTESTED = Tested(RankTable.concatenate([]), 0)


class Watch(Protocol):
    """Sees a run up to its last validation; an exception that it raises ends the run."""

    def begins(self, folder: Path) -> None:
        """Called before the data is read."""

    def trains(self, steps: int) -> None:
        """Called before training, with the steps that it takes if nothing ends it early."""

    def validated(self, step: int, score: float) -> None:
        """Called after each validation with the step, RecBole's an epoch, and ``valid_metric``, higher is better."""


def run(
    model: str | None = None,
    dataset: str | None = None,
    config_files: Sequence[str | Path] = (),
    overrides: Mapping[str, Any] | None = None,
    show: bool = True,
    watch: Watch | None = None,
) -> RunResult:
    """Trains and evaluates ``model`` on ``dataset``; ``overrides`` lie above ``config_files`` and may be texts (YAML).

    Leaves ``<output_dir>/<dataset>/<model>/<run id>/`` with config.yaml, environment.json, ranks.parquet, checkpoint/,
    log.txt and, last of all, metrics.json. A finished folder is never touched again: the same run once more goes to
    ``<run id>-2``; one that ``evaluate_minutes`` ended is extended. With ``show`` the metrics are printed as a table.
    Started by torchrun, the processes share one run: the first writes, all return its result. With ``watch`` nothing is
    tested, the folder gets validation.json and no metrics.json, and the terminal shows warnings only.
    """
    with joined() as processes:
        result = _run_jointly(Config(model, dataset, config_files, overrides), processes, watch)
        if show and processes.first:
            print_result(result)
    return result


def _run_jointly(config: Config, processes: Processes, watch: Watch | None) -> RunResult:
    settings, prepared = settings_of(RunSettings, config), prepare(config)
    trainer_class = trainer_for(settings.model)
    if processes.world > 1 and not trainer_class.in_several_processes:
        raise ConfigError(f"model={settings.model} runs in one process, not {processes.world}: start it by run_recbole")
    check_wandb(settings.log_wandb)
    if check := getattr(model_class(settings.model), "check_settings", None):
        check(config, processes.world)
    sources = settings_of(SourceSettings, config)
    check_same_split(prepared.split, sources)
    hashes = input_hashes(prepared, sources)
    name, parent = run_id(config.settings, hashes, config.groups), settings.parent
    with claimed(processes, parent, name, trainer_class.resumes) as folder, ExitStack() as stack:
        config["run_id"], config["run_dir"], config["checkpoint_dir"] = name, str(folder), str(folder / CHECKPOINT)
        if processes.first:
            write_settings(folder / "config.yaml", config.settings)
            stack.enter_context(logging_to(folder / "log.txt", settings.state, quiet=watch is not None))
            stack.enter_context(wandb_run(settings.log_wandb, settings.wandb_project, folder, config.settings))
        else:
            config["log_wandb"] = False
        stack.enter_context(sigterm_raises(folder / CHECKPOINT / LAST, folder / PARTS, folder / CHECKPOINT / TRAINED))
        stack.enter_context(quiet_about_recbole())
        return _run(prepared, hashes, folder, processes, watch)


@contextmanager
def quiet_about_recbole() -> Iterator[None]:
    """Hides what pandas and torch say of RecBole's code, which its users cannot mend."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning, module=r"recbole\.")
        warnings.filterwarnings("ignore", category=UserWarning, module=r"recbole\.model\.")
        yield


def _run(
    prepared: Prepared, hashes: dict[str, str], folder: Path, processes: Processes, watch: Watch | None
) -> RunResult:
    config, settings = prepared.config, settings_of(RunSettings, prepared.config)
    logger.info("%s on %s: %s", settings.model, settings.dataset, folder)
    cost, show_progress = Cost(), settings.show_progress and processes.first
    if watch:
        watch.begins(folder)
    with cost.phase("data"):
        init_seed(settings.seed, settings.reproducibility)
        for line in edited_since_prepare(prepared, settings_of(SourceSettings, config)):
            logger.warning(line)
        with reading(f"{settings.dataset} cannot be fed to {settings.model}", "mend its settings", ConfigError):
            data = prepared.loaders
        logger.info(_data_line(prepared))
    with cost.phase("model"):
        model = build_model(config, data.train.dataset)
        logger.info("%s: %s on %s", settings.model, _size(model), device_text(devices(config["device"])))
        logger.debug(model)
    if prepared.item_problem:
        logger.warning("%s; left out: ties of text, equivalent items, slices by text", prepared.item_problem)
    with cost.phase("train"):
        trainer = trainer_for(settings.model)(config, model)
        if is_own(settings.model):
            try_scores(model, data.valid, config["device"])
        score, valid = trainer.train_once(data.train, data.valid, show_progress, _told(watch, trainer))
    with cost.phase("evaluate"):
        trainer.load_weights(folder / CHECKPOINT)
        if valid is None:
            valid = trainer.evaluate(data.valid, load_best_model=False, show_progress=show_progress)
        ranks, tested, left = UNTESTED if watch else trainer.test(data.test, show_progress)
        users = {"valid": (trainer.validated_users or len(data.valid.dataset)) if valid else 0, "test": tested}
        users["test_in_all"] = len(data.test.dataset)
        test = ranks.summary(trainer.metric_names) if len(ranks) else {}
        lists = trainer.lists.summary() if trainer.lists and len(ranks) else {}
        given = dict(getattr(model, "given_lists", {}))
        result = RunResult(folder, dict(valid), test, float(score), users, left, lists, given)
    if not processes.first:
        return result
    found = environment(settings.seed, trainer.device, hashes, cost)
    found["devices"]["processes"] = processes.world
    found["parameters"] = sum(part.numel() for part in parameters(model))
    found |= {"dropped_rows": prepared.dropped_rows} if prepared.dropped_rows else {}
    found |= {"users": users, "seconds_before_resume": trainer.resumed_seconds, **trainer.diagnostics}
    for part, metrics in (("valid", result.valid), ("test", result.test)):
        if metrics:
            logger.info("%s: %s", part, ", ".join(f"{name} {value:.5f}" for name, value in metrics.items()))
    trainer.log_test(result.test)
    if watch:
        write_validation(folder, found, result)
        return result
    # results of a shorter evaluation: what a kill leaves is consistent or unfinished
    (folder / METRICS_FILE).unlink(missing_ok=True)
    write_results(folder, ranks, (prepared.users, prepared.items), found, result, trainer.lists)
    trainer.finished()
    return result


def _told(watch: Watch | None, trainer: Any) -> Validated | None:
    """What hears of each validation; before, ``watch`` hears how long training may be."""
    if not watch:
        return None
    watch.trains(trainer.steps_at_most)
    return watch.validated


def _data_line(prepared: Prepared) -> str:
    """The data set in numbers, the pad user and the pad item not counted."""
    _, valid, test = prepared.splits
    return (
        f"{prepared.name}: {len(prepared.users) - 1:,} users, {len(prepared.items) - 1:,} items, "
        f"{len(prepared.events.users):,} events; {len(valid):,} users to validate on, {len(test):,} to test on"
    )


def parameters(model: Any) -> list[Any]:
    """Those that say something: RecBole gives models without any, such as Pop, a ``fake_loss``."""
    return [part for name, part in model.named_parameters() if name != "fake_loss"]


def _size(model: Any) -> str:
    size = sum(part.numel() for part in parameters(model))
    learnt = sum(part.numel() for part in parameters(model) if part.requires_grad)
    if not size:
        return "no parameters"
    return f"{size:,} parameters" + (f", {learnt:,} of them trained," if learnt < size else "")


def build_model(config: Config, train_dataset: Any) -> Any:
    """The model with freshly seeded weights on its device. Raises ``ConfigError`` for sizes that do not fit."""
    settings = settings_of(RunSettings, config)
    init_seed(settings.seed, settings.reproducibility)
    wanted = model_class(settings.model)
    own = is_own(settings.model)
    wanted = trimmed(wanted) if settings_of(TrimSettings, config).trim_padding else wanted
    try:
        with quiet_about_recbole(), own_code(wanted, "__init__") if own else nullcontext():
            model = wanted(config, train_dataset).to(config["device"])
        return guarded(model, train_dataset.item_num) if own else model
    except CalrecError:
        raise
    except torch.OutOfMemoryError:
        raise
    except Exception as problem:  # RecBole's models check their settings as they come to them
        raise ConfigError(f"{settings.model} cannot be built: {one_line(problem)}") from problem
