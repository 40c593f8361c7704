"""The pair of ranks behind every reported number: the target's among the items, in the best and worst case of ties."""

import torch
from torch import Tensor

from calrec_recbole.errors import ScoreError

__all__ = ["BLOCK", "lowered_ranks", "ranks_without", "tie_ranks"]

BLOCK = 1 << 20  # scores compared at a time: the comparison's temporaries stay below some 10 MB


def tie_ranks(
    scores: Tensor, targets: Tensor, model: str = "scores", unretrieved: float | None = None
) -> tuple[Tensor, Tensor]:
    """(B, n_items) scores, (B,) item of each row -> optimistic (B,), pessimistic (B,), both int64 and 1-based.

    optimistic = 1 + #{s > s_t}: the target wins every tie; pessimistic = #{s >= s_t}: it loses every tie. A column of
    -inf (the pad item) lies below everything. ``unretrieved`` is the score of the items that a model did not retrieve
    at all, where it has such: a target with it ranks last in both cases. Raises ``ScoreError``, which names ``model``,
    for NaN, for a target that scores -inf, and for shapes that do not fit.

    >>> tie_ranks(torch.tensor([[0.1, 0.7, 0.7, 0.9]]), torch.tensor([1]))
    (tensor([2]), tensor([3]))
    """
    _check_shapes(scores, targets, model)
    targets = targets.to(scores.device)
    optimistic = torch.empty(len(scores), dtype=torch.int64, device=scores.device)
    pessimistic = torch.empty_like(optimistic)
    rows = max(1, BLOCK // scores.shape[1])
    for start in range(0, len(scores), rows):
        block = scores[start : start + rows]
        own = block.gather(1, targets[start : start + rows, None])  # (rows, 1)
        _check_values(block, own, start, model)
        optimistic[start : start + rows] = 1 + (block > own).sum(dim=1)
        pessimistic[start : start + rows] = (block >= own).sum(dim=1)
        if unretrieved is not None:
            missed = start + (own[:, 0] <= unretrieved).nonzero()[:, 0]
            optimistic[missed] = pessimistic[missed]
    return optimistic, pessimistic


def ranks_without(
    items: Tensor, scores: Tensor, targets: Tensor, optimistic: Tensor, pessimistic: Tensor
) -> tuple[Tensor, Tensor]:
    """The ranks (B,) of ``tie_ranks`` as they would be without the candidate ``items`` (B,); 0 where it is the target.

    An item that lay above the target lowers both ranks by one, one that tied with it the pessimistic rank alone; a
    target that was not retrieved stays last in both cases.

    >>> scores, targets = torch.tensor([[0.1, 0.7, 0.7, 0.9]]), torch.tensor([1])
    >>> ranks_without(torch.tensor([3]), scores, targets, *tie_ranks(scores, targets))
    (tensor([1]), tensor([2]))
    """
    items, targets = items.to(scores.device), targets.to(scores.device)
    own, other = scores.gather(1, targets[:, None])[:, 0], scores.gather(1, items[:, None])[:, 0]
    return lowered_ranks(items == targets, own, other, optimistic, pessimistic)


def lowered_ranks(
    same: Tensor, own: Tensor, other: Tensor, optimistic: Tensor, pessimistic: Tensor
) -> tuple[Tensor, Tensor]:
    """``ranks_without`` from the scores (B,) of the target and of the item left out, and whether they are the same."""
    lowered = pessimistic - (other >= own).long()
    raised = torch.minimum(optimistic - (other > own).long(), lowered)  # less only for a target not retrieved
    return raised.masked_fill(same, 0), lowered.masked_fill(same, 0)


def _check_shapes(scores: Tensor, targets: Tensor, model: str) -> None:
    if scores.ndim != 2 or targets.ndim != 1 or len(scores) != len(targets):
        shapes = f"{tuple(scores.shape)} and {tuple(targets.shape)}"
        raise ScoreError(f"{model}: scores and targets have shapes {shapes}; expected (B, n_items) and (B,)")
    if len(targets) and not 0 <= int(targets.min()) <= int(targets.max()) < scores.shape[1]:
        raise ScoreError(f"{model}: a target lies outside the {scores.shape[1]} scored items")


def _check_values(block: Tensor, own: Tensor, start: int, model: str) -> None:
    """NaN compares as neither greater nor equal, so it would rank first."""
    faulty = block.isnan().any(dim=1)
    if faulty.any():
        row = start + int(faulty.nonzero()[0])
        raise ScoreError(f"{model}: NaN among the scores of row {row}; no rank can be given")
    unscored = own[:, 0] == -torch.inf
    if unscored.any():
        row = start + int(unscored.nonzero()[0])
        raise ScoreError(f"{model}: the target of row {row} scores -inf, as only the pad item may")
