"""The paper's rows beside ours."""

from collections.abc import Mapping

__all__ = ["paper_rows"]

MAIN = 2  # the table of the main results


def paper_rows(number: int, dataset: str) -> Mapping[str, Mapping[str, tuple[float, float]]]:
    """Label -> title of a metric -> (optimistic, pessimistic) of Table ``number`` (0: the main one); empty where the
    paper has no such data set.
    """
    return {}
