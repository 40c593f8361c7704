"""A prepared data set as RecBole's loaders: the same users, split and candidates for every model."""

import hashlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import recbole.data.dataset
from pandas.errors import ChainedAssignmentError  # type: ignore[attr-defined]
from recbole.data.dataset import SequentialDataset
from recbole.data.utils import create_samplers, get_dataloader
from recbole.utils import FeatureType

from calrec_recbole.catalogue import Catalogue, read_catalogue
from calrec_recbole.data import missing_dataset_message
from calrec_recbole.errors import ConfigError, DataError, did_you_mean
from calrec_recbole.plugin.config import FEATURE_SETTINGS, Config
from calrec_recbole.plugin.data.events import EventLoader
from calrec_recbole.plugin.data.split import GLOBAL_TIME, PARTS, event_parts, warn_of_filled_times
from calrec_recbole.prompts import Attribute

__all__ = [
    "Loaders",
    "catalogue_of",
    "check_dataset",
    "data_files",
    "data_hash",
    "item_file",
    "item_tokens",
    "load_dataset",
    "loaders",
    "sha256",
    "user_tokens",
]


class Loaders(NamedTuple):
    """RecBole's data loaders; valid and test yield one row a user: its history and its one target."""

    train: Any
    valid: Any
    test: Any


class _SameForAll:
    """Goes before RecBole's dataset class: makes users, items and their order the same for every model.

    Interactions are sorted by time before RecBole makes the times float32, where near ones collapse. The sort is
    stable, so equal times keep the order of the file; RecBole's later sorts are stable too. Items without an event are
    no candidates, also for a model that loads ``.item``. ``split: global_time`` takes the place of leave-one-out here.
    """

    config: Config
    time_field: str
    uid_field: str
    inter_feat: Any
    benchmark_filename_list: list[str] | None
    feat_name_list: list[str]
    field2type: dict[str, FeatureType]

    def _load_inter_feat(self, token: str, dataset_path: str) -> None:
        super()._load_inter_feat(token, dataset_path)  # type: ignore[misc]
        if self.time_field not in self.inter_feat:
            raise DataError(f"TIME_FIELD={self.time_field!r} is not a column of {token}.inter that load_col names")
        if self.benchmark_filename_list is None:
            self.inter_feat = self.inter_feat.sort_values(self.time_field, kind="stable", ignore_index=True)

    def _load_user_or_item_feat(self, token: str, dataset_path: str, source: Any, field_name: str) -> Any:
        table = super()._load_user_or_item_feat(token, dataset_path, source, field_name)  # type: ignore[misc]
        field = getattr(self, field_name)
        return None if table is None else table[table[field].isin(self.inter_feat[field])].copy()

    def _fill_nan(self) -> None:
        """What RecBole fills, assigned: under pandas 3 it fills copies."""
        for name in self.feat_name_list:
            feat = getattr(self, name)
            for field in feat:
                kind = self.field2type[field]
                if kind == FeatureType.TOKEN:
                    feat[field] = feat[field].fillna(0)
                elif kind == FeatureType.FLOAT:
                    feat[field] = feat[field].fillna(feat[field].mean())
        super()._fill_nan()  # type: ignore[misc]

    def build(self) -> list[Any]:
        if self.config["split"] == GLOBAL_TIME:
            users, times = (self.inter_feat[field].to_numpy() for field in (self.uid_field, self.time_field))
            warn_of_filled_times(self.config["dataset"], users, times)
            by_user = np.argsort(users, kind="stable")
            later = pd.Series(users[by_user]).duplicated().to_numpy()  # RecBole makes no row of a user's first event
            self._row_parts = event_parts(users, times, self.config)[by_user][later]
        parts: list[Any] = super().build()  # type: ignore[misc]
        return parts

    def leave_one_out(self, group_by: str, leave_one_mode: str) -> list[Any]:
        """The three parts; called by RecBole once every prefix of a user is a row, sorted by the time of its target."""
        if self.config["split"] != GLOBAL_TIME:
            parts: list[Any] = super().leave_one_out(group_by, leave_one_mode)  # type: ignore[misc]
            return parts
        rows = np.argsort(self.inter_feat[self.uid_field].numpy(), kind="stable")
        chosen = [np.sort(rows[self._row_parts == part]) for part in PARTS]
        self._drop_unused_col()  # type: ignore[attr-defined]
        return [self.copy(self.inter_feat[index]) for index in chosen]  # type: ignore[attr-defined]


