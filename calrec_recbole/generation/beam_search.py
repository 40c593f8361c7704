"""Constrained decoding: the most probable texts of a catalogue, by a beam search that walks a trie."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from calrec_recbole.errors import ConfigError
from calrec_recbole.generation.likelihood import next_logprobs
from calrec_recbole.generation.requirements import check_layers, check_prompts, end_ids
from calrec_recbole.generation.shared_prefix.memory_budget import Budget, in_halves, room_of
from calrec_recbole.generation.shared_prefix.prefix_decoder import PrefixDecoder
from calrec_recbole.generation.trie import Trie
from calrec_recbole.generation.weights import decoder_of

__all__ = ["BestTexts", "best_texts"]


class BestTexts(NamedTuple):
    """The texts found for a prompt, best first; ``exact`` where no other text of the trie can be more probable."""

    texts: NDArray[np.int64]  # numbers of texts, as the trie has them
    logprobs: NDArray[np.float64]  # nats, of the whole text and the end token
    exact: bool


def best_texts(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int] | Tensor],
    trie: Trie,
    k: int = 10,
    beams: int = 32,
    *,
    memory_bytes: int | None = None,
    tell: Callable[[int], object] | None = None,
) -> list[BestTexts]:
    """The ``k`` most probable texts of ``trie`` after each prompt, by log P(text, end token | prompt) at temperature 1.

    Every text found has its exact log-probability, under the model's whole vocabulary. ``beams`` prefixes a prompt are
    kept at each depth. A prefix less probable than the k-th text found is dropped without loss, since no text is more
    probable than its beginning; by the same bound ``exact`` says for each prompt whether a prefix that the width cut
    off could have led to a better text. With as many beams as the trie has texts nothing is ever cut.

    ``memory_bytes`` and ``tell`` are those of `sample`, as is what it raises: ConfigError, DataError, BackboneError.
    """
    for name, value in (("k", k), ("beams", beams)):
        if value < 1:
            raise ConfigError(f"{name} is {value}; it must be at least 1")
    check_layers(model)
    ends = end_ids(model)
    rows = [torch.as_tensor(prompt, dtype=torch.int64).flatten().cpu() for prompt in prompts]
    check_prompts(model, rows, trie.longest + 1)
    found: list[BestTexts | None] = [None] * len(rows)
    if not rows:
        return []
    decoder = decoder_of(model)
    room = room_of(model.device) if memory_bytes is None else memory_bytes
    budget = Budget(decoder, room, beams, trie.longest + 1)

    def run(batch: list[int]) -> None:
        best = _search(budget, [rows[index] for index in batch], trie, k, ends)
        for index, one in zip(batch, best, strict=True):
            found[index] = one
        if tell is not None:
            tell(len(batch))

    with torch.inference_mode(), decoder.passing():
        in_halves(budget.batches([len(row) for row in rows]), run)
    return [one for one in found if one is not None]


class _Found:
    """The finished texts of U users, at most k each, and what bounds the search."""

    def __init__(self, users: int, k: int):
        self.k = k
        self.texts: list[list[tuple[float, int]]] = [[] for _ in range(users)]  # (nats, text), best first
        self.bound = np.full(users, -np.inf)  # the k-th best so far
        self.cut = np.full(users, -np.inf)  # the most probable prefix that the width has cut off

    def add(self, users: NDArray[np.int64], texts: NDArray[np.int32], nats: NDArray[np.float64]) -> None:
        for user, text, value in zip(users.tolist(), texts.tolist(), nats.tolist(), strict=True):
            self.texts[user].append((value, text))
        for user in set(users.tolist()):
            self.texts[user] = sorted(self.texts[user], key=lambda one: (-one[0], one[1]))[: self.k]
            if len(self.texts[user]) == self.k:
                self.bound[user] = self.texts[user][-1][0]

    def best(self, user: int) -> BestTexts:
        own = self.texts[user]
        exact = bool(self.bound[user] >= self.cut[user])  # both -inf where nothing was cut and fewer than k exist
        return BestTexts(np.array([text for _, text in own], np.int64), np.array([nats for nats, _ in own]), exact)


def _search(budget: Budget, prompts: list[Tensor], trie: Trie, k: int, ends: list[int]) -> list[BestTexts]:
    decoder, beams = budget.decoder, budget.n
    device, found = decoder.device, _Found(len(prompts), k)
    end_ids = torch.tensor(ends, device=device)
    users = np.arange(len(prompts))  # of each beam, ascending
    nodes, nats = np.zeros(len(prompts), np.int64), np.zeros(len(prompts))
    rows = torch.arange(len(prompts), device=device)
    tree = PrefixDecoder(decoder, prompts, len(prompts) * beams, budget.steps, budget.prompt_tokens)
    while True:
        ending = np.flatnonzero(trie.text[nodes] >= 0)
        if len(ending):
            last = next_logprobs(tree.logits, rows[ending], None, end_ids).cpu().numpy()
            found.add(users[ending], trie.text[nodes[ending]], nats[ending] + last)
        owners, tokens, children = trie.branches(nodes)
        if not len(owners):
            break
        following = torch.from_numpy(tokens).to(device)
        steps = next_logprobs(tree.logits, rows[torch.from_numpy(owners).to(device)], following, end_ids)
        values = nats[owners] + steps.cpu().numpy()
        kept = _widest(users[owners], values, beams, found)
        if not len(kept):
            break
        users, nodes, nats = users[owners][kept], children[kept], values[kept]
        chosen = torch.from_numpy(kept).to(device)
        rows = tree.read(rows[torch.from_numpy(owners[kept]).to(device)], following[chosen])
    return [found.best(user) for user in range(len(prompts))]


def _widest(users: NDArray[np.int64], values: NDArray[np.float64], beams: int, found: _Found) -> NDArray[np.int64]:
    """Places of the ``beams`` best prefixes of each user that can still lead among the k best; notes what it cuts.

    ``users`` (C,) ascending, ``values`` (C,) nats.
    """
    order = np.lexsort((-values, users))
    order = order[values[order] >= found.bound[users[order]]]
    ranked = users[order]
    rank = np.arange(len(order)) - np.searchsorted(ranked, ranked)
    cut = order[rank == beams]  # the best of what is cut
    found.cut[users[cut]] = np.maximum(found.cut[users[cut]], values[cut])
    return np.asarray(order[rank < beams])
