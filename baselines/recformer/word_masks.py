"""Whole-word masks for Recformer's masked language modelling (Li et al., KDD 2023, 3.3.1)."""

from collections.abc import Sequence

import numpy as np

from calrec_recbole.baselines.recformer.inputs import FlatSequence

__all__ = ["IGNORED", "mask_tokens", "masked_places"]

IGNORED = -100  # the label of a token that is not to be guessed; torch's cross entropy leaves it out
TO_MASK, TO_RANDOM = 0.8, 0.1  # of the chosen tokens (BERT); the rest stay as they are
MOST = 512  # tokens, the authors' limit


def masked_places(words: Sequence[int], share: float, rng: np.random.Generator) -> list[int]:
    """Places of whole words, drawn until ``share`` of all tokens (at least one) is reached, never more.

    ``words`` (T,) holds the number of each token's word, -1 where none may be masked. A word that would exceed the
    number is passed over.
    """
    wanted = min(MOST, max(1, round(share * len(words))))
    members: dict[int, list[int]] = {}
    for place, word in enumerate(words):
        if word >= 0:
            members.setdefault(word, []).append(place)
    chosen: list[int] = []
    groups = list(members.values())
    for number in rng.permutation(len(groups)):
        if len(chosen) + len(groups[number]) <= wanted:
            chosen += groups[number]
        if len(chosen) == wanted:
            break
    return sorted(chosen)


def mask_tokens(
    sequence: FlatSequence, share: float, mask: int, vocabulary: int, rng: np.random.Generator
) -> tuple[FlatSequence, list[int]]:
    """``sequence`` with whole words hidden, and the labels: the token at each chosen place, elsewhere ``IGNORED``.

    Of the chosen tokens 80 % become the token ``mask``, 10 % a random one of ``vocabulary``, 10 % stay.
    """
    tokens, labels = list(sequence.tokens), [IGNORED] * len(sequence.tokens)
    for place in masked_places(sequence.words, share, rng):
        labels[place] = tokens[place]
        draw = rng.random()
        if draw < TO_MASK:
            tokens[place] = mask
        elif draw < TO_MASK + TO_RANDOM:
            tokens[place] = int(rng.integers(vocabulary))
    return sequence._replace(tokens=tokens), labels
