"""The top items of a finished run of any model: after a history, or of the users of its test."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from recbole.data.interaction import Interaction

from calrec_recbole.errors import ConfigError, DataError, OwnModelError, did_you_mean
from calrec_recbole.evaluation import GatheredLists
from calrec_recbole.plugin.data.user_rows import rows_of_users
from calrec_recbole.plugin.exchange.given_scores import GivenScores
from calrec_recbole.plugin.registry import trained_on_events
from calrec_recbole.plugin.reload import LoadedRun
from calrec_recbole.plugin.training.tie_aware_trainer import trainer_for

__all__ = ["WIDEST_TIE", "after_history", "of_users", "score_matrix"]

WIDEST_TIE = 1000  # items: of a file's tie at the cut, more would make of a list of ten one of the whole catalogue


def of_users(run: LoadedRun, k: int, users: Sequence[str] = (), widest_tie: int = 0) -> pd.DataFrame:
    """The top ``k`` of each of ``users`` (ids of the data set; empty = all), after the history that the test gives.

    Columns as ``topk.parquet``; ``widest_tie`` as for ``top_items``. Raises ``DataError`` for a user who is not tested.
    """
    data = run.test_data
    if users:
        prepared = run.dataset.prepared
        tested = {prepared.users[user] for user in data._dataset.inter_feat[data._dataset.uid_field].tolist()}
        if unknown := [user for user in users if user not in tested]:
            raise DataError(f"{unknown[0]!r} is no user of the test{did_you_mean(unknown[0], tested)}")
        data = rows_of_users(data, users)
    lists = _lists(run, k, widest_tie)
    for own, scores in _trainer(run).scores(data):
        lists.add(own, scores, getattr(run.model, "unretrieved", None))
    return lists.frame(run.dataset.prepared.users, run.dataset.prepared.items)


def score_matrix(run: LoadedRun) -> np.ndarray:
    """(test users, items) scores in the order of the test and of the items, as ``calrec export`` writes both."""
    return np.concatenate([scores[:, 1:].numpy() for _, scores in _trainer(run).scores(run.test_data)])


def after_history(run: LoadedRun, history: Sequence[str], k: int) -> pd.DataFrame:
    """The top ``k`` after ``history``, item ids, oldest first, of a user whom the model does not know.

    Raises ``DataError`` for an unknown item, ``ConfigError`` for a model that reads users, or more than items.
    """
    model, prepared = run.model, run.dataset.prepared
    if trained_on_events(type(model)) or isinstance(model, GivenScores):
        raise ConfigError(f"{run.config['model']} knows users, not histories: give --user=ID")
    known = {item: number for number, item in enumerate(prepared.items[1:], start=1)}
    if unknown := [item for item in history if item not in known]:
        raise DataError(f"{unknown[0]!r} is no item of {prepared.name}{did_you_mean(unknown[0], known)}")
    length = run.config["MAX_ITEM_LIST_LENGTH"]
    places = [known[item] for item in history][-length:]
    row = Interaction(
        {
            model.USER_ID: torch.zeros(1, dtype=torch.int64),
            model.ITEM_SEQ: torch.tensor([places + [0] * (length - len(places))]),
            model.ITEM_SEQ_LEN: torch.tensor([len(places)]),
        }
    )
    lists = _lists(run, k)
    with torch.no_grad():
        try:
            scores = model.full_sort_predict(row.to(run.config["device"])).view(1, -1)
        except (KeyError, NotImplementedError, OwnModelError) as problem:
            if isinstance(problem, OwnModelError) and not isinstance(problem.__cause__, KeyError):
                raise
            raise ConfigError(
                f"{run.config['model']} reads more than the items of a history: give --user=ID, of the test"
            ) from problem
    lists.add(torch.zeros(1, dtype=torch.int64), scores.cpu(), getattr(model, "unretrieved", None))
    return lists.frame(["", *prepared.users[1:]], prepared.items)


def _trainer(run: LoadedRun) -> Any:
    return trainer_for(run.config["model"])(run.config, run.model)


def _lists(run: LoadedRun, k: int, widest_tie: int = 0) -> GatheredLists:
    return GatheredLists([], [], k, run.dataset.prepared.item_values, widest_tie)
