"""Stage I (3.3): several prepared data sets as the categories of one training, each without what is held out of it.

Whatever a later stage validates or tests on cannot reach this one: the newest events of a category that is evaluated
are cut off while it is read, and where another category holds the same user's event with the same item, it goes there
too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from calrec_recbole.catalogue import Catalogue
from calrec_recbole.errors import ConfigError, DataError, did_you_mean
from calrec_recbole.plugin.calrec.core_settings import StageSettings
from calrec_recbole.plugin.data.prepared import Prepared
from calrec_recbole.plugin.data.sequences import split_by_user

__all__ = ["Category", "held_out_items", "own_category", "read_categories", "record"]


@dataclass(frozen=True)
class Category:
    """A data set of stage I; ``sequences`` holds each user's training items, oldest first, as places in ``catalogue``.

    Its users' newest ``held_out`` items are not among them, nor are ``removed`` events that another category holds out.
    """

    name: str
    held_out: int
    catalogue: Catalogue
    sequences: list[np.ndarray]
    removed: int
    data_sha256: str


def held_out_items(own: str, stage: StageSettings) -> dict[str, int]:
    """How many of each user's newest items stage I never reads, by data set, the run's ``own`` first (paper 4).

    2 for the run's own data set and ``joint_targets``, which are fine-tuned and evaluated later, 1 for
    ``selection_dataset``, 0 for the others. Raises ``ConfigError`` for names that do not fit together.
    """
    others = _names("joint_datasets", stage.joint_datasets)
    targets, selection = _names("joint_targets", stage.joint_targets), stage.selection_dataset or own
    if not set(others) - {own}:
        raise ConfigError(f"joint_datasets={others} must list data sets beside {own} itself: [CDs, Movies]")
    known = [own, *(name for name in others if name != own)]
    for setting, names in (("joint_targets", targets), ("selection_dataset", [selection])):
        for name in names:
            if name not in known:
                hint = did_you_mean(name, known)
                value = getattr(stage, setting)
                raise ConfigError(f"{setting}={value!r}: {name} is not one of joint_datasets={others}{hint}")
    return {name: 2 if name in (own, *targets) else int(name == selection) for name in known}


def read_categories(prepared: Prepared, stage: StageSettings) -> list[Category]:
    """The data sets of ``joint_datasets`` and the run's own, which comes first; ``DataError`` where one is missing."""
    held_out = held_out_items(prepared.name, stage)
    sources = {name: prepared.on(name) for name in held_out}
    for source in sources.values():
        source.check()
    _check_distinct({name: source.hashes["inter"] for name, source in sources.items()})
    events = {name: _events(sources[name], count) for name, count in held_out.items()}
    hidden = {name: table.loc[table.held, ["user", "item"]] for name, table in events.items()}
    categories = []
    for name, table in events.items():
        elsewhere = pd.concat([pairs for other, pairs in hidden.items() if other != name])
        kept, removed = _without(table[~table.held], elsewhere)
        sequences = split_by_user(kept["user"], kept["place"].to_numpy())
        if not sequences:
            raise DataError(f"joint_datasets: {name} has no user with two events to train on: leave it out")
        catalogue, digest = sources[name].catalogue, sources[name].hashes["inter"]
        categories.append(Category(name, held_out[name], catalogue, sequences, removed, digest))
    return categories


def own_category(prepared: Prepared, sequences: list[Any]) -> Category:
    """The run's own data set as stage II reads it: the training part of leave-one-out."""
    return Category(prepared.name, 2, prepared.catalogue, sequences, 0, prepared.hashes["inter"])


def record(categories: Sequence[Category], shares: Sequence[float], before: Mapping[str, Any]) -> dict[str, Any]:
    """What weights trained on ``categories`` have seen, together with what they had seen ``before``, by name.

    A category that both hold is said to hold out the less of the two.
    """
    seen = dict(before)
    for category, share in zip(categories, shares, strict=True):
        held_out = min(category.held_out, before.get(category.name, {}).get("held_out", category.held_out))
        seen[category.name] = {
            "held_out": held_out,
            "users": len(category.sequences),
            "items": len(category.catalogue),
            "removed_events": category.removed,
            "share": round(share, 4),
            "inter_sha256": category.data_sha256,
        }
    return seen


def _events(source: Prepared, held_out: int) -> pd.DataFrame:
    """Columns user and item (original ids), place (in the catalogue) and held; in chronological order."""
    events = source.events
    return pd.DataFrame(
        {
            "user": np.array(source.users, dtype=object)[events.users],
            "item": np.array(source.items, dtype=object)[events.items],
            "place": events.items - 1,
            "held": events.newer < held_out,
        }
    )


def _without(events: pd.DataFrame, hidden: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """``events`` but for those whose user and item stand together in ``hidden``, and how many these were."""
    pairs = pd.MultiIndex.from_frame(events[["user", "item"]])
    leaks = pairs.isin(pd.MultiIndex.from_frame(hidden.drop_duplicates()))
    return events[~leaks], int(leaks.sum())


def _check_distinct(hashes: Mapping[str, str]) -> None:
    first: dict[str, str] = {}
    for name, digest in hashes.items():
        if first.setdefault(digest, name) != name:
            raise ConfigError(f"joint_datasets: {first[digest]} and {name} hold the same events: leave one out")


def _names(setting: str, names: Sequence[str]) -> list[str]:
    if isinstance(names, str) or len(set(map(str, names))) < len(names):
        raise ConfigError(f"{setting}={names!r} must be a list of data sets, each once: [CDs, Movies]")
    return [str(name) for name in names]
