"""A prepared data set as a run reads it: its files, hashes, columns, events, RecBole's data set and loaders."""

import hashlib
import json
import logging
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from recbole.data.dataloader import FullSortEvalDataLoader
from recbole.data.utils import create_samplers, get_dataloader

from calrec_recbole.catalogue import Catalogue, catalogue_of
from calrec_recbole.catalogue.known_columns import known_columns, said_of
from calrec_recbole.data import missing_dataset_message
from calrec_recbole.data.atomic import AtomicFile, AtomicSettings, ItemRows, read_item_rows
from calrec_recbole.data.pipeline import summary_file
from calrec_recbole.errors import ConfigError, DataError, did_you_mean
from calrec_recbole.evaluation import ItemValues, TextGroups, item_values
from calrec_recbole.plugin.config import FEATURE_SETTINGS, Config
from calrec_recbole.plugin.data.data_settings import DataSettings
from calrec_recbole.plugin.data.dataset import Loaders, build, item_tokens, read_dataset, user_tokens
from calrec_recbole.plugin.data.events import EventLoader, Events, events_of, loader_of_events
from calrec_recbole.plugin.data.split import GLOBAL_TIME, PARTS, SplitSettings
from calrec_recbole.plugin.registry import known_bases, trained_on_events
from calrec_recbole.prompts import Attribute
from calrec_recbole.setting_groups import settings_of

__all__ = ["Prepared", "prepare", "sha256"]

logger = logging.getLogger(__name__)


