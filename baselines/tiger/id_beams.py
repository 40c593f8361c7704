"""Beam search over the tree of a catalogue's ids, so that only items come out.

The history's keys and values are computed once a user, and are the same for all its beams; transformers' ``generate``
would copy them for each.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from calrec_recbole.generation.trie import Trie

__all__ = ["MOST_LEVELS", "IdDecoder", "IdTree", "best_items"]

ROOT = 0
AT_ONCE = 1 << 25  # logits: 128 MiB
MOST_LEVELS = 16  # T5 has a bias of its own for each distance below 16


@dataclass(frozen=True)
class IdTree:
    """A ``Trie`` of ids of one length on a device: what ``starts``, ``tokens`` and ``text`` (here ``item``) are."""

    starts: Tensor
    tokens: Tensor
    item: Tensor
    levels: int

    @classmethod
    def of(cls, ids: Tensor) -> "IdTree":
        """Distinct ids (N, levels)."""
        trie = Trie.of(ids.tolist())
        arrays = (trie.starts, trie.tokens, trie.text)
        starts, tokens, item = (torch.from_numpy(array).long().to(ids.device) for array in arrays)
        return cls(starts, tokens, item, trie.longest)

    def children(self, nodes: Tensor) -> tuple[Tensor, Tensor]:
        """(...) nodes -> (..., C) their children, and whether each is one: shorter rows repeat their first child."""
        first = self.starts[nodes]
        count = self.starts[nodes + 1] - first
        offsets = torch.arange(int(count.max()), device=nodes.device)
        real = offsets < count[..., None]
        return first[..., None] + offsets * real, real


class IdDecoder:
    """The decoder of a ``T5ForConditionalGeneration`` after histories: states (B, S, H), mask (B, S) of 0 and 1.

    Reads a token of each of a user's beams at a time.
    """

    def __init__(self, network: Any, states: Tensor, mask: Tensor) -> None:
        self.network, self.mask = network, mask.bool()[:, None, None]
        self.heads = network.config.num_heads
        attentions = [block.layer[1].EncDecAttention for block in network.decoder.block]
        self.histories = [(self._split(one.k(states)), self._split(one.v(states))) for one in attentions]
        self.beams: list[tuple[Tensor, Tensor]] = []  # each layer's keys and values (B, K, t, heads, size)

    def read(self, tokens: Tensor, parents: Tensor) -> Tensor:
        """(B, K) tokens, each after the beam ``parents`` (B, K) of the call before -> (B, K, vocabulary) logits."""
        hidden, before, self.beams = self.network.shared(tokens), self.beams, []
        for layer, block in enumerate(self.network.decoder.block):
            past = [_chosen(one, parents) for one in before[layer]] if before else []
            hidden = hidden + self._attend_to_beam(block.layer[0], hidden, past)
            hidden = hidden + self._attend_to_history(block.layer[1], hidden, self.histories[layer])
            hidden = block.layer[2](hidden)
        hidden = self.network.decoder.final_layer_norm(hidden)
        logits: Tensor = self.network.lm_head(hidden * self.network.config.d_model**-0.5)
        return logits

    def _attend_to_beam(self, layer: Any, hidden: Tensor, past: list[Tensor]) -> Tensor:
        attention, normed = layer.SelfAttention, layer.layer_norm(hidden)
        query, key, value = (
            part(normed).unflatten(-1, (self.heads, -1)) for part in (attention.q, attention.k, attention.v)
        )
        new = key[:, :, None], value[:, :, None]
        keys, values = (torch.cat(parts, dim=2) for parts in zip(past, new, strict=True)) if past else new
        self.beams.append((keys, values))
        distances = torch.arange(keys.shape[2] - 1, -1, -1, device=keys.device)
        bias = self.network.decoder.block[0].layer[0].SelfAttention.relative_attention_bias(distances)  # (t, heads)
        weights = (torch.einsum("bkhd,bkthd->bkth", query, keys) + bias).softmax(dim=2)
        out: Tensor = attention.o(torch.einsum("bkth,bkthd->bkhd", weights, values).flatten(2))
        return out

    def _attend_to_history(self, layer: Any, hidden: Tensor, history: tuple[Tensor, Tensor]) -> Tensor:
        attention = layer.EncDecAttention
        query = self._split(attention.q(layer.layer_norm(hidden)))
        found = F.scaled_dot_product_attention(query, *history, attn_mask=self.mask, scale=1.0)
        out: Tensor = attention.o(found.transpose(1, 2).flatten(2))
        return out

    def _split(self, states: Tensor) -> Tensor:
        """(B, S, heads x size) -> (B, heads, S, size)."""
        split: Tensor = states.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        return split


def best_items(network: Any, tokens: Tensor, mask: Tensor, tree: IdTree, beams: int) -> tuple[Tensor, Tensor]:
    """Histories (B, S) and their mask -> (B, K) rows of the ids of ``tree``, and (B, K) log P, nats, best first.

    P is the product over the levels of the softmax over the tokens that lead to some id: over all ids it sums to 1. K
    is ``beams``, or the most that the tree has; a place that no beam filled has -inf.
    """
    rows = max(1, AT_ONCE // (beams * network.config.vocab_size))
    parts = zip(tokens.split(rows), mask.split(rows), strict=True)
    items, nats = zip(*(_search(network, *part, tree, beams) for part in parts), strict=True)
    return torch.cat(items), torch.cat(nats)


def _search(network: Any, tokens: Tensor, mask: Tensor, tree: IdTree, beams: int) -> tuple[Tensor, Tensor]:
    states = network.encoder(input_ids=tokens, attention_mask=mask).last_hidden_state
    decoder = IdDecoder(network, states, mask)
    nodes = torch.full((len(tokens), 1), ROOT, device=tokens.device)
    written = torch.full_like(nodes, network.config.decoder_start_token_id)
    parents, nats = torch.zeros_like(nodes), torch.zeros(nodes.shape, device=states.device)
    for _ in range(tree.levels):
        children, real = tree.children(nodes)  # (B, K, C)
        logits = decoder.read(written, parents).gather(2, tree.tokens[children])
        steps = logits.masked_fill(~real, -torch.inf).log_softmax(dim=-1)
        values = (nats[..., None] + steps).flatten(1)
        nats, best = values.topk(min(beams, values.shape[1]))
        nodes, parents = children.flatten(1).gather(1, best), best // children.shape[2]
        written = tree.tokens[nodes]
    return tree.item[nodes], nats


def _chosen(kept: Tensor, parents: Tensor) -> Tensor:
    """(B, K, t, heads, size), (B, K') -> (B, K', t, heads, size)."""
    return kept[torch.arange(len(kept), device=kept.device)[:, None], parents]
