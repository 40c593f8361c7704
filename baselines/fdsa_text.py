"""FDSA (Zhang et al., IJCAI 2019) with the item's text as its feature, as in UniSRec's comparison."""

from typing import Any

from recbole.model.sequential_recommender.fdsa import FDSA
from torch import Tensor, nn

from calrec_recbole.baselines.text.features import item_features, text_settings
from calrec_recbole.baselines.text.frozen_table import TextTable, TextTableSettings, text_table
from calrec_recbole.baselines.transformer_sizes import TransformerSizes
from calrec_recbole.plugin.training.trim_padding import TrimSettings
from calrec_recbole.setting_groups import settings_of

__all__ = ["FDSAText"]


class FDSAText(FDSA):
    """RecBole's FDSA; the input of its feature branch is the adapted text vector instead of embedded item columns."""

    setting_groups = (TransformerSizes, TextTableSettings, TrimSettings)

    def __init__(self, config: Any, dataset: Any) -> None:
        for key, value in {"selected_features": [], "pooling_mode": "mean"}.items():
            config[key] = value  # RecBole's settings of the layer that is replaced below
        super().__init__(config, dataset)
        features = item_features(dataset.prepared, text_settings(config))
        self.feature_embed_layer = _TextFeature(text_table(features, settings_of(TextTableSettings, config)))
        self.feature_embed_layer.apply(self._init_weights)


class _TextFeature(nn.Module):
    """Stands in for RecBole's ``FeatureSeqEmbLayer``: one dense feature an item."""

    def __init__(self, table: TextTable) -> None:
        super().__init__()
        self.table = table

    def forward(self, user_idx: None, item_idx: Tensor) -> tuple[dict[str, None], dict[str, Tensor]]:
        """Item ids (B, L) -> no sparse features, and dense ones (B, L, 1, H)."""
        return {"item": None}, {"item": self.table(item_idx)[:, :, None]}