def load_dataset(config: Config) -> Any:
    """RecBole's dataset of the model, in chronological order; ``DataError`` where files or columns are missing."""
    check_dataset(config)
    base = getattr(recbole.data.dataset, f"{config['model']}Dataset", SequentialDataset)
    dataset_class = type(base.__name__, (_SameForAll, base), {})
    try:
        with _quiet_about_pandas():
            return dataset_class(config)
    except DataError:
        raise
    except (KeyError, ValueError) as problem:
        raise DataError(f"dataset={config['dataset']!r} cannot be read: {' '.join(str(problem).split())}") from problem


@contextmanager
def _quiet_about_pandas() -> Iterator[None]:
    """Hides what pandas 2 announces and pandas 3 finds in RecBole's reading; ``_fill_nan`` mends what matters."""
    with warnings.catch_warnings():
        for category in (FutureWarning, ChainedAssignmentError):
            warnings.filterwarnings("ignore", category=category, module=r"recbole\.")
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable", module=r"recbole\.")
        yield


def loaders(config: Config, dataset: Any) -> Loaders:
    """Training, validation and test by ``split``, all items candidates. Call it once: it changes ``dataset``."""
    with _quiet_about_pandas():
        built = dataset.build()
    if not all(map(len, built)):
        found = "has no user with 4 events: none is left to validate and test on"
        if config["split"] == GLOBAL_TIME:
            counts = ", ".join(f"{len(part)} {name}" for part, name in zip(built, PARTS, strict=True))
            found = f"gives {counts} rows at global_time_shares={config['global_time_shares']}: choose other shares"
        raise DataError(f"dataset={config['dataset']!r} {found}")
    samplers = create_samplers(config, dataset, built)
    if config["model"] == "Pop":
        train: Any = EventLoader(built[0])
    else:
        train = get_dataloader(config, "train")(config, built[0], samplers[0], shuffle=config["shuffle"])
    valid = get_dataloader(config, "valid")(config, built[1], samplers[1], shuffle=False)
    test = get_dataloader(config, "test")(config, built[2], samplers[2], shuffle=False)
    return Loaders(train, valid, test)


def item_tokens(dataset: Any) -> list[str]:
    """Original item ids by internal id; place 0 is the pad item."""
    return [str(token) for token in dataset.field2id_token[dataset.iid_field]]


def user_tokens(dataset: Any) -> list[str]:
    """Original user ids by internal id; place 0 is the pad user."""
    return [str(token) for token in dataset.field2id_token[dataset.uid_field]]


def catalogue_of(dataset: Any, config: Config) -> Catalogue:
    """The text of every item, in the order of internal ids 1, 2, ...: ``texts[i]`` belongs to item ``i + 1``."""
    try:
        template = [Attribute(**attribute) for attribute in config["item_attributes"]]
    except TypeError:
        raise ConfigError(
            f"item_attributes={config['item_attributes']!r} must be a list of {{field: ..., label: ..., words: ...}}"
        ) from None
    return read_catalogue(item_file(config), item_tokens(dataset)[1:], template)


def item_file(config: Config) -> Path:
    """``<data_path>/<Name>/<Name>.item``; it need not exist."""
    return Path(config["data_path"]) / f"{config['dataset']}.item"


def data_hash(config: Config) -> dict[str, str]:
    """sha256 of each atomic file that a model may read: ``{"inter": ..., "item": ...}``."""
    return {kind: sha256(file) for kind, file in data_files(config).items() if file.is_file()}


def data_files(config: Config) -> dict[str, Path]:
    """The atomic files by kind; they need not exist."""
    return {kind: Path(config["data_path"]) / f"{config['dataset']}.{kind}" for kind in ("inter", "item")}


def sha256(file: Path) -> str:
    """Of the file's bytes, as hex digits."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def check_dataset(config: Config) -> None:
    """Raises ``DataError`` where ``.inter`` is missing, ``ConfigError`` where a named item column is; reads no data."""
    name, folder = config["dataset"], Path(config["data_path"])
    if not (folder / f"{name}.inter").is_file():
        prepared = [file.stem for file in folder.parent.glob("*/*.inter") if file.stem == file.parent.name]
        message = missing_dataset_message(name, folder.parent)
        raise DataError(message + (did_you_mean(name, [*prepared, "ml-100k"]) if "did you mean" not in message else ""))
    columns = _item_columns(config)
    for setting in FEATURE_SETTINGS:
        named = [config[setting]] if isinstance(config[setting], str) else config[setting] or []
        unknown = [column for column in named if column not in columns]
        if unknown:
            raise ConfigError(f"{setting}={config[setting]} names no column of {name}.item; its columns are {columns}")


def _item_columns(config: Config) -> list[str]:
    file = item_file(config)
    if not file.is_file():
        return []
    with file.open(encoding="utf-8") as lines:
        return [column.partition(":")[0] for column in lines.readline().rstrip("\n").split(config["field_separator"])]
