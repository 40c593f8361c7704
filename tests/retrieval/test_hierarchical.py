import doctest
import math

import pytest

from calrec_recbole.errors import ConfigError, DataError
from calrec_recbole.fusion import fuse
from calrec_recbole.prompts import Attribute, item_text
from calrec_recbole.retrieval import HierarchicalMatch, hierarchical


def text(title, category="Office", brand="Acme", price="$1"):
    return item_text({"title": title, "category": category, "brand": brand, "price": price})


ITEMS = [
    text("Tape"),
    text("Tape", price="$2"),
    text("Tape", brand="Bolt"),
    text("Tape", category="Tools"),
    text("Glue", price=""),
    text("Tape"),  # the text of item 0
]


@pytest.fixture
def match():
    return HierarchicalMatch(ITEMS)


def test_docstring_examples():
    assert doctest.testmod(hierarchical).failed == 0


@pytest.mark.parametrize(
    ("query", "level", "items"),
    [
        (text("Tape"), 4, [0, 5]),  # all four: items of equal text tie
        (text("Tape", price="$2"), 4, [1]),
        (text("Tape", price="$3"), 3, [0, 1, 5]),  # title, category, brand
        (text("Tape", brand="Cord"), 2, [0, 1, 2, 5]),  # title, category
        (text("Tape", category="Garden"), 1, [0, 1, 2, 3, 5]),  # the title alone, although brand and price fit
        (text("Pen"), 0, []),
        (text("tape"), 0, []),  # letter case counts
        (text("Glue", price=""), 4, [4]),  # Unknown matches Unknown
        ("Tape", 0, []),  # format errors
        (text("Tape").removesuffix("."), 0, []),
        (text("Tape").replace("Brand: ", ""), 0, []),
        ("", 0, []),
    ],
)
def test_levels_by_hand(query, level, items, match):
    assert match.matches(query) == (level, items)
    assert match.scores([query]).tolist() == [[float(item in items) for item in range(6)]]


def test_every_items_own_text_finds_it_on_all_attributes():
    """Also where a description holds labels of the template."""
    texts = [text("Box. Category: Toys"), text("Box", category="Toys. Category: Office"), text('A "b". Price: 5')]
    match = HierarchicalMatch(texts)
    for item, own in enumerate(texts):
        level, found = match.matches(own)
        assert (level, item in found) == (4, True)


def test_another_template_has_as_many_levels_as_attributes():
    template = (Attribute("movie_title", "Title", 25), Attribute("class", "Genre", 15))
    match = HierarchicalMatch(["Title: Alien. Genre: Horror.", "Title: Alien. Genre: Drama."], template)
    assert match.matches("Title: Alien. Genre: Drama.") == (2, [1])
    assert match.matches("Title: Alien. Genre: Comedy.") == (1, [0, 1])


def test_in_algorithm_1_an_item_goes_by_the_most_probable_output_that_found_it(match):
    """The title alone of the first output stands above all four attributes of the second; noise changes nothing."""
    samples = [(text("Glue", category="Tools"), -1.0), (text("Tape"), -2.0), ("noise", -0.5)]
    fused = fuse(match, [samples], epsilon=0.1)[0]
    first, second = math.exp(-0.1), math.exp(-0.2)
    assert fused.tolist() == pytest.approx([second, 0, 0, 0, first, second])


def test_nothing_found_is_zeros_everywhere(match):
    assert fuse(match, [[("noise", -1.0)], []]).tolist() == [[0.0] * 6] * 2


def test_wrong_texts_are_named():
    with pytest.raises(DataError, match="item text 'Tape' does not follow the template"):
        HierarchicalMatch(["Tape"])
    with pytest.raises(ConfigError, match="texts is one string"):
        HierarchicalMatch("Tape")
    with pytest.raises(ConfigError, match="queries is one string"):
        HierarchicalMatch([]).scores("Tape")
