import numpy as np
import pytest

from calrec_recbole.errors import DataError
from calrec_recbole.generation import Trie

TEXTS = [[5, 6], [5], [7], [5, 6, 1, 2], [5, 3]]


def walk(trie, text):
    node = 0
    for token in text:
        _, tokens, children = trie.branches(np.array([node]))
        node = int(children[tokens.tolist().index(token)])
    return node


def test_every_text_ends_at_a_node_of_its_own():
    trie = Trie.of(TEXTS)
    assert [int(trie.text[walk(trie, text)]) for text in TEXTS] == list(range(5))
    assert sorted(trie.text[trie.text >= 0].tolist()) == list(range(5))
    assert trie.longest == 4


def test_the_children_of_every_node_are_those_that_loops_find():
    rng = np.random.default_rng(3)
    texts = sorted({tuple(rng.integers(0, 4, rng.integers(1, 7)).tolist()) for _ in range(300)}, key=str)
    trie = Trie.of(iter(texts))
    prefixes = {text[:length] for text in texts for length in range(len(text) + 1)}
    assert len(trie.text) == len(trie.tokens) == len(prefixes)
    for prefix in prefixes:
        node = walk(trie, prefix)
        _, tokens, _ = trie.branches(np.array([node]))
        below = {text[len(prefix)] for text in texts if len(text) > len(prefix) and text[: len(prefix)] == prefix}
        assert tokens.tolist() == sorted(below)
        assert trie.text[node] == (texts.index(prefix) if prefix in texts else -1)


def test_a_node_takes_twelve_bytes():
    trie = Trie.of(TEXTS)
    nodes = len({tuple(text[:length]) for text in TEXTS for length in range(len(text) + 1)})
    assert sum(part.nbytes for part in (trie.starts, trie.tokens, trie.text)) == 12 * nodes + 4


def test_the_empty_text_ends_at_the_root():
    assert Trie.of([[], [1]]).text.tolist() == [0, 1]


def test_branches_of_several_nodes():
    trie = Trie.of(TEXTS)
    five, leaf = walk(trie, [5]), walk(trie, [7])
    owners, tokens, _ = trie.branches(np.array([leaf, five, 0]))
    assert owners.tolist() == [1, 1, 2, 2]
    assert tokens.tolist() == [3, 6, 5, 7]
    assert [part.tolist() for part in trie.branches(np.array([leaf]))] == [[], [], []]


def test_equal_texts_and_none_are_refused():
    with pytest.raises(DataError, match="texts 0 and 1 are the same tokens"):
        Trie.of([[1, 2], [1, 2]])
    with pytest.raises(DataError, match="texts 1 and 3 are the same tokens"):
        Trie.of([[1], [1, 2], [3], [1, 2]])
    with pytest.raises(DataError, match="the catalogue is empty"):
        Trie.of([])
