"""What Recformer is pretrained on: the training and validation rows of several prepared data sets."""

from typing import Any, NamedTuple

from calrec_recbole.baselines.recformer.item_texts import attributes_of
from calrec_recbole.baselines.recformer.prefix_rows import Rows, joined, rows_of
from calrec_recbole.errors import ConfigError
from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.data.dataset import load_dataset

__all__ = ["PretrainingData", "pretraining_data"]


class PretrainingData(NamedTuple):
    """``attributes`` of the items of all data sets, one after another, to which the rows' places refer."""

    names: list[str]
    attributes: list[dict[str, str]]
    train: Rows
    valid: Rows


def pretraining_data(config: Any) -> PretrainingData:
    """The data sets of ``pretrain_datasets``, or the run's own. Nobody's last event (the test target) is in it.

    Another data set is read with its own shipped settings, from the same ``data_path``. Raises ``DataError`` where one
    is missing.
    """
    names = [str(name) for name in config["pretrain_datasets"] or [config["dataset"]]]
    if len(set(names)) < len(names):
        raise ConfigError(f"pretrain_datasets={names} names a data set twice")
    attributes, train, valid = [], [], []
    for name in names:
        own = _settings(config, name)
        dataset = load_dataset(own)
        attributes.append(attributes_of(dataset, own))
        splits = dataset.build()
        train.append(rows_of(splits[0]))
        valid.append(rows_of(splits[1]))
    sizes = [len(items) for items in attributes]
    everything = [item for items in attributes for item in items]
    return PretrainingData(names, everything, joined(train, sizes), joined(valid, sizes))


def _settings(config: Any, name: str) -> Config:
    if name == config["dataset"]:
        return Config(config_dict=config.settings)
    shared = ("data_path", "MAX_ITEM_LIST_LENGTH", "seed", "gpu_id")
    return Config("Recformer", name, config_dict={key: config.settings[key] for key in shared})
