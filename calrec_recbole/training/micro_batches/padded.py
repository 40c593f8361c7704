"""A batch in micro-batches of sequences of like length, padded on the right; each tower in passes of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch

from calrec_recbole.backbone import Backbone
from calrec_recbole.examples import Example, ItemTokens
from calrec_recbole.training.distributed.processes import Processes, evenly
from calrec_recbole.training.micro_batches.batches import fitting_groups, micro_batches, padded_tokens
from calrec_recbole.training.micro_batches.passes import Towers
from calrec_recbole.training.micro_batches.sizes import Sizes
from calrec_recbole.two_tower import collate_sequences, collate_targets, encode_sequences, encode_targets, joined

__all__ = ["PaddedGroup", "PaddedPasses", "padded_passes"]


class PaddedGroup(NamedTuple):
    """Pieces whose activations are in memory together: lists of row numbers."""

    sequences: list[Sequence[int]]
    targets: list[Sequence[int]]


@dataclass(frozen=True)
class PaddedPasses:
    """``examples`` cut into pieces: lists of row numbers, of sequences and of targets alone."""

    backbone: Backbone
    items: ItemTokens
    examples: Sequence[Example]
    sequence_pieces: Sequence[Sequence[int]]
    target_pieces: Sequence[Sequence[int]]
    max_tokens: int  # of a group, pads included
    device: torch.device

    @property
    def groups(self) -> list[PaddedGroup]:
        """The pieces in groups of at most ``max_tokens`` tokens, the largest last."""
        sequences, targets = self._lengths()
        tokens = [padded_tokens(sequences, piece) for piece in self.sequence_pieces]
        tokens += [padded_tokens(targets, piece) for piece in self.target_pieces]
        n = len(self.sequence_pieces)
        return [
            PaddedGroup(
                [self.sequence_pieces[place] for place in places if place < n],
                [self.target_pieces[place - n] for place in places if place >= n],
            )
            for places in fitting_groups(tokens, self.max_tokens)
        ]

    @property
    def padding(self) -> float:
        sequences, targets = self._lengths()
        passes = ((sequences, self.sequence_pieces), (targets, self.target_pieces))
        padded = sum(padded_tokens(lengths, piece) for lengths, pieces in passes for piece in pieces)
        return 1 - sum(lengths[row] for lengths, pieces in passes for piece in pieces for row in piece) / padded

    def read(self, group: PaddedGroup) -> Towers:
        trunk, examples, device = self.backbone.trunk, self.examples, self.device
        hidden_size = self.backbone.model.config.get_text_config().hidden_size
        none, nothing = torch.zeros(0, dtype=torch.int64, device=device), torch.zeros(0, hidden_size, device=device)
        sequences = [row for piece in group.sequences for row in piece]
        targets = [row for piece in group.targets for row in piece]
        user, target_in_context, hidden, labels, alone = nothing, nothing, nothing, none, nothing
        if sequences:
            batches = (collate_sequences([examples[row] for row in piece], device) for piece in group.sequences)
            user, target_in_context, hidden, labels, _ = joined([encode_sequences(trunk, one) for one in batches])
        if targets:
            start = self.items.start
            few = (collate_targets([examples[row] for row in piece], start, device) for piece in group.targets)
            alone = torch.cat([encode_targets(trunk, batch) for batch in few])
        first, second = (torch.tensor(part, dtype=torch.int64, device=device) for part in (sequences, targets))
        return Towers(first, user, target_in_context, hidden, labels, second, alone)

    def _lengths(self) -> tuple[list[int], list[int]]:
        """Tokens of each sequence, and of each target alone."""
        start = len(self.items.start)
        return [len(one.tokens) for one in self.examples], [start + len(one.target) for one in self.examples]


def padded_passes(
    backbone: Backbone,
    items: ItemTokens,
    examples: Sequence[Example],
    contrasts: bool,
    sizes: Sizes,
    device: torch.device,
    processes: Processes,
    in_parts: bool,
) -> PaddedPasses:
    """This process's share of ``examples``, cut into micro-batches of like length.

    A backbone ``in_parts`` is gathered in every pass: all processes need as many, so each micro-batch is a group.
    """
    limits = sizes.micro_batch_tokens, sizes.micro_batch_cost
    lengths = [len(example.tokens) for example in examples]
    alone = [len(items.start) + len(example.target) for example in examples]
    sequences, targets = (
        processes.share(evenly(micro_batches(part, *limits), processes.world)) for part in (lengths, alone)
    )
    at_once = 1 if in_parts else sizes.micro_batch_tokens
    return PaddedPasses(backbone, items, examples, sequences, targets if contrasts else [], at_once, device)
