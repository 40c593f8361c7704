"""The settings of decoding and fusion."""

import numpy as np
import pytest

from calrec_recbole.errors import ConfigError
from calrec_recbole.inference import LONGEST, InferenceSettings

ITEMS = [np.arange(length) for length in (3, 7, 5, 5)]


def test_the_papers_values_are_the_defaults():
    settings = InferenceSettings()
    assert (settings.n_gen, settings.temperature, settings.n_pred, settings.epsilon) == (32, 0.5, 10, 1 / 5000)
    assert (settings.decoding, settings.pooling) == ("sample", "max")


def test_auto_is_the_longest_item_and_its_end_token_up_to_a_limit():
    assert InferenceSettings().for_items(ITEMS).steps == 8
    assert InferenceSettings().for_items([np.arange(1000)]).steps == LONGEST
    assert InferenceSettings(max_new_tokens=80).for_items(ITEMS).steps == 80


def test_items_that_do_not_end_in_time_are_counted():
    assert InferenceSettings(max_new_tokens=8).cut_share(ITEMS) == 0
    assert InferenceSettings(max_new_tokens=5).cut_share(ITEMS) == 3 / 4  # 5, 5 and 7 tokens, and an end each


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_gen": 0}, "n_gen=0 must be at least 1"),
        ({"temperature": -1.0}, "temperature=-1.0 must be at least 1e-4"),
        ({"epsilon": -0.1}, "epsilon=-0.1 must be at least 0"),
        ({"pooling": "median"}, "pooling='median' must be one of max"),
        ({"max_new_tokens": 0}, "max_new_tokens=0 must be auto, or at least 1"),
        ({"speculate": "yes"}, "speculate='yes' must be one of auto, true, false"),
    ],
)
def test_what_is_out_of_range_is_named(change, message):
    with pytest.raises(ConfigError, match=message):
        InferenceSettings(**change)
