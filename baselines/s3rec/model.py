"""S3-Rec (Zhou et al., CIKM 2020) with the item's text as its attribute, pretrained and fine-tuned in one run.

S3-Rec predicts an item's attributes among all attributes. Here each distinct text is one attribute, its embedding the
adapted text vector: an item has exactly one, and items of equal text share it.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from recbole.model.sequential_recommender.s3rec import S3Rec
from torch import Tensor, nn

from calrec_recbole.baselines.s3rec.corruption import cut_segments, hide_items, other_items
from calrec_recbole.baselines.text.features import item_features, plain_catalogue, text_settings
from calrec_recbole.baselines.text.frozen_table import TextTableSettings, text_table
from calrec_recbole.baselines.transformer_sizes import TransformerSizes
from calrec_recbole.plugin.train_stages import FINETUNE, PRETRAIN
from calrec_recbole.plugin.training.trim_padding import TrimSettings
from calrec_recbole.setting_groups import check_ranges, ranged, settings_of

__all__ = ["S3RecText", "one_of_many"]


@dataclass(frozen=True)
class PretrainingSettings:
    """The weights of the four losses, and how long they are learnt before the next item is."""

    pretrain_epochs: int = ranged(15, "[0, 1e6]")
    mask_ratio: float = ranged(0.2, "[0, 1]")
    aap_weight: float = ranged(1.0, "[0, 1e6]")
    mip_weight: float = ranged(0.2, "[0, 1e6]")
    map_weight: float = ranged(1.0, "[0, 1e6]")
    sp_weight: float = ranged(0.5, "[0, 1e6]")

    def __post_init__(self) -> None:
        check_ranges(self)


def one_of_many(scores: Tensor, classes: Tensor) -> Tensor:
    """Binary cross-entropy of each of (N, C) scores against "class n is (N,)[n]", summed over the classes -> (N,)."""
    return F.softplus(scores).sum(dim=1) - scores.gather(1, classes[:, None])[:, 0]


class S3RecText(S3Rec):
    """RecBole's S3Rec and its four losses, summed over places as there, with another attribute and faster corruption.

    Also unlike RecBole: pretraining pads on the right, as fine-tuning does; a negative item is never the mask token;
    histories of one item have no segment loss (there their two segments are the same).
    """

    setting_groups = (TransformerSizes, TextTableSettings, PretrainingSettings, TrimSettings)

    item_class: Tensor  # (n_items,) the place of each item's text among the distinct ones; the pad's is 0, never read
    class_item: Tensor  # (C,) an item of each text

    def __init__(self, config: Any, dataset: Any) -> None:
        fixed = {"train_stage": PRETRAIN, "item_attribute": config["ITEM_ID_FIELD"]}  # the text takes its place
        for key, value in fixed.items():
            config[key] = value
        super().__init__(config, dataset)
        prepared, texts = dataset.prepared, text_settings(config)
        self.feature_embedding = text_table(item_features(prepared, texts), settings_of(TextTableSettings, config))
        self.feature_embedding.apply(self._init_weights)
        distinct, group = plain_catalogue(prepared, texts).distinct_texts
        classes = torch.from_numpy(group)
        items = torch.zeros(len(distinct), dtype=torch.long)
        items[classes.flip(0)] = torch.arange(len(classes), 0, -1)  # the first item of a text is written last
        self.register_buffer("item_class", F.pad(classes, (1, 0)))
        self.register_buffer("class_item", items)

    def start_finetuning(self) -> None:
        """Switches ``calculate_loss`` to the cross-entropy of the next item."""
        self.train_stage = FINETUNE
        self.loss_fct = nn.CrossEntropyLoss()

    def calculate_loss(self, interaction: Any) -> Tensor:
        """The pretraining loss until ``start_finetuning``, then RecBole's own -> scalar, nats."""
        if self.train_stage == FINETUNE:
            loss: Tensor = super().calculate_loss(interaction)
            return loss
        histories, lengths = interaction[self.ITEM_SEQ], interaction[self.ITEM_SEQ_LEN]
        segments: Tensor = self.sp_weight * self._segment_loss(histories, lengths)
        return self._item_losses(histories) + segments

    def _item_losses(self, histories: Tensor) -> Tensor:
        """Associated attribute, masked item and masked attribute prediction, weighted."""
        hidden = hide_items(histories, self.mask_ratio)
        states = self.forward(histories.masked_fill(hidden, self.mask_token))  # (B, L, H)
        attributes = self.feature_embedding(self.class_item)  # (C, H)
        shown = (histories != 0) & ~hidden
        aap = self._associated_attribute_prediction(states[shown], attributes)
        map_ = self._masked_attribute_prediction(states[hidden], attributes)
        loss: Tensor = self.aap_weight * one_of_many(aap, self.item_class[histories[shown]]).sum()
        loss = loss + self.map_weight * one_of_many(map_, self.item_class[histories[hidden]]).sum()
        loss = loss + self.mip_weight * self._masked_item_loss(states[hidden], histories, hidden)
        return loss

    def _masked_item_loss(self, states: Tensor, histories: Tensor, hidden: Tensor) -> Tensor:
        row = hidden.nonzero()[:, 0]
        negatives = other_items(histories[row], self.mask_token)
        right = self._masked_item_prediction(states, self.item_embedding(histories[hidden]))
        wrong = self._masked_item_prediction(states, self.item_embedding(negatives))
        return F.softplus(wrong - right).sum()  # RecBole: -log sigmoid of the difference of two sigmoids

    def _segment_loss(self, histories: Tensor, lengths: Tensor) -> Tensor:
        context, own, foreign, lengths = cut_segments(histories, lengths, self.mask_token)
        if not len(lengths):
            return histories.new_zeros((), dtype=torch.float32)
        state, right, wrong = (self.gather_indexes(self.forward(rows), lengths - 1) for rows in (context, own, foreign))
        difference = self._segment_prediction(state, right) - self._segment_prediction(state, wrong)
        return F.softplus(-difference).sum()