class Prepared:
    """The data set that ``config`` names; each part is read when it is first asked for, and never again.

    RecBole's data set and its splits carry it as ``prepared``, so that a model finds what it reads of the files.
    """

    def __init__(self, config: Config) -> None:
        self.config = config  # of RecBole's data set and loaders
        self.settings = settings_of(DataSettings, config)
        self.split = settings_of(SplitSettings, config)
        self.atomic = settings_of(AtomicSettings, config)
        self.notes: list[str] = []  # what was said about the files, a line each
        self._named = {setting: config[setting] for setting in FEATURE_SETTINGS if config[setting]}
        self._others: dict[str, Prepared] = {}
        self._attributes: dict[tuple[str, ...], list[dict[str, str]]] = {}
        self._item_rows: ItemRows | None = None
        self.dropped = 0  # rows that bad_rows left out of files other than .item

    @property
    def name(self) -> str:
        return self.settings.dataset

    def on(self, name: str) -> "Prepared":
        """The data set ``name``: the run's overrides go before that data set's own YAML. It need not exist."""
        if name == self.name:
            return self
        if name not in self._others:
            self._others[name] = Prepared(self.config.on(name))
        return self._others[name]

    # Files

    @property
    def folder(self) -> Path:
        return Path(self.settings.data_path)

    @property
    def files(self) -> dict[str, Path]:
        """The atomic files by kind, ``inter`` and ``item``; they need not exist."""
        return {kind: self.folder / f"{self.name}.{kind}" for kind in ("inter", "item")}

    @cached_property
    def hashes(self) -> dict[str, str]:
        """sha256 of each atomic file that there is: ``{"inter": ..., "item": ...}``."""
        return {kind: sha256(file) for kind, file in self.files.items() if file.is_file()}

    @property
    def edited(self) -> list[str]:
        """The names of the atomic files that are not as `calrec prepare` wrote them; none where it wrote none."""
        summary = summary_file(self.folder)
        if not summary.is_file():
            return []
        try:
            wrote = json.loads(summary.read_text(encoding="utf-8"))["files"]
            return [
                file.name for kind, file in self.files.items() if wrote[file.name]["sha256"] != self.hashes.get(kind)
            ]
        except (OSError, ValueError, LookupError, TypeError):
            return [summary.name]

    @property
    def dropped_rows(self) -> int:
        """How many rows ``bad_rows`` has left out of what was read."""
        return self.dropped + (self._item_rows.dropped if self._item_rows else 0)

    def tell(self, note: str) -> None:
        """Logs a line about the files, once; ``""`` is none."""
        if note and note not in self.notes:
            self.notes.append(note)
            logger.warning(note)

    @cached_property
    def item_columns(self) -> list[str]:
        """The columns of ``.item``; none where it is missing. Raises ``DataError`` where it cannot be read."""
        if not self.files["item"].is_file():
            return []
        with AtomicFile(self.files["item"], self.atomic) as file:
            return file.names

    def check(self) -> None:
        """Raises ``DataError`` where ``.inter`` is missing, ``ConfigError`` where a named item column is."""
        name, parent = self.name, self.folder.parent
        if not self.files["inter"].is_file():
            there = [file.stem for file in parent.glob("*/*.inter") if file.stem == file.parent.name]
            message = missing_dataset_message(name, parent)
            hint = "" if "did you mean" in message else did_you_mean(name, [*there, "ml-100k"])
            raise DataError(message + hint)
        for setting, value in self._named.items():
            if set([value] if isinstance(value, str) else value) - set(self.item_columns):
                raise ConfigError(
                    f"{setting}={value} names no column of {name}.item; its columns are {self.item_columns}"
                )

    # Items

    def item_rows(self, items: Iterable[str]) -> ItemRows:
        """The rows of ``.item``, those of ``items`` at least; read once. Raises ``DataError`` as ``read_item_rows``."""
        if self._item_rows is None:
            self._item_rows = read_item_rows(self.files["item"], self.atomic, set(items))
            for note in self._item_rows.notes:
                self.tell(note)
        return self._item_rows

    @cached_property
    def rows(self) -> ItemRows:
        """``item_rows`` of all items; how many have none is told."""
        rows, items = self.item_rows(self.items[1:]), self.items[1:]
        if lacking := sum(item not in rows.cells for item in items):
            self.tell(f"{rows.path.name}: {lacking} of {len(items)} items have no row, and so no text")
        return rows

    @property
    def item_problem(self) -> str:
        """Why there are no texts of the items, in one line; ``""`` where there are."""
        try:
            assert self.template is not None
        except DataError as problem:
            return str(problem)
        return ""

    @cached_property
    def catalogue(self) -> Catalogue:
        """The text of every item, in the order of internal ids 1, 2, ...: ``texts[i]`` belongs to item ``i + 1``."""
        return catalogue_of(self.rows, self.items[1:], self.template)

    @cached_property
    def text_groups(self) -> TextGroups | None:
        """Which items, by internal id, have one text; None where there are no texts to read."""
        if self.item_problem:
            return None
        _, group = self.catalogue.distinct_texts
        return TextGroups(torch.cat([torch.tensor([-1]), torch.from_numpy(group)]))

    @cached_property
    def template(self) -> list[Attribute]:
        """``item_attributes`` with the columns that hold them; ``ConfigError`` where they are not of that form."""
        given = self.settings.item_attributes
        try:
            attributes = [Attribute(**attribute) for attribute in given]
        except TypeError:
            raise ConfigError(
                f"item_attributes={given!r} must be a list of {{field: ..., label: ..., words: ...}}"
            ) from None
        named = self.columns_of([attribute.field for attribute in attributes], "item_attributes")
        return [one._replace(field=named[one.field]) for one in attributes if one.field in named]

    def columns_of(self, fields: Sequence[str], setting: str) -> dict[str, str]:
        """Field -> column of ``.item``, as ``known_columns``; what is renamed or left out is told."""
        named = known_columns(fields, self.rows.names, setting)
        if said := said_of(fields, named):
            self.tell(f"{self.files['item'].name}: {said} ({setting} may name other columns)")
        return named

    def attributes(self, fields: Sequence[str], setting: str = "item_attributes") -> list[dict[str, str]]:
        """The columns ``fields`` of every item, in the order of internal ids; ``setting`` names them."""
        key = tuple(fields)
        if key not in self._attributes:
            columns = list(self.columns_of(fields, setting).values())
            self._attributes[key] = self.rows.columns(self.items[1:], columns, setting)
        return self._attributes[key]

    @cached_property
    def items(self) -> list[str]:
        """Original item ids by internal id; place 0 is the pad item."""
        return item_tokens(self.dataset)

    @cached_property
    def users(self) -> list[str]:
        """Original user ids by internal id; place 0 is the pad user."""
        return user_tokens(self.dataset)

    # Events

    @cached_property
    def dataset(self) -> Any:
        """RecBole's data set of the model, in chronological order; ``splits`` modifies it in place."""
        self.check()
        dataset = read_dataset(self.config, self)
        self._events = events_of(dataset, self.split)
        return dataset

    @property
    def events(self) -> Events:
        """Every event once, in chronological order."""
        assert self.dataset is not None
        return self._events

    @cached_property
    def item_values(self) -> ItemValues:
        """Popularity and novelty of every item, by the training part: place ``i`` is that of item ``i + 1``."""
        learnt, n_items = self.events.training, len(self.items) - 1
        return item_values(self.events.users[learnt], self.events.items[learnt] - 1, n_items)

    @cached_property
    def splits(self) -> list[Any]:
        """RecBole's training, validation and test rows; ``DataError`` where one of them is empty."""
        built = build(self.dataset)
        if not all(map(len, built)):
            found = "has no user with 4 events: none is left to validate and test on"
            if self.split.split == GLOBAL_TIME:
                counts = ", ".join(f"{len(part)} {name}" for part, name in zip(built, PARTS, strict=True))
                shares = self.split.global_time_shares
                found = f"gives {counts} rows at global_time_shares={shares}: choose other shares"
            raise DataError(f"dataset={self.name!r} {found}")
        return built

    @cached_property
    def loaders(self) -> Loaders:
        """Training, validation and test by ``split``, all items candidates."""
        config, (train, valid, test) = self.config, self.splits
        samplers = create_samplers(config, self.dataset, [train, valid, test])
        if "Pop" in known_bases(config.model_class):
            train_loader: Any = EventLoader(train, self.events)
        elif trained_on_events(config.model_class):
            train_loader = loader_of_events(config, train, self.events)
        else:
            train_loader = get_dataloader(config, "train")(config, train, samplers[0], shuffle=config["shuffle"])
        return Loaders(
            train_loader,
            FullSortEvalDataLoader(config, valid, samplers[1], shuffle=False),
            FullSortEvalDataLoader(config, test, samplers[2], shuffle=False),
        )


def prepare(config: Config) -> Prepared:
    """The data set of ``config``, checked; reads no data yet."""
    prepared = Prepared(config)
    prepared.check()
    return prepared


def sha256(file: Path) -> str:
    """SHA-256 of the file's bytes, as hex digits."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
