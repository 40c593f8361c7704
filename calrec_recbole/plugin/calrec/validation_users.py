"""Chooses the users on whose held-out items the checkpoints of a run are compared."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from calrec_recbole.plugin.calrec.joint_data import held_out_items
from calrec_recbole.plugin.calrec.retriever import retriever_of
from calrec_recbole.plugin.data.user_rows import sampled_users
from calrec_recbole.recommender import Recommender

__all__ = ["Selection", "selection_of"]


@dataclass(frozen=True)
class Selection:
    """``data``: RecBole's rows of a sample of the users of data set ``name``, one target each.

    ``recommender`` is over that data set's catalogue; None where it is the model's own.
    """

    name: str
    data: Any
    recommender: Recommender | None = None

    @property
    def users(self) -> int:
        return len(self.data._dataset)

    @contextmanager
    def served(self, model: Any) -> Iterator[None]:
        """Within the block ``model`` scores the items of this data set."""
        if self.recommender is None:
            yield
        else:
            with model.serving(self.recommender):
                yield


def selection_of(model: Any, valid_data: Any) -> Selection:
    """``selection_dataset`` where it is another than the run's own, otherwise ``valid_data``; ``valid_users`` of it."""
    prepared, stage = model.prepared, model.settings.stage
    sample = partial(sampled_users, wanted=model.settings.users.valid_users, entropy=[model.seed, 2])  # once a seed
    name = stage.selection_dataset or prepared.name
    if name == prepared.name:
        return Selection(name, sample(valid_data))
    loaders = prepared.on(name).loaders
    # a category that is for selection alone holds out one item, which leave-one-out calls the test item
    rows = loaders.valid if held_out_items(prepared.name, stage)[name] == 2 else loaders.test
    return Selection(name, sample(rows), _recommender(model, name))


def _recommender(model: Any, name: str) -> Recommender:
    own: Recommender = model.recommender
    catalogue = next(category.catalogue for category in model.categories if category.name == name)
    items = model.tokenised([catalogue], own.backbone.tokenizer)
    retriever = retriever_of(model.settings.retrieval, model.settings.rerank, catalogue)
    return Recommender(own.backbone, catalogue, items, retriever, own.settings, own.draw)
