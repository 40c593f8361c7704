"""Section 6's simpler alternative to BM25: items whose attributes are exactly those of a generated text.

"We first search exact matches in the item corpus for all four attributes extracted from model outputs; if no match is
found, we search for the exact match of the first three attributes, then the first two, and finally only the title
description." What the section leaves open is resolved as follows:

- Attributes are compared as the template writes them: cut to their word limits, "Unknown" equal to "Unknown", letter
  case and punctuation included. Items and outputs are taken apart by one parser, so an output that is an item's text
  always matches that item on all attributes.
- A text that does not follow the template (a format error) matches nothing.
- The search stops at the first level with a match. All items found there score 1, all others 0: equal scores are ties.
- How the outputs of a user become one ranking is Algorithm 1 as it stands, this match in the place of BM25: an item
  goes by the most probable output that found it, whatever the level.
- An item that no output found is not retrieved: as a target it ranks last in both cases (``UNRETRIEVED``). Counted as
  one large tie of score 0, it would have an optimistic rank just behind the few items found, and the optimistic MRR of
  Table 8 (.0693 on Scientific, where BM25 has .0730) could not be as low as it is.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from calrec_recbole.errors import ConfigError, DataError
from calrec_recbole.prompts import AMAZON, Attribute, parse_item_text

__all__ = ["UNRETRIEVED", "HierarchicalMatch"]

UNRETRIEVED = 0.0  # the fused score of an item that no output found


class HierarchicalMatch:
    """Scores (n_queries, n_items) float32: 1 for the items that match on the most leading attributes, else 0.

    A query that matches every item says as little as one that matches none: Algorithm 1 scales a constant row to zeros.

    >>> tape = "Title: Tape. Category: Office. Brand: Acme. Price: $1."
    >>> match = HierarchicalMatch([tape, tape.replace("$1", "$2"), tape.replace("Tape", "Glue")])
    >>> match.scores([tape, tape.replace("$1", "$9"), "Tape"]).tolist()
    [[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]
    """

    def __init__(self, texts: Sequence[str], template: Sequence[Attribute] = AMAZON) -> None:
        """``texts`` holds one text an item, written by ``template``; ``DataError`` for one that does not follow it."""
        if isinstance(texts, str):
            raise ConfigError("texts is one string: pass a list with one text an item")
        self.template, self.n_items = tuple(template), len(texts)
        self.levels: list[dict[tuple[str, ...], list[int]]] = [{} for _ in self.template]  # from the title to all
        for item, text in enumerate(texts):
            attributes = self._attributes(text)
            if attributes is None:
                raise DataError(
                    f"item text {text!r} does not follow the template: retrieval=hierarchical cannot match it"
                )
            for count, level in enumerate(self.levels, 1):
                level.setdefault(attributes[:count], []).append(item)

    def scores(self, queries: Sequence[str]) -> NDArray[np.float32]:
        """(n_queries, n_items) scores of generated texts."""
        if isinstance(queries, str):
            raise ConfigError("queries is one string: pass a list of query texts")
        scores = np.zeros((len(queries), self.n_items), np.float32)
        for row, query in enumerate(queries):
            scores[row, self.matches(query)[1]] = 1.0
        return scores

    def matches(self, text: str) -> tuple[int, list[int]]:
        """Counts the leading attributes that ``text`` matches, and finds the items that match; (0, []) for none."""
        attributes = self._attributes(text)
        if attributes is None:
            return 0, []
        for count in range(len(self.levels), 0, -1):
            found = self.levels[count - 1].get(attributes[:count])
            if found:
                return count, found
        return 0, []

    def _attributes(self, text: str) -> tuple[str, ...] | None:
        found = parse_item_text(text, self.template)
        return None if found is None else tuple(found.values())
