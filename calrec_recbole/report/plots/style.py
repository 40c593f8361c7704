"""One look for all plots, and their colours as names that the page may set for light and dark."""

import re
import textwrap
from collections.abc import Callable, Sequence
from functools import wraps
from html import escape
from io import StringIO
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

__all__ = [
    "GRID",
    "INK",
    "MUTED",
    "PAPER",
    "SERIES",
    "WIDTH",
    "figure",
    "inline_svg",
    "legend_above",
    "row_height",
    "save",
    "styled",
    "wrapped",
]

P = ParamSpec("P")
Drawn = TypeVar("Drawn")

WIDTH = 4.4  # inches: at 390 px of screen the text is still read

LINE = 18  # characters of a label's line
ROOM, MARK = 54, 4  # characters that a legend is wide, and those that a mark takes
LINE_HEIGHT = 0.185  # inches of a line of text
LEGEND_PADS = 0.2  # inches around a legend

INK, MUTED, GRID, PAPER = "#1b1f24", "#6a737d", "#d8dee4", "#fefefe"
SERIES = (  # first Okabe and Ito's, which the colour-blind tell apart; yellow is too light on white
    *("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#7a5195", "#8c6d31", "#4d4d4d"),
    *("#b3123f", "#7f9c1b", "#00616b", "#d81b9c", "#b98b6f"),
)
NAMES = {INK: "--ink", MUTED: "--muted", GRID: "--grid", PAPER: "--card"}
NAMES |= {colour: f"--series-{place}" for place, colour in enumerate(SERIES)}

STYLE: dict[Any, Any] = {  # matplotlib types its keys as one long Literal
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.5,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.labelsize": 9.5,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "text.color": INK,
    "text.parse_math": False,  # a label may hold a $
    "figure.facecolor": PAPER,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "svg.fonttype": "none",
}


def styled(plot: Callable[P, Drawn]) -> Callable[P, Drawn]:
    """``plot`` draws in our look, and leaves matplotlib's settings as they were."""

    @wraps(plot)
    def draw(*arguments: P.args, **options: P.kwargs) -> Drawn:
        with rc_context(STYLE):
            return plot(*arguments, **options)

    return draw


def figure(height: float, rows: int = 1, columns: int = 1, **options: Any) -> tuple[Figure, Any]:
    """A figure ``height`` inches high and its axes, as ``subplots`` gives them."""
    drawn = Figure(figsize=(WIDTH, height), layout="constrained")
    return drawn, drawn.subplots(rows, columns, **options)


def wrapped(label: str) -> str:
    """A long label in lines, broken at its blanks: what tells two rows apart takes a line of its own.

    >>> wrapped("FDSAText (text_init=random, seed=3)")
    'FDSAText\\n(text_init=random,\\nseed=3)'
    """
    return "\n".join(textwrap.wrap(label, LINE, break_long_words=False, break_on_hyphens=False)) or label


def row_height(labels: Sequence[str], least: float) -> float:
    """Inches of a row, at least ``least``, so that the wrapped ``labels`` of neighbours do not touch.

    >>> row_height(["SASRec", "fused with SASRec, UniSRec and LIR, unseen items lifted"], 0.32)
    0.74
    """
    return max(least, LINE_HEIGHT * max((wrapped(label).count("\n") + 1 for label in labels), default=1))


def legend_above(drawn: Figure, handles: Sequence[Line2D]) -> None:
    """The legend over the plot, in as many columns as the longest label, wrapped, leaves room for.

    The figure grows by its height.
    """
    for handle in handles:
        handle.set_label(wrapped(str(handle.get_label())))
    lines = [str(handle.get_label()).splitlines() for handle in handles]
    longest = max((len(line) for own in lines for line in own), default=1)
    columns = max(1, min(3, ROOM // (longest + MARK)))
    rows = -(-len(lines) // columns)
    column = [lines[start : start + rows] for start in range(0, len(lines), rows)]
    tallest = max((sum(map(len, own)) for own in column), default=0)
    drawn.set_figheight(drawn.get_figheight() + LINE_HEIGHT * tallest + LEGEND_PADS)
    drawn.legend(handles=list(handles), loc="outside upper center", ncols=columns, handlelength=1.2)


def save(drawn: Figure, folder: Path, name: str) -> None:
    """``name``.png, 200 dots an inch, and ``name``.svg."""
    with rc_context({**STYLE, "svg.hashsalt": name}):
        drawn.savefig(folder / f"{name}.png", dpi=200)
        drawn.savefig(folder / f"{name}.svg", metadata={"Date": None})


def inline_svg(drawn: Figure, name: str, title: str) -> str:
    """The figure as an ``<svg>`` element for a page: no own background, colours by name, ids that no other has."""
    stream = StringIO()
    with rc_context({**STYLE, "svg.hashsalt": name}):
        drawn.savefig(stream, format="svg", metadata={"Date": None}, transparent=True)
    svg = stream.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    prefix = re.sub(r"\W", "-", name)
    svg = re.sub(r'(\bid="|xlink:href="#|url\(#)', rf"\g<1>{prefix}-", svg)
    for colour, variable in NAMES.items():
        svg = svg.replace(colour, f"var({variable})")
    svg = re.sub(r"font: ([^;\"']*?)'DejaVu Sans'[^;\"]*", r"font: \1var(--sans)", svg)
    svg = re.sub(
        r'<svg [^>]*?viewBox="([^"]*)"[^>]*>',
        lambda found: f'<svg viewBox="{found[1]}" role="img" aria-label="{escape(title)}">',
        svg,
        count=1,
    )
    return svg.replace("xlink:href", "href")
