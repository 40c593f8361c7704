import numpy as np
import pytest
import torch

from calrec_recbole.baselines.recformer.inputs import CLS, KEY, PAD, VALUE, FlatItem, collate, flatten, tokenise_item
from calrec_recbole.baselines.recformer.word_masks import IGNORED, mask_tokens, masked_places


class Letters:
    """Every letter is a token, its id the code point; words are split at spaces, which are dropped."""

    class Encoded(dict):
        def word_ids(self, row):
            assert row == 0
            return self["words"]

    def __call__(self, text, add_special_tokens):
        assert not add_special_tokens
        words = text.split()
        return self.Encoded(
            input_ids=[ord(letter) for word in words for letter in word],
            words=[number for number, word in enumerate(words) for _ in word],
        )


def codes(text):
    return tuple(map(ord, text))


def test_an_item_is_names_and_values_with_types_and_words():
    item = tokenise_item({"t": "ab c", "br": "d"}, Letters(), 32)
    assert item.tokens == codes("tabcbrd")
    assert item.types == (KEY, VALUE, VALUE, VALUE, KEY, KEY, VALUE)
    assert item.words == (0, 1, 1, 2, 3, 3, 4)


def test_the_limit_counts_an_attributes_name_too_and_a_missing_value_leaves_the_name():
    item = tokenise_item({"ti": "abc", "br": ""}, Letters(), 4)
    assert item.tokens == codes("tiabbr")
    assert item.types == (KEY, KEY, VALUE, VALUE, KEY, KEY)


A = FlatItem((10, 11), (KEY, VALUE), (0, 1))
B = FlatItem((20, 21, 22), (KEY, VALUE, VALUE), (0, 1, 1))


def test_a_history_is_read_newest_first_after_the_first_token():
    flat = flatten([A, B], start=0, max_items=50, max_tokens=1024)
    assert flat.tokens == [0, 20, 21, 22, 10, 11]
    assert flat.types == [CLS, KEY, VALUE, VALUE, KEY, VALUE]
    assert flat.items == [0, 1, 1, 1, 2, 2]
    assert flat.words == [-1, 0, 1, 1, 2, 3]


def test_old_items_go_first_and_the_last_one_is_cut_where_the_tokens_end():
    assert flatten([A, A, B], 0, max_items=2, max_tokens=1024).tokens == [0, 20, 21, 22, 10, 11]
    cut = flatten([A, A, B], 0, max_items=50, max_tokens=5)
    assert cut.tokens == [0, 20, 21, 22, 10]
    assert {len(part) for part in cut} == {5}


def test_pads_fill_up_to_a_multiple_of_the_window():
    batch = collate(
        [flatten([A], 0, 5, 99), flatten([A, B], 0, 5, 99)], pad=1, last_position=5, multiple=4, device="cpu"
    )
    assert batch.ids.tolist() == [[0, 10, 11, 1, 1, 1, 1, 1], [0, 20, 21, 22, 10, 11, 1, 1]]
    assert batch.types.tolist()[0] == [CLS, KEY, VALUE] + 5 * [PAD]
    assert batch.items.tolist()[1] == [0, 1, 1, 1, 2, 2, 5, 5]
    assert batch.mask.sum(1).tolist() == [3, 6]


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
