"""Several models on the same units: means with intervals, and each model's difference to one of them with its tests."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from calrec_recbole.errors import ConfigError, DataError, did_you_mean
from calrec_recbole.evaluation.per_user import align, metric_vectors
from calrec_recbole.evaluation.significance import (
    RESAMPLES,
    bootstrap_means,
    cohens_d,
    holm,
    interval,
    sign_flip_test,
    t_test,
)
from calrec_recbole.evaluation.summary import tie_case

__all__ = ["category_means", "compare", "holm_by_case", "user_vectors"]


def user_vectors(runs: Mapping[str, pd.DataFrame], names: list[str] | None = None) -> dict[str, pd.DataFrame]:
    """Ranks of models on one data set (see ``read_ranks``) -> per model users x metrics, the users in one order.

    Raises ``DataError`` where users or targets differ.
    """
    return {model: metric_vectors(ranks, names) for model, ranks in align(runs).items()}


def category_means(datasets: Mapping[str, Mapping[str, pd.DataFrame]]) -> dict[str, pd.DataFrame]:
    """Per data set and model users x metrics -> per model data sets x metrics: the means that Table 4 averages.

    With these the unit of a test is the data set. The paper does not say what its units are; six categories can give
    the p-values of Table 4 (tests/paper/test_unit_of_the_t_test.py).
    Raises ``DataError`` unless every data set has the same models.
    """
    models = [list(frames) for frames in datasets.values()]
    for name, own in zip(datasets, models, strict=True):
        if set(own) != set(models[0]):
            raise DataError(f"{name} has runs of {own}, another data set of {models[0]}: give every model on every one")
    return {
        model: pd.DataFrame({name: frames[model].mean() for name, frames in datasets.items()}).T
        for model in (models[0] if models else [])
    }


def compare(
    vectors: Mapping[str, pd.DataFrame],
    reference: str,
    resamples: int = RESAMPLES,
    level: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """One row a model and metric, from per model units x metrics with units and metrics in one order.

    Columns: ``model, metric, units, mean, low, high``, and against ``reference`` ``difference`` (its mean minus the
    model's), ``difference_low, difference_high, t_p, t_p_holm, permutation_p, permutation_p_holm, cohens_d``; NaN in
    the rows of the reference. ``low`` to ``high`` is the bootstrap interval at ``level``. Holm's correction: see
    ``holm_by_case``.
    """
    _check(vectors, reference)
    metrics = [str(name) for name in vectors[reference]]
    values = np.concatenate([frame.to_numpy(np.float64) for frame in vectors.values()], axis=1)
    means = bootstrap_means(values, resamples, seed)
    own = _block(vectors, reference)
    others = [model for model in vectors if model != reference]
    differences = {model: values[:, own] - values[:, _block(vectors, model)] for model in others}
    rows = _means(vectors, metrics, means, level)
    if not others:
        return rows
    tests = _tests(np.concatenate(list(differences.values()), axis=1), metrics * len(others), resamples, seed)
    drawn = np.concatenate([means[:, own] - means[:, _block(vectors, model)] for model in others], axis=1)
    tests["difference_low"], tests["difference_high"] = interval(drawn, level)
    keys = pd.MultiIndex.from_product([others, metrics], names=["model", "metric"])
    return rows.merge(tests.set_index(keys).reset_index(), how="left", on=["model", "metric"])


def holm_by_case(p_values: ArrayLike, metrics: Iterable[str]) -> NDArray[np.float64]:
    """Holm's correction of (n_tests,) p-values of ``metrics``, a name a test, within each case of ties -> (n_tests,).

    The optimistic, expected and pessimistic value of a metric answer one question under three rules, so the tests of
    one case are a family: all models of a table times its metrics.

    >>> holm_by_case([0.01, 0.01, 0.04], ["ndcg_exp@10", "ndcg_pes@10", "mrr_exp"]).tolist()
    [0.02, 0.01, 0.04]
    """
    cases = np.array([tie_case(name) for name in metrics])
    adjusted = np.array(p_values, np.float64)
    for case in dict.fromkeys(cases):
        adjusted[cases == case] = holm(adjusted[cases == case])
    return adjusted


def _means(vectors: Mapping[str, pd.DataFrame], metrics: list[str], means: np.ndarray, level: float) -> pd.DataFrame:
    low, high = interval(means, level)
    table = pd.DataFrame([(model, metric) for model in vectors for metric in metrics], columns=["model", "metric"])
    table["units"] = len(next(iter(vectors.values())))
    table["mean"] = np.concatenate([frame.mean().to_numpy() for frame in vectors.values()])
    table["low"], table["high"] = low, high
    return table


def _tests(differences: np.ndarray, metrics: list[str], resamples: int, seed: int) -> pd.DataFrame:
    by_t, by_swaps = t_test(differences), sign_flip_test(differences, resamples, seed)
    return pd.DataFrame(
        {
            "difference": differences.mean(axis=0),
            "difference_low": np.nan,
            "difference_high": np.nan,
            "t_p": by_t,
            "t_p_holm": holm_by_case(by_t, metrics),
            "permutation_p": by_swaps,
            "permutation_p_holm": holm_by_case(by_swaps, metrics),
            "cohens_d": cohens_d(differences),
        }
    )


def _block(vectors: Mapping[str, pd.DataFrame], model: str) -> slice:
    """The columns of ``model`` where the metrics of all models stand side by side."""
    place, width = list(vectors).index(model), vectors[model].shape[1]
    return slice(place * width, (place + 1) * width)


def _check(vectors: Mapping[str, pd.DataFrame], reference: str) -> None:
    if reference not in vectors:
        raise ConfigError(
            f"reference={reference!r} is not among the models {', '.join(vectors)}{did_you_mean(reference, vectors)}"
        )
    wanted = vectors[reference]
    for model, frame in vectors.items():
        if not frame.index.equals(wanted.index) or list(frame) != list(wanted):
            raise DataError(
                f"{model} and {reference} differ in units or metrics, or in their order: align the runs first"
            )
