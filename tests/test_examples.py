"""Token sequences against the template's text, with a tokenizer of one token a byte."""

import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from calrec_recbole.backbone import train_tokenizer
from calrec_recbole.errors import ConfigError
from calrec_recbole.examples import IGNORED, decode, lost_share, tokenise_items
from calrec_recbole.prompts import FIRST_ITEM, GPT4REC, NEXT_ITEM, USER_PREFIX, user_prompt

TEXTS = ["Title: A.", "Title: Bee.", "Title: A.", "Title: Dodo bird."]
END = 256
FIRST = f"{USER_PREFIX} {FIRST_ITEM}"


class ByteTokenizer:
    """One token a byte; 256 ends an item; with ``start`` a token before every text that asks for special tokens."""

    eos_token_id = END

    def __init__(self, start=None):
        self.bos_token_id = start

    def __call__(self, text, add_special_tokens=True, split_special_tokens=False):
        def encode(one):
            start = [self.bos_token_id] if add_special_tokens and self.bos_token_id is not None else []
            return start + list(one.encode())

        return {"input_ids": encode(text) if isinstance(text, str) else [encode(one) for one in text]}


def text_of(tokens):
    return bytes(int(token) for token in tokens).decode()


@pytest.fixture
def items():
    return tokenise_items(TEXTS, ByteTokenizer())


def test_a_prompt_is_the_templates_text(items):
    assert text_of(items.prompt([3, 1])) == user_prompt([TEXTS[3], TEXTS[1]])


def test_another_template_has_its_own_spans_and_drops_whole_items():
    titles = ["A", "Bee", "Dodo"]
    items = tokenise_items(titles, ByteTokenizer(), prompt=GPT4REC)
    whole = "Previously, the customer has bought: Bee. Dodo. A. In the future, the customer wants to buy"
    assert text_of(items.prompt([1, 2, 0])) == whole == user_prompt(["Bee", "Dodo", "A"], GPT4REC)
    assert text_of(items.example([0], 2).tokens).endswith("A. In the future, the customer wants to buy Dodo")
    exact = tokenise_items(titles, ByteTokenizer(), len(whole.encode()), GPT4REC)
    assert text_of(exact.prompt([1, 2, 0])) == whole
    shorter = tokenise_items(titles, ByteTokenizer(), len(whole.encode()) - 1, GPT4REC)
    assert text_of(shorter.prompt([1, 2, 0])) == user_prompt(["Dodo", "A"], GPT4REC)


def test_an_example_is_prompt_then_target_and_predicts_the_target_and_the_end(items):
    example = items.example([0, 1], 3)
    assert text_of(example.tokens) == f"{user_prompt([TEXTS[0], TEXTS[1]])} {TEXTS[3]}"
    assert text_of(example.target) == f" {TEXTS[3]}"
    predicting = np.flatnonzero(example.labels != IGNORED)
    assert list(predicting) == list(range(example.prompt_length - 1, len(example.tokens)))
    assert list(example.labels[predicting]) == [*f" {TEXTS[3]}".encode(), END]


def test_history_labels_ask_for_every_item_and_its_end(items):
    example = items.example([0, 1], 3, history_labels=True)
    asked = [int(label) for label in example.labels if label != IGNORED]
    expected = [[*f" {TEXTS[item]}".encode(), END] for item in (0, 1, 3)]
    assert asked == [token for item in expected for token in item]
    for place in np.flatnonzero((example.labels != IGNORED) & (example.labels != END)):
        assert example.tokens[place + 1] == example.labels[place]  # each label but the ends is the next token


def test_the_oldest_items_are_dropped_whole():
    length = len(user_prompt(TEXTS[1:3]).encode())
    items = tokenise_items(TEXTS, ByteTokenizer(), max_length=length)
    assert text_of(items.prompt([0, 1, 2])) == user_prompt(TEXTS[1:3])
    shorter = tokenise_items(TEXTS, ByteTokenizer(), max_length=length - 1)
    assert text_of(shorter.prompt([0, 1, 2])) == user_prompt([TEXTS[2]])


@pytest.mark.parametrize("length", range(1, 12))
def test_a_prompt_never_exceeds_the_limit(length):
    items = tokenise_items(TEXTS, ByteTokenizer(), max_length=200)
    prompt = items.prompt([index % 4 for index in range(length)])
    assert len(prompt) <= 200
    assert text_of(prompt).startswith(FIRST)
    assert text_of(prompt).endswith(NEXT_ITEM)


def test_an_item_longer_than_the_input_is_cut_with_a_warning():
    with pytest.warns(UserWarning, match="1 item texts are longer than"):
        items = tokenise_items(["x" * 10_000, "y"], ByteTokenizer(), max_length=200)
    assert len(items.prompt([0])) == 200


def test_a_limit_that_the_template_alone_exceeds_is_refused():
    with pytest.raises(ConfigError, match="max_input_length=50 leaves no room"):
        tokenise_items(TEXTS, ByteTokenizer(), max_length=50)


def test_a_start_token_opens_the_prompt_once_and_the_lone_target():
    items = tokenise_items(TEXTS, ByteTokenizer(start=300))
    prompt = items.prompt([0, 1])
    assert prompt[0] == 300
    assert 300 not in prompt[1:]
    assert list(items.start) == [300]


@pytest.fixture
def tokenizers():
    """Of known words alone, and by bytes; each with a normalizer."""
    known = Tokenizer(models.WordLevel({"<unk>": 0, "red": 1, "tape": 2, "cafe": 3, "</s>": 4}, unk_token="<unk>"))
    known.pre_tokenizer, known.normalizer = pre_tokenizers.Whitespace(), normalizers.BertNormalizer()
    by_bytes = train_tokenizer(["red tape"], 300, merge_across_words=False)
    by_bytes.backend_tokenizer.normalizer = normalizers.NFKC()
    special = {"unk_token": "<unk>", "eos_token": "</s>", "pad_token": "</s>"}
    return PreTrainedTokenizerFast(tokenizer_object=known, **special), by_bytes


def test_what_a_tokenizer_loses(tokenizers):
    words, by_bytes = tokenizers
    texts = ["Red  tape", "red tape", "café", "红胶带", "red"]  # case and spaces do not count, an accent does
    assert lost_share(tokenise_items(texts, words), words) == 2 / 5
    assert lost_share(tokenise_items([*texts, "ﬁne ①"], by_bytes), by_bytes) == 0
    assert lost_share(tokenise_items([], words), words) == 0


def test_what_is_cut_is_not_lost(tokenizers):
    words, _ = tokenizers
    with pytest.warns(UserWarning, match="1 item texts are longer"):
        items = tokenise_items(["red tape " * 40, "red"], words, 60)
    assert lost_share(items, words) == 0


def test_decoded_texts_lack_special_tokens_and_outer_spaces(tokenizers):
    assert decode(tokenizers[0], [(1, 2, 4), (0,), ()]) == ["red tape", "", ""]
