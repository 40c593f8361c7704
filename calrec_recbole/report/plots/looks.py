"""The colour and the mark of each row: those of its model, the same in every plot and in every report."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from matplotlib.markers import MarkerStyle

from calrec_recbole.report.plots.style import SERIES
from calrec_recbole.report.rows import Row

__all__ = ["Look", "looks_of"]

MARKS = "os^vDPXp<>*h"
FIXED = {  # model -> its colour, by place, and its mark; no two models of ours share one of them with each other
    "CALRec": (0, "o"),
    "LIR": (5, "s"),
    "Pop": (8, "D"),
    "SASRec": (1, "^"),
    "BERT4Rec": (2, "v"),
    "BERT4RecFull": (11, "<"),
    "FDSAText": (4, "P"),
    "S3RecText": (7, ">"),
    "UniSRec": (6, "X"),
    "UniSRecID": (3, "p"),
    "Recformer": (9, "h"),
}


@dataclass(frozen=True)
class Look:
    """``colour`` is one of ``SERIES``, ``mark`` matplotlib's."""

    colour: str
    mark: str

    @property
    def series(self) -> int:
        """The place of the colour in ``SERIES``."""
        return SERIES.index(self.colour)

    @property
    def outline(self) -> str:
        """The mark as the points of an SVG polygon, within -1 and 1."""
        style = MarkerStyle(self.mark)
        (polygon,) = style.get_path().transformed(style.get_transform()).to_polygons()
        points = np.asarray(polygon, dtype=np.float64)
        return " ".join(f"{x:.2f},{-y:.2f}" for x, y in points / np.abs(points).max())


def looks_of(rows: Sequence[Row]) -> dict[str, Look]:
    """Label -> look. The first row of a model has the model's own; its others, and models whose own is taken, have
    what is left: another colour as long as there is one, then another mark.
    """
    models = {row.label: row.model for row in rows}
    firsts = {model: label for label, model in reversed(models.items())}
    taken = {label: _own(model) for model, label in firsts.items() if model in FIXED}
    for label, model in models.items():
        if label not in taken:
            taken[label] = _free(_own(model), set(taken.values()))
    return {label: Look(SERIES[place], mark) for label, (place, mark) in taken.items() if label in models}


def _own(model: str) -> tuple[int, str]:
    """A model that has none of its own gets one by its name."""
    digest = hashlib.sha256(model.encode()).digest()
    return FIXED.get(model, (digest[0] % len(SERIES), MARKS[digest[1] % len(MARKS)]))


def _free(wanted: tuple[int, str], taken: set[tuple[int, str]]) -> tuple[int, str]:
    """``wanted``, or the next that is not ``taken``: of a colour that is not, where one is left."""
    colours, pairs = {place for place, _ in taken}, list(product(range(len(SERIES)), MARKS))
    first = pairs.index(wanted)
    following = pairs[first:] + pairs[:first]
    free = [pair for pair in following if pair not in taken]
    return next((pair for pair in free if pair[0] not in colours), free[0])
