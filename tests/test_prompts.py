"""The template against the example printed in section 3.2 of the paper."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calrec_recbole.prompts import AMAZON, Attribute, item_text, limit_words, parse_item_text, user_prompt

PAPER_ITEMS = [
    {
        "title": "The Hillman Group 591520 Small Wire Nail and Brad Assortment, 260-Pack",
        "category": "Tools & Home Improvement",
        "brand": "Hillman",
    },
    {
        "title": "Pro Flex Super Flexible Elastomeric Sealant Acrylic Clear Paintable 10 Oz",
        "category": "Tools & Home Improvement",
        "brand": "Geocel",
        "price": "$11.22",
    },
    {
        "title": "Trimaco Llc RF36 35-Inch by 166-Foot Rosin Flooring Paper, Red",
        "category": "Tools & Home Improvement",
        "brand": "Trimaco",
    },
]
PAPER_PROMPT = (
    "This is the summary of a user's purchase history. The first item bought is as follows. "
    "Title: The Hillman Group 591520 Small Wire Nail and Brad Assortment, 260-Pack. "
    "Category: Tools & Home Improvement. Brand: Hillman. Price: Unknown."
    "\n\nThe next item bought is as follows. "
    "Title: Pro Flex Super Flexible Elastomeric Sealant Acrylic Clear Paintable 10 Oz. "
    "Category: Tools & Home Improvement. Brand: Geocel. Price: $11.22."
    "\n\nThe next item bought is as follows."
)
PAPER_TARGET = (
    "Title: Trimaco Llc RF36 35-Inch by 166-Foot Rosin Flooring Paper, Red. "
    "Category: Tools & Home Improvement. Brand: Trimaco. Price: Unknown."
)


def test_the_papers_example_word_for_word():
    first, second, target = (item_text(item) for item in PAPER_ITEMS)
    assert user_prompt([first, second]) == PAPER_PROMPT
    assert target == PAPER_TARGET


def test_word_limits_are_25_15_15_15():
    words = " ".join(f"w{number}" for number in range(40))
    text = item_text({"title": words, "category": words, "brand": words, "price": words})
    upto = {count: " ".join(f"w{number}" for number in range(count)) for count in (25, 15)}
    assert text == f"Title: {upto[25]}. Category: {upto[15]}. Brand: {upto[15]}. Price: {upto[15]}."


def test_missing_empty_and_blank_read_unknown():
    assert (
        item_text({"title": "", "brand": " \t\n"})
        == "Title: Unknown. Category: Unknown. Brand: Unknown. Price: Unknown."
    )


def test_attributes_may_be_named_by_their_label():
    assert item_text({"Title": "A"}) == item_text({"title": "A"})


def test_another_template():
    template = (Attribute("movie_title", "Title", 2), Attribute("release_year", "Year", 1))
    text = item_text({"movie_title": "The Usual Suspects", "release_year": "1995"}, template)
    assert text == "Title: The Usual. Year: 1995."


def test_a_prompt_needs_history():
    with pytest.raises(ValueError, match="at least one item"):
        user_prompt([])


@given(st.text(), st.integers(1, 5))
def test_limit_words_is_what_split_says(text, words):
    assert limit_words(text, words) == (" ".join(text.split()[:words]) or "Unknown")


def test_a_template_text_parses_back_and_others_do_not():
    text = item_text(PAPER_ITEMS[1])
    assert parse_item_text(text) == PAPER_ITEMS[1]
    assert parse_item_text(f" {text}\n") == PAPER_ITEMS[1]
    for broken in (
        "",
        "Title: A",
        "Title: A. Brand: B. Category: C. Price: D.",
        text[:-1],
        text.replace("Brand: ", ""),
    ):
        assert parse_item_text(broken) is None


def test_parsing_keeps_full_stops_inside_descriptions():
    parsed = parse_item_text("Title: No. 5. Category: a. b. Brand: Dr. Who. Price: $1.50.", AMAZON)
    assert parsed == {"title": "No. 5", "category": "a. b", "brand": "Dr. Who", "price": "$1.50"}
