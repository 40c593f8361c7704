from typing import ClassVar

from calrec_recbole.baselines.recformer.inputs import CLS, KEY, PAD, VALUE, FlatItem, collate, flatten, tokenise_item


class Letters:
    """Every letter is a token, its id the code point; one after a space is marked as byte-level BPE marks it."""

    marks: ClassVar = {}

    def __call__(self, text, add_special_tokens):
        assert not add_special_tokens
        ids = [ord(letter) for letter in text if letter != " "]
        self.marks[tuple(ids)] = [
            text[place - 1] == " " if place else False for place, c in enumerate(text) if c != " "
        ]
        return {"input_ids": ids}

    def convert_ids_to_tokens(self, ids):
        return [("Ġ" if mark else "") + chr(one) for one, mark in zip(ids, self.marks[tuple(ids)], strict=True)]


def codes(text):
    return tuple(map(ord, text))


def test_an_item_is_names_and_values_with_types_and_words():
    item = tokenise_item({"t": "ab c", "br": "d-e"}, Letters(), 32)
    assert item.tokens == codes("tabcbrd-e")
    assert item.types == (KEY, VALUE, VALUE, VALUE, KEY, KEY, VALUE, VALUE, VALUE)
    assert item.begins == (False, False, False, True, False, False, False, True, False)  # a space, a punctuation mark


def test_an_authors_word_goes_on_to_the_next_space_or_punctuation():
    """ "SPR01753" is one word however many pieces it has, and a value's first piece belongs to its name."""
    item = tokenise_item({"title": "SPR01753 valve, steel"}, Letters(), 99)
    flat = flatten([item], start=0, max_items=5, max_tokens=99)
    words = {}
    for token, word in zip(flat.tokens[1:], flat.words[1:], strict=True):
        words[word] = words.get(word, "") + chr(token)
    assert list(words.values()) == ["titleSPR01753", "valve", ",", "steel"]


def test_the_limit_counts_an_attributes_name_too_and_a_missing_value_leaves_the_name():
    item = tokenise_item({"ti": "abc", "br": ""}, Letters(), 4)
    assert item.tokens == codes("tiabbr")
    assert item.types == (KEY, KEY, VALUE, VALUE, KEY, KEY)


A = FlatItem((10, 11), (KEY, VALUE), (False, True))
B = FlatItem((20, 21, 22), (KEY, VALUE, VALUE), (False, True, False))


def test_a_history_is_read_newest_first_after_the_first_token():
    flat = flatten([A, B], start=0, max_items=50, max_tokens=1024)
    assert flat.tokens == [0, 20, 21, 22, 10, 11]
    assert flat.types == [CLS, KEY, VALUE, VALUE, KEY, VALUE]
    assert flat.items == [0, 1, 1, 1, 2, 2]
    assert flat.words == [-1, 0, 1, 1, 1, 2]  # nothing parts an item's first piece from the item before


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
