"""RecBole's data set of a model: the same users, split and candidates for every model."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import recbole.data.dataset
from pandas.errors import ChainedAssignmentError  # type: ignore[attr-defined]
from recbole.data.dataset import Dataset, SequentialDataset
from recbole.utils import FeatureSource, FeatureType

from calrec_recbole.errors import DataError
from calrec_recbole.plugin.config import Config
from calrec_recbole.plugin.data.feature_tables import FeatureTable, feature_table, item_table
from calrec_recbole.plugin.data.split import GLOBAL_TIME, PARTS, warn_of_filled_times
from calrec_recbole.plugin.registry import known_bases

__all__ = ["Loaders", "build", "item_tokens", "read_dataset", "user_tokens"]


class Loaders(NamedTuple):
    """RecBole's data loaders; valid and test yield one row a user: its history and its one target."""

    train: Any
    valid: Any
    test: Any


class _SameForAll:
    """Goes before RecBole's dataset class: makes users, items and their order the same for every model.

    Rows come from our reader (``feature_tables``), not from pandas'. Interactions are sorted by time before RecBole
    makes the times float32, where near ones collapse. The sort is stable, so equal times keep the order of the file;
    RecBole's later sorts are stable too. Items without an event are no candidates, also for a model that loads
    ``.item``. ``split: global_time`` takes the place of leave-one-out here.
    """

    prepared: Any  # the Prepared that reads it, which imports this module
    time_field: str
    uid_field: str
    iid_field: str
    inter_feat: Any
    benchmark_filename_list: list[str] | None
    feat_name_list: list[str]
    field2type: dict[str, FeatureType]
    field2bucketnum: dict[str, int]
    item_list_length_field: str

    def _load_inter_feat(self, token: str, dataset_path: str) -> None:
        super()._load_inter_feat(token, dataset_path)  # type: ignore[misc]
        if self.time_field not in self.inter_feat:
            raise DataError(f"TIME_FIELD={self.time_field!r} is not a column of {token}.inter that load_col names")
        if self.inter_feat.empty:
            raise DataError(f"{token}.inter in {dataset_path} has no event")
        if self.benchmark_filename_list is None:
            self.inter_feat = self.inter_feat.sort_values(self.time_field, kind="stable", ignore_index=True)

    def _load_feat(self, filepath: str, source: Any) -> pd.DataFrame | None:
        """In place of RecBole's, which reads by pandas and sets the properties of the fields likewise."""
        load, unload = self._get_load_and_unload_col(source)  # type: ignore[attr-defined]
        if load == set():
            return None

        def keeps(name: str) -> bool:
            return (load is None or name in load) and not (unload and name in unload)

        table = self._table(Path(filepath), source, keeps)
        if lacking := sorted((load or set()) - set(table.types)):
            raise DataError(f"load_col names {lacking[0]!r}, which is no column of {filepath}: mend load_col")
        if not table.types:
            return None
        for name, kind in table.types.items():
            self.set_field_property(name, kind, source, table.longest(name))  # type: ignore[attr-defined]
            if "float" in kind.value:
                self.field2bucketnum[name] = 2
        return table.frame

    def _table(self, path: Path, source: Any, keeps: Callable[[str], bool]) -> FeatureTable:
        if source == FeatureSource.ITEM:
            return item_table(self.prepared.item_rows(self.inter_feat[self.iid_field]), self.prepared.atomic, keeps)
        table = feature_table(path, self.prepared.atomic, keeps, source == FeatureSource.INTERACTION)
        for note in table.notes:
            self.prepared.tell(note)
        self.prepared.dropped += table.dropped
        return table

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

    def inter_matrix(self, form: str = "coo", value_field: str | None = None) -> Any:
        """Users x items: of rows with a history as RecBole's sequential data sets do, of plain events as the others."""
        rows = self.item_list_length_field in self.inter_feat
        own = super().inter_matrix if rows else partial(Dataset.inter_matrix, self)  # type: ignore[misc]
        return own(form, value_field)

    def build(self) -> list[Any]:
        if self.prepared.split.split == GLOBAL_TIME:
            events = self.prepared.events
            warn_of_filled_times(self.prepared.name, events.users, events.times)
            by_user = np.argsort(events.users, kind="stable")
            later = pd.Series(events.users[by_user]).duplicated().to_numpy()  # RecBole makes no row of a user's first
            self._row_parts = events.parts[by_user][later]
        parts: list[Any] = super().build()  # type: ignore[misc]
        return parts

    def leave_one_out(self, group_by: str, leave_one_mode: str) -> list[Any]:
        """The three parts; called by RecBole once every prefix of a user is a row, sorted by the time of its target."""
        if self.prepared.split.split != GLOBAL_TIME:
            parts: list[Any] = super().leave_one_out(group_by, leave_one_mode)  # type: ignore[misc]
            return parts
        rows = np.argsort(self.inter_feat[self.uid_field].numpy(), kind="stable")
        chosen = [np.sort(rows[self._row_parts == part]) for part in PARTS]
        self._drop_unused_col()  # type: ignore[attr-defined]
        return [self.copy(self.inter_feat[index]) for index in chosen]  # type: ignore[attr-defined]


def read_dataset(config: Config, prepared: Any) -> Any:
    """RecBole's dataset of the model, in chronological order, which carries ``prepared``, the Prepared that reads it.

    Raises ``DataError`` where columns are missing or rows cannot be used.
    """
    own = (getattr(recbole.data.dataset, f"{name}Dataset", None) for name in known_bases(config.model_class))
    base = next(filter(None, own), SequentialDataset)
    dataset_class = type(base.__name__, (_SameForAll, base), {"prepared": prepared})
    try:
        with _quiet_about_pandas():
            return dataset_class(config)
    except DataError:
        raise
    except (IndexError, KeyError, ValueError) as problem:
        raise DataError(f"dataset={config['dataset']!r} cannot be read: {' '.join(str(problem).split())}") from problem


def build(dataset: Any) -> list[Any]:
    """RecBole's three splits of ``dataset``, which changes."""
    with _quiet_about_pandas():
        splits: list[Any] = dataset.build()
    return splits


@contextmanager
def _quiet_about_pandas() -> Iterator[None]:
    """Hides what pandas 2 announces and pandas 3 finds in RecBole's reading; ``_fill_nan`` mends what matters."""
    with warnings.catch_warnings():
        for category in (FutureWarning, ChainedAssignmentError):
            warnings.filterwarnings("ignore", category=category, module=r"recbole\.")
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable", module=r"recbole\.")
        yield


def item_tokens(dataset: Any) -> list[str]:
    """Original item ids by internal id; place 0 is the pad item."""
    return [str(token) for token in dataset.field2id_token[dataset.iid_field]]


def user_tokens(dataset: Any) -> list[str]:
    """Original user ids by internal id; place 0 is the pad user."""
    return [str(token) for token in dataset.field2id_token[dataset.uid_field]]
