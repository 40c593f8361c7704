"""Items of one text are the same to a model that reads texts: where does the first one of the target's text stand?"""

import torch
from torch import Tensor

from calrec_recbole.evaluation.ranks import tie_ranks

__all__ = ["TextGroups"]


class TextGroups:
    """Which items have one text: ``groups`` (n_items,) int64, equal numbers for equal texts, -1 for an item without."""

    def __init__(self, groups: Tensor) -> None:
        self.groups = groups
        self._members = torch.argsort(groups, stable=True)
        ordered = groups[self._members]
        self._begins = torch.searchsorted(ordered, groups)  # (n_items,) of the group of each item
        self.sizes = torch.searchsorted(ordered, groups, right=True) - self._begins  # (n_items,)

    def ranks(
        self, scores: Tensor, targets: Tensor, optimistic: Tensor, pessimistic: Tensor, unretrieved: float | None = None
    ) -> tuple[Tensor, Tensor]:
        """The ranks (B,) of the best item of the target's text, from ``tie_ranks`` of (B, n_items) and (B,).

        optimistic = 1 + #{s > best}, and pessimistic puts in front of it what ties with it and has another text. No
        rank is below that of the target itself. A text of which no item was retrieved ranks last, as its target does.

        >>> groups, scores = TextGroups(torch.tensor([-1, 0, 0, 1, 2])), torch.tensor([[-9.0, 0.1, 0.7, 0.7, 0.9]])
        >>> targets = torch.tensor([1])
        >>> groups.ranks(scores, targets, *tie_ranks(scores, targets))
        (tensor([2]), tensor([3]))
        """
        place = targets.cpu()
        sizes = self.sizes[place]
        rows = torch.repeat_interleave(torch.arange(len(place)), sizes)
        nth = torch.arange(len(rows)) - torch.repeat_interleave(sizes.cumsum(0) - sizes, sizes)
        items = self._members[self._begins[place][rows] + nth]
        rows, items = rows.to(scores.device), items.to(scores.device)
        own = scores[rows, items]
        best = torch.full((len(place),), -torch.inf, dtype=scores.dtype, device=scores.device)
        best.scatter_reduce_(0, rows, own, "amax")
        front = torch.zeros(len(place), dtype=torch.int64, device=scores.device)
        front.index_add_(0, rows, (own == best[rows]).long())  # items of the text that tie with the best
        first, last = optimistic.clone(), pessimistic.clone()
        better = best > scores.gather(1, targets.to(scores.device)[:, None])[:, 0]
        if better.any():
            chosen = torch.zeros(len(place), dtype=torch.int64, device=scores.device)
            chosen[rows[own == best[rows]]] = items[own == best[rows]]
            first[better], last[better] = tie_ranks(scores[better], chosen[better])
        last = last - front + 1
        if unretrieved is not None:
            missed = best <= unretrieved
            first[missed], last[missed] = optimistic[missed], pessimistic[missed]
        return first, last
