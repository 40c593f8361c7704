"""UniSRec (Hou et al., KDD 2022, arXiv 2206.05941): items by their text, adapted, in SASRec's encoder.

Departures from the official code: all items are candidates of the training softmax, the pad item is none (officially it
is one); every distinct text passes the adaptor once a batch, for histories and targets alike, so that both see the
same dropout and gate noise. With ``noise_per_place`` each place of a history and each candidate draws its own, as
officially; pretraining shares them in either case.
"""

from typing import Any

import torch
from recbole.model.sequential_recommender.sasrec import SASRec
from torch import Tensor
from torch.nn import functional as F

from calrec_recbole.baselines.text.features import item_features, text_settings
from calrec_recbole.baselines.transformer_sizes import TransformerSizes
from calrec_recbole.baselines.unisrec.adaptor import MoEAdaptor
from calrec_recbole.baselines.unisrec.contrast import cosine
from calrec_recbole.baselines.unisrec.official_weights import load_pretrained
from calrec_recbole.baselines.unisrec.training_modes import UniSRecSettings, check_stage
from calrec_recbole.plugin.train_stages import FINETUNE
from calrec_recbole.plugin.training.trim_padding import TrimSettings
from calrec_recbole.setting_groups import settings_of

__all__ = ["UniSRec", "UniSRecID"]


class UniSRec(SASRec):
    """Text only (inductive): items of equal text features tie exactly."""

    uses_ids = False
    setting_groups = (TransformerSizes, UniSRecSettings, TrimSettings)

    def __init__(self, config: Any, dataset: Any) -> None:
        settings = settings_of(UniSRecSettings, config)
        check_stage(settings, self.uses_ids, dataset.prepared)
        super().__init__(config, dataset)
        self.settings, self.prepared = settings, dataset.prepared
        if not self.uses_ids:
            del self.item_embedding
        self.temperature = settings.temperature
        features, group = item_features(dataset.prepared, text_settings(config))[1:].unique(dim=0, return_inverse=True)
        self.register_buffer("text_features", features, persistent=False)  # (T, D), one row a distinct text
        self.register_buffer("text_of_item", group, persistent=False)  # (n_items - 1,): the pad item has none
        self.moe_adaptor = MoEAdaptor(
            settings.n_exps, features.size(1), self.hidden_size, settings.adaptor_dropout_prob
        )
        if settings.train_stage == FINETUNE:
            load_pretrained(self, settings.pre_model_path)
        if settings.freeze_encoder:
            for part in (self.position_embedding, self.trm_encoder):
                part.requires_grad_(False)

    @property
    def all_items(self) -> Tensor:
        """(n_items - 1,) ids, without the pad's."""
        return torch.arange(1, self.n_items, device=self.text_of_item.device)

    def forward(self, item_seq: Tensor, item_seq_len: Tensor, *, items: Tensor) -> Tensor:
        """SASRec's forward with the table ``items`` (n, H) for its item embedding: (B, L) places there, 0 = pad, (B,)
        -> (B, H). Pads on the right change nothing, however many (see ``plugin.training.trim_padding``).
        """
        positions = self.position_embedding.weight[: item_seq.size(1)]
        hidden = self.dropout(self.LayerNorm(F.embedding(item_seq, items) + positions))
        layers = self.trm_encoder(hidden, self.get_attention_mask(item_seq), output_all_encoded_layers=False)
        newest: Tensor = self.gather_indexes(layers[-1], item_seq_len - 1)
        return newest

    def item_vectors(self, texts: Tensor) -> Tensor:
        """Adapted distinct texts (T, H) -> (n_items, H), the pad item's row zero."""
        return F.pad(self.with_ids(texts[self.text_of_item], self.all_items), (0, 0, 1, 0))

    def with_ids(self, texts: Tensor, items: Tensor) -> Tensor:
        """The adapted texts (N, H) of ``items`` (N,), ids from 1 -> (N, H)."""
        return texts

    def calculate_loss(self, interaction: Any) -> Tensor:
        """Section 2.3, cross-entropy of cosine / temperature over all items -> scalar, nats."""
        item_seq, lengths = interaction[self.ITEM_SEQ], interaction[self.ITEM_SEQ_LEN]
        if self.settings.noise_per_place:
            places, read = self._adapted_places(item_seq)
            users, candidates = self.forward(places, lengths, items=read), self._adapted(self.all_items)
        else:
            items = self.item_vectors(self.moe_adaptor(self.text_features))
            users, candidates = self.forward(item_seq, lengths, items=items), items[1:]
        return F.cross_entropy(cosine(users, candidates) / self.temperature, interaction[self.ITEM_ID] - 1)

    def _adapted_places(self, item_seq: Tensor) -> tuple[Tensor, Tensor]:
        """Each place of (B, L) histories adapted by itself -> (B, L) places, 0 = pad, in a table (B x L at most, H)."""
        there = item_seq > 0
        places = there.flatten().cumsum(0).view_as(item_seq) * there
        return places, F.pad(self._adapted(item_seq[there]), (0, 0, 1, 0))

    def _adapted(self, items: Tensor) -> Tensor:
        """(N,) ids from 1 -> (N, H), each with its own dropout and gate noise in training."""
        return self.with_ids(self.moe_adaptor(self.text_features[self.text_of_item[items - 1]]), items)

    def full_sort_predict(self, interaction: Any) -> Tensor:
        """(B, n_items) cosine / temperature, pad item -inf."""
        texts = self.moe_adaptor(self.text_features)
        items = self.item_vectors(texts)
        users = self.forward(interaction[self.ITEM_SEQ], interaction[self.ITEM_SEQ_LEN], items=items)
        return F.pad(self.scores(users, texts, items), (1, 0), value=-torch.inf)

    def scores(self, users: Tensor, texts: Tensor, items: Tensor) -> Tensor:
        """(B, n_items - 1): one product for each distinct text, handed to all its items."""
        of_texts: Tensor = cosine(users, texts) / self.temperature
        return of_texts[:, self.text_of_item]

    def predict(self, interaction: Any) -> Tensor:
        """(B,) the scores of each row's own item."""
        return self.full_sort_predict(interaction).gather(1, interaction[self.ITEM_ID][:, None])[:, 0]


class UniSRecID(UniSRec):
    """ID + text (transductive): an ID embedding is added to the adapted text, in histories and targets."""

    uses_ids = True

    def with_ids(self, texts: Tensor, items: Tensor) -> Tensor:
        vectors: Tensor = texts + self.item_embedding(items)
        return vectors

    def scores(self, users: Tensor, texts: Tensor, items: Tensor) -> Tensor:
        scores: Tensor = cosine(users, items[1:]) / self.temperature
        return scores
