"""Recformer's encoder (Li et al., KDD 2023, 3.2): a Longformer that also knows an item's place and a token's type."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import LongformerForMaskedLM

from calrec_recbole.baselines.recformer.inputs import FlatSequence, Tokens, collate
from calrec_recbole.training.micro_batches.batches import micro_batches

__all__ = ["RecformerNetwork", "cosine_scores", "pieces"]

CALL_COST = 0  # so no padding pays, but that to the window, which the attention needs anyway


def cosine_scores(users: Tensor, items: Tensor, temperature: float) -> Tensor:
    """cos(u, v) / temperature for (B, D) users and (N, D) items -> (B, N), in float32 also under autocast (Eq. 6)."""
    with torch.autocast(users.device.type, enabled=False):
        return F.normalize(users.float(), dim=-1) @ F.normalize(items.float(), dim=-1).T / temperature


class RecformerNetwork(LongformerForMaskedLM):
    """transformers' Longformer with its head for masked tokens; parameters bear the names of the authors' checkpoint.

    The input of the encoder is LayerNorm(word + position + token type + item position), 3.2.1. The configuration has
    ``type_vocab_size`` 4 and, beside a Longformer's own fields, ``item_positions``: 1 + the items of a history.
    """

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        embeddings = self.longformer.embeddings
        embeddings.item_position_embeddings = nn.Embedding(config.item_positions, config.hidden_size)
        nn.init.normal_(embeddings.item_position_embeddings.weight, std=config.initializer_range)

    @property
    def window(self) -> int:
        """The attention window in tokens, the same in every layer."""
        window = self.config.attention_window
        return window if isinstance(window, int) else max(window)

    def hidden(self, tokens: Tokens) -> Tensor:
        """(B, T) tokens -> (B, T, D) last hidden states; T is a multiple of the window. The first token is global.

        Position ids count tokens from the pad's id + 1, as RoBERTa does.
        """
        embeddings: Any = self.longformer.embeddings
        everywhere = torch.zeros_like(tokens.mask)
        everywhere[:, 0] = 1
        states: Tensor = self.longformer(
            inputs_embeds=embeddings.word_embeddings(tokens.ids) + embeddings.item_position_embeddings(tokens.items),
            token_type_ids=tokens.types,
            position_ids=tokens.mask.cumsum(1) * tokens.mask + self.config.pad_token_id,
            attention_mask=tokens.mask,
            global_attention_mask=everywhere,
        ).last_hidden_state
        return states

    def tokens_of(self, sequences: Sequence[FlatSequence]) -> Tokens:
        """``sequences`` as one batch on the network's device."""
        last = self.config.item_positions - 1
        return collate(sequences, self.config.pad_token_id, last, self.window, self.device)

    def encode(self, sequences: Sequence[FlatSequence], tokens_at_once: int) -> Tensor:
        """The hidden state of every sequence's first token, (N, D) float32; sequences of equal width go together."""
        found, order = [], []
        for piece in pieces(sequences, self.window, tokens_at_once):
            found.append(self.hidden(self.tokens_of([sequences[row] for row in piece]))[:, 0].float())
            order += piece
        return torch.cat(found)[torch.tensor(order, device=self.device).argsort()]


def pieces(sequences: Sequence[FlatSequence], window: int, tokens_at_once: int) -> list[list[int]]:
    """Row numbers of sequences that are equally long once padded to the window, at most ``tokens_at_once`` tokens."""
    widths = [-(-len(sequence.tokens) // window) * window for sequence in sequences]
    return micro_batches(widths, tokens_at_once, CALL_COST)
