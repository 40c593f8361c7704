"""The numbers of a table as they are printed, and which of them are the best and the second."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from calrec_recbole.report.rows import KEYS, METRICS

__all__ = [
    "ABSENT",
    "DIGITS",
    "SPREAD",
    "Cell",
    "Number",
    "TableRow",
    "ViewCell",
    "marked_cells",
    "paper_cells",
    "printed",
    "spread_note",
    "table_row",
    "view_cells",
]

ABSENT = "–"
DIGITS = 4
SPREAD = "± is the standard deviation over seeds (n − 1)."

Mark = Literal["", "best", "second"]


@dataclass(frozen=True)
class Number:
    """``text`` as ``.0552``; ``spread`` the standard deviation over seeds in the same form, or empty."""

    text: str
    mark: Mark = ""
    spread: str = ""


@dataclass(frozen=True)
class Cell:
    """Optimistic, pessimistic, and expected between them where it is known; ``alike`` where the bounds print the same.

    ``shown``: what is printed of it, by case.
    """

    opt: Number
    pes: Number
    exp: Number = Number(ABSENT)

    @property
    def alike(self) -> bool:
        return self.opt == self.pes

    @property
    def shown(self) -> dict[str, Number]:
        if self.alike:
            return {"both": self.opt}
        known = {} if self.exp.text == ABSENT else {"exp": self.exp}
        return {"opt": self.opt, **known, "pes": self.pes}

    @property
    def expected(self) -> str:
        """The expected metric as printed; without it the bounds where they print the same, else a dash."""
        return self.opt.text if self.exp.text == ABSENT and self.opt.text == self.pes.text else self.exp.text


@dataclass(frozen=True)
class ViewCell:
    """The expected metric of one row in three views of its ranks; see ``view_table``."""

    plain: Number
    masked: Number
    equivalent: Number

    @property
    def shown(self) -> dict[str, Number]:
        return {"plain": self.plain, "masked": self.masked, "equivalent": self.equivalent}


@dataclass(frozen=True)
class TableRow:
    """``kind``: ours, paper (its own numbers) or gain (in %); only ours take part in best and second.

    ``mark``: behind the label, explained below the table.
    """

    label: str
    cells: Sequence[Cell] | Sequence[ViewCell]
    kind: Literal["ours", "paper", "gain"] = "ours"
    error: str = ""
    mark: str = ""

    @property
    def empty(self) -> bool:
        return all(number.text == ABSENT for cell in self.cells for number in cell.shown.values())


def table_row(found: Mapping[str, Any]) -> TableRow:
    """The row that ``dataclasses.asdict`` made ``found`` of."""
    cells = [Cell(**{case: Number(**number) for case, number in cell.items()}) for cell in found["cells"]]
    return TableRow(found["label"], cells, found["kind"], found["error"])


def printed(value: float, digits: int = DIGITS) -> str:
    """``0.05523`` -> ``.0552``; a dash where there is no number.

    >>> printed(0.05523), printed(1.0), printed(-0.01), printed(float("nan"))
    ('.0552', '1.0000', '-.0100', '–')
    """
    if not np.isfinite(value):
        return ABSENT
    text = f"{value:.{digits}f}"
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text


def marked_cells(
    values: Sequence[Mapping[str, float]], spreads: Sequence[Mapping[str, float]] | None = None
) -> list[list[Cell]]:
    """Prints the cells of ``METRICS`` of each row from its values by key (``ndcg_opt@10``); a missing one is a dash.

    Best and second are found in each key alone, by what is printed: equal digits share a mark, a lone row has none.
    """
    marks = {key: _marks([row.get(key, np.nan) for row in values]) for key in KEYS}
    spread = spreads or [{}] * len(values)

    def number(place: int, key: str) -> Number:
        around = printed(spread[place].get(key, np.nan))
        return Number(printed(values[place].get(key, np.nan)), marks[key][place], "" if around == ABSENT else around)

    return [
        [Cell(number(place, metric.opt), number(place, metric.pes), number(place, metric.exp)) for metric in METRICS]
        for place in range(len(values))
    ]


def view_cells(texts: Sequence[Sequence[Sequence[str]]]) -> list[list[ViewCell]]:
    """Row x metric x view -> the cells; best and second are found in each metric and view alone."""
    values = np.array([[[_value(text) for text in cell] for cell in row] for row in texts]).reshape(-1, len(METRICS), 3)
    marks = [[_marks(list(values[:, metric, view])) for view in range(3)] for metric in range(len(METRICS))]
    return [
        [
            ViewCell(*(Number(text, marks[metric][view][place]) for view, text in enumerate(cell)))
            for metric, cell in enumerate(row)
        ]
        for place, row in enumerate(texts)
    ]


def spread_note(rows: Sequence[TableRow]) -> str:
    """What ± is, where a row of several seeds has it; else empty."""
    spread = any(number.spread for row in rows for cell in row.cells for number in cell.shown.values())
    return SPREAD if spread else ""


def paper_cells(values: Mapping[str, tuple[float, float]]) -> list[Cell]:
    """A row of the paper: title of a metric -> (optimistic, pessimistic)."""
    absent = (np.nan, np.nan)
    return [Cell(*(Number(printed(value)) for value in values.get(metric.title, absent))) for metric in METRICS]


def _value(text: str) -> float:
    return float("nan") if text == ABSENT else float(text)


def _marks(values: Sequence[float]) -> list[Mark]:
    rounded = [round(value, DIGITS) for value in values]
    distinct = sorted({value for value in rounded if np.isfinite(value)}, reverse=True)
    if len(distinct) < 2:
        return [""] * len(values)
    return ["best" if value == distinct[0] else "second" if value == distinct[1] else "" for value in rounded]
