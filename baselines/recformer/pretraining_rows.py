"""What Recformer is pretrained on: the training and validation rows of several prepared data sets."""

from collections.abc import Sequence
from typing import NamedTuple

from calrec_recbole.baselines.recformer.item_texts import attributes_of
from calrec_recbole.baselines.recformer.prefix_rows import Rows, joined, rows_of
from calrec_recbole.baselines.recformer.recformer_settings import RecformerSettings
from calrec_recbole.plugin.data.prepared import Prepared
from calrec_recbole.setting_groups import settings_of

__all__ = ["PretrainingData", "pretraining_data"]


class PretrainingData(NamedTuple):
    """``attributes`` of the items of all data sets, one after another, to which the rows' places refer."""

    names: list[str]
    attributes: list[dict[str, str]]
    train: Rows
    valid: Rows


def pretraining_data(prepared: Prepared, datasets: Sequence[str]) -> PretrainingData:
    """The ``datasets`` of pretrain_datasets, or the run's own. Nobody's last event (the test target) is in it.

    Another data set is read with what its own YAML says. Raises ``DataError`` where one is missing.
    """
    names = [str(name) for name in datasets or [prepared.name]]
    attributes, train, valid = [], [], []
    for source in map(prepared.on, names):
        settings = settings_of(RecformerSettings, source.config)
        attributes.append(attributes_of(source, settings.recformer_attributes))
        train.append(rows_of(source.splits[0]))
        valid.append(rows_of(source.splits[1]))
    sizes = [len(items) for items in attributes]
    everything = [item for items in attributes for item in items]
    return PretrainingData(names, everything, joined(train, sizes), joined(valid, sizes))
