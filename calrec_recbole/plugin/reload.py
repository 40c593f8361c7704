"""A finished run again: its config, model with the trained weights, and data, as RecBole's ``load_data_and_model``."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from recbole.utils import init_seed

from calrec_recbole.errors import DataError
from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.data.data_settings import SourceSettings
from calrec_recbole.plugin.data.prepared import Prepared, prepare, sha256
from calrec_recbole.plugin.own_models import own_files
from calrec_recbole.plugin.run_settings import RunSettings
from calrec_recbole.plugin.runner import build_model
from calrec_recbole.plugin.training.tie_aware_trainer import trainer_for
from calrec_recbole.runs.run_folder import CHECKPOINT, METRICS_FILE
from calrec_recbole.setting_groups import settings_of
from calrec_recbole.stored_files import read_json

__all__ = ["LoadedRun", "load_run", "prepared_of_run"]

logger = logging.getLogger(__name__)


class LoadedRun(NamedTuple):
    """What RecBole's ``load_data_and_model`` returns, in its order."""

    config: Config
    model: Any
    dataset: Any
    train_data: Any
    valid_data: Any
    test_data: Any


def load_run(
    run_dir: str | Path, data_path: str | Path | None = None, changes: Mapping[str, Any] | None = None
) -> LoadedRun:
    """Everything of the run in ``run_dir``; ``data_path`` says where the prepared data sets lie by now, ``changes`` are
    settings of this machine, such as ``gpu_id``.

    Raises ``DataError`` for an unfinished run and for data other than the run's.
    """
    folder = Path(run_dir)
    prepared = prepared_of_run(folder, data_path, changes)
    config, settings = prepared.config, settings_of(RunSettings, prepared.config)
    trainer_class = trainer_for(settings.model)
    ours = {"run_dir": str(folder), "checkpoint_dir": str(folder / CHECKPOINT), "log_wandb": False}  # the run is over
    for key, value in {**ours, **trainer_class.reload_settings(folder / CHECKPOINT)}.items():
        config[key] = value
    init_seed(settings.seed, settings.reproducibility)
    data = prepared.loaders
    model = build_model(config, data.train.dataset)
    trainer_class(config, model).load_weights(folder / CHECKPOINT)
    return LoadedRun(config, model.eval(), prepared.dataset, *data)


def prepared_of_run(
    run_dir: str | Path, data_path: str | Path | None = None, changes: Mapping[str, Any] | None = None
) -> Prepared:
    """The data set of the run in ``run_dir``, checked against what it ran on; raises as ``load_run``."""
    folder = Path(run_dir)
    if not (folder / METRICS_FILE).is_file():
        raise DataError(f"{folder} is not a finished run: it has no {METRICS_FILE}; run it again")
    here = {**(changes or {}), **({"data_path": str(data_path)} if data_path else {})}
    prepared = prepare(Config(config_file_list=[folder / "config.yaml"], config_dict=here))
    _check_data(prepared, folder)
    return prepared


def _check_data(prepared: Prepared, folder: Path) -> None:
    shape = {"data_sha256": {...: str}, ...: object}
    ran_on = read_json(folder / "environment.json", "run it again", shape)["data_sha256"]
    now = prepared.hashes
    changed = [f"{prepared.name}.{kind}" for kind in ("inter", "item") if ran_on.get(kind) != now.get(kind)]
    if changed:
        names = ", ".join(changed)
        raise DataError(f"{folder} ran on other data: {names} in {prepared.folder} differs; prepare it as it was")
    scores = Path(str(settings_of(SourceSettings, prepared.config).scores_file))
    if "scores" in ran_on and scores.is_file() and sha256(scores) != ran_on["scores"]:
        raise DataError(f"{folder} ranked other scores: {scores} has changed since; run calrec evaluate again")
    for file in own_files(prepared.config.model_class)[:1]:
        if ran_on.get("model") != sha256(file):
            logger.warning("%s: %s has changed since this run", folder, file)
