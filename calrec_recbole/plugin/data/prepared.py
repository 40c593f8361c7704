"""A prepared data set as a run reads it: its files, hashes, columns, events, RecBole's data set and loaders."""

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from recbole.data.utils import create_samplers, get_dataloader

from calrec_recbole.catalogue import Catalogue, read_attributes, read_catalogue
from calrec_recbole.data import missing_dataset_message
from calrec_recbole.errors import ConfigError, DataError, did_you_mean
from calrec_recbole.evaluation import TextGroups
from calrec_recbole.plugin.config import FEATURE_SETTINGS, Config
from calrec_recbole.plugin.data.data_settings import DataSettings
from calrec_recbole.plugin.data.dataset import Loaders, build, item_tokens, read_dataset, user_tokens
from calrec_recbole.plugin.data.events import EventLoader, Events, events_of
from calrec_recbole.plugin.data.split import GLOBAL_TIME, PARTS, SplitSettings
from calrec_recbole.prompts import Attribute
from calrec_recbole.setting_groups import settings_of

__all__ = ["Prepared", "prepare", "sha256"]


class Prepared:
    """The data set that ``config`` names; each part is read when it is first asked for, and never again.

    RecBole's data set and its splits carry it as ``prepared``, so that a model finds what it reads of the files.
    """

    def __init__(self, config: Config) -> None:
        self.config = config  # of RecBole's data set and loaders
        self.settings = settings_of(DataSettings, config)
        self.split = settings_of(SplitSettings, config)
        self._named = {setting: config[setting] for setting in FEATURE_SETTINGS if config[setting]}
        self._others: dict[str, Prepared] = {}
        self._attributes: dict[tuple[str, ...], list[dict[str, str]]] = {}

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

    @cached_property
    def item_columns(self) -> list[str]:
        """The columns of ``.item``; none where it is missing."""
        if not self.files["item"].is_file():
            return []
        with self.files["item"].open(encoding="utf-8") as lines:
            header = lines.readline().rstrip("\n")
        return [column.partition(":")[0] for column in header.split(self.settings.field_separator)]

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

    @cached_property
    def catalogue(self) -> Catalogue:
        """The text of every item, in the order of internal ids 1, 2, ...: ``texts[i]`` belongs to item ``i + 1``."""
        return read_catalogue(self.files["item"], self.items[1:], self.template)

    @cached_property
    def text_groups(self) -> TextGroups | None:
        """Which items, by internal id, have one text; None where there are no texts to read."""
        try:
            _, group = self.catalogue.distinct_texts
        except DataError:
            return None
        return TextGroups(torch.cat([torch.tensor([-1]), torch.from_numpy(group)]))

    @property
    def template(self) -> list[Attribute]:
        """``item_attributes``; ``ConfigError`` where they are not of that form."""
        given = self.settings.item_attributes
        try:
            return [Attribute(**attribute) for attribute in given]
        except TypeError:
            raise ConfigError(
                f"item_attributes={given!r} must be a list of {{field: ..., label: ..., words: ...}}"
            ) from None

    def attributes(self, fields: Sequence[str], setting: str = "item_attributes") -> list[dict[str, str]]:
        """The columns ``fields`` of every item, in the order of internal ids; ``setting`` names them."""
        key = tuple(fields)
        if key not in self._attributes:
            self._attributes[key] = read_attributes(self.files["item"], self.items[1:], fields, setting)
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
        dataset = read_dataset(self.config)
        dataset.prepared = self
        self._events = events_of(dataset, self.split)
        return dataset

    @property
    def events(self) -> Events:
        """Every event once, in chronological order."""
        assert self.dataset is not None
        return self._events

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
        if config["model"] == "Pop":
            train_loader: Any = EventLoader(train, self.events)
        else:
            train_loader = get_dataloader(config, "train")(config, train, samplers[0], shuffle=config["shuffle"])
        return Loaders(
            train_loader,
            get_dataloader(config, "valid")(config, valid, samplers[1], shuffle=False),
            get_dataloader(config, "test")(config, test, samplers[2], shuffle=False),
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
