"""Which words are hidden in pretraining."""

import numpy as np
import pytest
import torch

from calrec_recbole.baselines.recformer.inputs import VALUE, FlatItem, flatten
from calrec_recbole.baselines.recformer.word_masks import IGNORED, mask_tokens, masked_places


@pytest.mark.parametrize("seed", range(20))
def test_words_are_masked_whole_and_never_too_many(seed):
    words = [-1, 0, 1, 1, 1, 2, 2, 3, 4, 5]  # 30 % of 10 tokens are 3
    places = masked_places(words, 0.3, np.random.default_rng(seed))
    hidden = {words[place] for place in places}
    assert sorted(places) == [place for place, word in enumerate(words) if word in hidden]
    assert -1 not in hidden
    assert len(places) == 3


def test_a_word_longer_than_the_share_is_passed_over():
    assert masked_places([-1, 0, 0, 0], 0.15, np.random.default_rng(0)) == []
    assert masked_places([-1, 0, 0, 0, 1], 0.15, np.random.default_rng(0)) == [4]  # at least one token is wanted


def test_of_the_hidden_tokens_eighty_percent_are_masked_and_ten_are_random():
    n = 3000
    flat = flatten([FlatItem((7,) * n, (VALUE,) * n, tuple(range(n)))], 0, 50, n + 1)
    total = np.zeros(3)
    for seed in range(20):
        masked, labels = mask_tokens(flat, 0.15, mask=4, vocabulary=1000, rng=np.random.default_rng(seed))
        hidden = [place for place, label in enumerate(labels) if label != IGNORED]
        assert len(hidden) == round(0.15 * (n + 1))
        assert all(labels[place] == 7 for place in hidden)
        assert all(masked.tokens[place] == flat.tokens[place] for place in set(range(n + 1)) - set(hidden))
        now = torch.tensor([masked.tokens[place] for place in hidden])
        total += [int((now == 4).sum()), int((now == 7).sum()), int(((now != 4) & (now != 7)).sum())]
    assert total / total.sum() == pytest.approx([0.8, 0.1, 0.1], abs=0.02)  # 9000 draws
