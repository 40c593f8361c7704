"""What the catalogue proposes, against a plain count over all texts."""

import random
from collections import Counter

import numpy as np
import pytest
import torch

from calrec_recbole.errors import ConfigError, DataError
from calrec_recbole.generation import CatalogueProposer

TEXTS = [[5, 6, 1, 2], [5, 6, 1, 3], [5, 6, 1, 3, 4], [7, 1, 9, 9], [8]]


def chains(proposer, texts):
    padded = np.full((len(texts), max(map(len, texts)) + 3), -1)
    for row, text in enumerate(texts):
        padded[row, : len(text)] = text
    found = proposer.chains(torch.from_numpy(padded), torch.tensor([len(text) for text in texts]))
    assert found.shape == (len(texts), proposer.longest)
    return [[token for token in row if token >= 0] for row in found.tolist()]


def by_hand(catalogue, text, longest, share, orders=(4, 3, 2, 1)):
    """The best token after the whole text among the texts that begin so; else after the last tokens, by ``orders``."""
    chain, held = [], 1.0
    while len(chain) < longest:
        so_far = [*text, *chain]
        followers = Counter([*known, -1][len(so_far)] for known in catalogue if [*known[: len(so_far)]] == so_far)
        for order in orders:
            if followers or order > len(so_far):
                continue
            followers = Counter(
                [*known, -1][place]
                for known in catalogue
                for place in range(order, len(known) + 1)
                if [*known[place - order : place]] == so_far[-order:]
            )
        if not followers:
            break
        token, count = min(followers.items(), key=lambda pair: (-pair[1], pair[0]))
        held *= count / followers.total()
        if token < 0 or held < share:
            break
        chain.append(token)
    return chain


def test_by_hand():
    proposer = CatalogueProposer(TEXTS, longest=3, share=0.5)
    assert chains(proposer, [[5], [5, 6, 1], [7], [5, 6, 1, 3, 4], [8]]) == [[6, 1, 3], [3], [1, 9, 9], [], []]
    # [9, 5] begins no text: after [5] comes 6, and then 1 after [5, 6]; after [5, 6, 1] 3 has two of three texts
    assert chains(proposer, [[9, 5], [3, 3]]) == [[6, 1, 3], []]


def test_share_is_that_of_the_texts_that_would_follow_the_whole_chain():
    for share, chain in ((0.7, [6, 1]), (2 / 3, [6, 1, 3]), (0.0, [6, 1, 3])):
        assert chains(CatalogueProposer(TEXTS, longest=9, share=share), [[5]]) == [chain]


@pytest.mark.parametrize("seed", range(8))
def test_random_catalogues_against_plain_counts(seed):
    chance = random.Random(seed)
    catalogue = {tuple(chance.choices(range(4), k=chance.randint(1, 9))) for _ in range(60)}
    texts = [chance.choices(range(5), k=chance.randint(1, 8)) for _ in range(60)]
    texts += [list(text[: chance.randint(1, len(text))]) for text in sorted(catalogue)]
    catalogue = sorted(catalogue)
    for longest, share in ((1, 0.0), (6, 0.2), (4, 0.5), (9, 0.04)):
        found = chains(CatalogueProposer(catalogue, longest, share), texts)
        assert found == [by_hand(catalogue, text, longest, share) for text in texts]
    for order in (0, 1, 2):
        found = chains(CatalogueProposer(catalogue, 5, 0.1, order), texts)
        assert found == [by_hand(catalogue, text, 5, 0.1, range(order, 0, -1)) for text in texts]


def test_settings_and_an_empty_catalogue_are_refused():
    with pytest.raises(DataError, match="the catalogue is empty"):
        CatalogueProposer([])
    with pytest.raises(ConfigError, match="longest is 0"):
        CatalogueProposer(TEXTS, longest=0)
    with pytest.raises(ConfigError, match=r"share 1\.5"):
        CatalogueProposer(TEXTS, share=1.5)
