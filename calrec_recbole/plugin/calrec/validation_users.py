"""On whose held-out items the checkpoints of a run are compared."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from recbole.data.dataloader import FullSortEvalDataLoader

from calrec_recbole.plugin.calrec.joint_data import held_out_items
from calrec_recbole.plugin.calrec.retriever import retriever_of
from calrec_recbole.plugin.data.dataset import load_dataset, loaders
from calrec_recbole.recommender import Recommender

__all__ = ["Selection", "in_random_order", "rows_of_users", "sampled_users", "selection_of"]


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


def selection_of(config: Any, model: Any, valid_data: Any) -> Selection:
    """``selection_dataset`` where it is another than the run's own, otherwise ``valid_data``; ``valid_users`` of it."""
    own, name = config["dataset"], config["selection_dataset"] or config["dataset"]
    if name == own:
        return Selection(own, _sample(valid_data, config, model.seed))
    settings = config.on(name)
    data = loaders(settings, load_dataset(settings))
    # a category that is for selection alone holds out one item, which leave-one-out calls the test item
    rows = data.valid if held_out_items(config)[name] == 2 else data.test
    return Selection(name, _sample(rows, config, model.seed), _recommender(settings, model, name))


def _recommender(settings: Any, model: Any, name: str) -> Recommender:
    own: Recommender = model.recommender
    catalogue = next(category.catalogue for category in model.categories if category.name == name)
    items = model.tokenised([catalogue], own.backbone.tokenizer)
    return Recommender(own.backbone, catalogue, items, retriever_of(settings, catalogue), own.settings, own.draw)


def _sample(data: Any, config: Any, seed: int) -> Any:
    """A loader over ``valid_users`` users, drawn once by the seed; the whole ``data`` where that is 0."""
    return sampled_users(data, config, int(config["valid_users"]), [seed, 2])


def sampled_users(data: Any, config: Any, wanted: int, entropy: Sequence[int]) -> Any:
    """A loader over ``wanted`` of the users, drawn by ``entropy``; ``data`` itself where that is 0 or all of them."""
    rows = len(data._dataset.inter_feat)
    if not 0 < wanted < rows:
        return data
    return _loader(data, config, np.sort(np.random.default_rng(entropy).permutation(rows)[:wanted]))


def in_random_order(data: Any, config: Any, wanted: int, entropy: Sequence[int]) -> Any:
    """A loader over the users of ``sampled_users``, in the order in which they are drawn: fewer of them come first."""
    rows = len(data._dataset.inter_feat)
    return _loader(data, config, np.random.default_rng(entropy).permutation(rows)[: wanted or rows])


def rows_of_users(data: Any, config: Any, users: Collection[str]) -> Any:
    """A loader over the rows of ``users``, the data set's own ids, in the order of ``data``; None without any."""
    dataset = data._dataset
    names = dataset.field2id_token[dataset.uid_field]
    wanted = np.isin(names[dataset.inter_feat[dataset.uid_field].numpy()].astype(str), list(users))
    return _loader(data, config, np.flatnonzero(wanted)) if wanted.any() else None


def _loader(data: Any, config: Any, rows: np.ndarray) -> Any:
    dataset = data._dataset.copy(data._dataset.inter_feat[rows])
    return FullSortEvalDataLoader(config, dataset, data._sampler, shuffle=False)
