"""The text of items as a model's input: a frozen table of text vectors, and a trained adapter to the model's size."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from calrec_recbole.errors import must_be_one_of
from calrec_recbole.setting_groups import check_ranges, ranged

__all__ = ["TEXT_INITS", "TextTable", "TextTableSettings", "text_table"]


def _of_the_text(features: Tensor, spread: float) -> Tensor:
    return features


def _redrawn(features: Tensor, spread: float) -> Tensor:
    """N(0, spread^2) for every item, the pad item too: equal texts get different rows."""
    return torch.randn(features.shape) * spread


TEXT_INITS: dict[str, Callable[[Tensor, float], Tensor]] = {"text": _of_the_text, "random": _redrawn}


@dataclass(frozen=True)
class TextTableSettings:
    """``text_init``: a name of ``TEXT_INITS``; the two others are RecBole's."""

    text_init: str = "text"
    hidden_size: int = ranged(300, "[1, 1e5]")
    initializer_range: float = ranged(0.02, "[0, 1e3]")

    def __post_init__(self) -> None:
        check_ranges(self)
        must_be_one_of("text_init", self.text_init, TEXT_INITS)


class TextTable(nn.Module):
    """Items -> vectors of the model's size: (...) ids -> (..., H), by a frozen table and a trained adapter.

    The adapter is one linear map with ReLU, as ``adapter_layers`` has it in the official comparison (UniSRec's).
    """

    vectors: Tensor

    def __init__(self, vectors: Tensor, hidden_size: int) -> None:
        super().__init__()
        self.register_buffer("vectors", vectors)  # a buffer: RecBole's _init_weights re-draws embeddings
        self.adapter = nn.Sequential(nn.Linear(vectors.shape[1], hidden_size), nn.ReLU())

    def forward(self, items: Tensor) -> Tensor:
        adapted: Tensor = self.adapter(self.vectors[items])
        return adapted


def text_table(features: Tensor, settings: TextTableSettings) -> TextTable:
    """The table of a run from its items' text ``features`` (n_items, D); ``text_init: text`` takes them as they are.

    ``random`` reproduces the official comparison, where the features were loaded and then overwritten: RecBole's
    ``_init_weights`` re-draws every embedding, frozen ones too, with N(0, initializer_range). The features are loaded
    for their size in either case, and frozen in either case.
    """
    return TextTable(TEXT_INITS[settings.text_init](features, settings.initializer_range), settings.hidden_size)
