"""TIGER (Rajput et al., NeurIPS 2023, arXiv 2305.05065): the next item's semantic id, written by an encoder-decoder."""

from dataclasses import dataclass
from typing import Any

import torch
from recbole.model.abstract_recommender import SequentialRecommender
from recbole.utils import InputType
from torch import Tensor
from torch.nn import functional as F
from transformers import T5Config, T5ForConditionalGeneration

from calrec_recbole.baselines.text.features import item_features, text_settings
from calrec_recbole.baselines.tiger.id_beams import MOST_LEVELS, IdTree, best_items
from calrec_recbole.baselines.tiger.semantic_ids import distinct_ids, residual_codes
from calrec_recbole.errors import must_be_one_of
from calrec_recbole.plugin.run_settings import RunSettings
from calrec_recbole.plugin.training.trim_padding import forward_by_length
from calrec_recbole.setting_groups import check_ranges, ranged, settings_of

__all__ = ["LEARNERS", "TIGER", "TigerSettings"]

PAD = 0  # and what the decoder starts from, as T5 does
ADAFACTOR = "adafactor"
LEARNERS = (ADAFACTOR, "adam", "adamw")
LEAST, UNREACHED = -99.0, -100.0  # nats: of an item that a beam came to, and of the others


@dataclass(frozen=True)
class TigerSettings:
    """``id_levels`` codes of ``id_codes`` each, and one more; ``user_tokens``: 0 is none; ``beams`` a user."""

    id_levels: int = ranged(3, f"[1, {MOST_LEVELS - 1}]")
    id_codes: int = ranged(256, "[1, 1e5]")
    user_tokens: int = ranged(2000, "[0, 1e7]")
    n_layers: int = ranged(4, "[1, 1000]")
    n_heads: int = ranged(6, "[1, 1000]")
    head_size: int = ranged(64, "[1, 1e4]")
    hidden_size: int = ranged(128, "[1, 1e5]")
    inner_size: int = ranged(1024, "[1, 1e6]")
    dropout_prob: float = ranged(0.1, "[0, 1)")
    learner: str = ADAFACTOR
    beams: int = ranged(50, "[1, 1e6]")

    def __post_init__(self) -> None:
        check_ranges(self)
        must_be_one_of("learner", self.learner, LEARNERS)


class TIGER(SequentialRecommender):
    """score(i) = log P(id of i | user, history), nats, among the ids of the catalogue, for the items that the beams
    reach, at least ``LEAST``; the others are not retrieved, and rank last as targets.
    """

    input_type = InputType.POINTWISE
    setting_groups = (TigerSettings,)
    unretrieved = UNREACHED
    ids: Tensor  # (n_items, levels) tokens; the pad item's are PAD

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        self.settings, seed = settings_of(TigerSettings, config), settings_of(RunSettings, config).seed
        vectors = item_features(dataset.prepared, text_settings(config))[1:].numpy()
        codes = distinct_ids(residual_codes(vectors, self.settings.id_levels, self.settings.id_codes, seed))
        sizes = [self.settings.id_codes] * self.settings.id_levels
        sizes.append(max(self.settings.id_codes, int(codes[:, -1].max()) + 1))
        starts = torch.tensor([PAD + 1, *sizes]).cumsum(0)  # each level's first token; then the users' tokens
        self.first_user = int(starts[-1])
        self.register_buffer("ids", F.pad(torch.from_numpy(codes) + starts[:-1], (0, 0, 1, 0), value=PAD))
        self.network = T5ForConditionalGeneration(self._sizes())
        self.tree: IdTree | None = None
        self.register_load_state_dict_post_hook(lambda model, _: setattr(model, "tree", None))

    def _sizes(self) -> T5Config:
        settings = self.settings
        sizes = T5Config(
            vocab_size=self.first_user + settings.user_tokens,
            d_model=settings.hidden_size,
            d_kv=settings.head_size,
            d_ff=settings.inner_size,
            num_layers=settings.n_layers,
            num_heads=settings.n_heads,
            dropout_rate=settings.dropout_prob,
            feed_forward_proj="relu",
            pad_token_id=PAD,
            eos_token_id=None,  # all ids have one length
            use_cache=False,
        )
        sizes.decoder_start_token_id = PAD
        return sizes

    def read(self, item_seq: Tensor, users: Tensor) -> tuple[Tensor, Tensor]:
        """Histories (B, L), oldest first, and users (B,) -> tokens (B, S), the user's and the items', and a mask."""
        tokens = self.ids[item_seq].flatten(1)
        if self.settings.user_tokens:
            user = self.first_user + users % self.settings.user_tokens
            tokens = torch.cat([user[:, None], tokens], dim=1)
        return tokens, (tokens != PAD).long()

    def nats(self, item_seq: Tensor, users: Tensor, targets: Tensor) -> Tensor:
        """-log P of each token of the targets' ids (B,) among all tokens -> (B, levels)."""
        tokens, mask = self.read(item_seq, users)
        written = self.ids[targets]
        before = F.pad(written[:, :-1], (1, 0), value=PAD)
        logits = self.network(input_ids=tokens, attention_mask=mask, decoder_input_ids=before).logits
        return F.cross_entropy(logits.transpose(1, 2), written, reduction="none")

    def calculate_loss(self, interaction: Any) -> Tensor:
        """The mean over the rows and the tokens of their targets' ids -> scalar, nats."""
        rows = (interaction[key] for key in (self.ITEM_SEQ, self.USER_ID, self.ITEM_ID))
        return forward_by_length(self.nats, *rows).mean()

    def full_sort_predict(self, interaction: Any) -> Tensor:
        """(B, n_items) nats, ``UNREACHED`` for what no beam reached, the pad item's -inf."""
        return forward_by_length(self.scores, interaction[self.ITEM_SEQ], interaction[self.USER_ID])

    def scores(self, item_seq: Tensor, users: Tensor) -> Tensor:
        """``full_sort_predict`` of histories (B, L) and users (B,)."""
        if self.tree is None:
            self.tree = IdTree.of(self.ids[1:])
        tokens, mask = self.read(item_seq, users)
        items, nats = best_items(self.network, tokens, mask, self.tree, self.settings.beams)
        scores = torch.full((len(users), self.n_items), UNREACHED, device=nats.device)
        found = nats.clamp(min=LEAST).where(nats > -torch.inf, -torch.inf)
        scores.scatter_reduce_(1, items + 1, found, "amax")
        scores[:, 0] = -torch.inf
        return scores

    def predict(self, interaction: Any) -> Tensor:
        """(B,) the scores of each row's own item."""
        return self.full_sort_predict(interaction).gather(1, interaction[self.ITEM_ID][:, None])[:, 0]
