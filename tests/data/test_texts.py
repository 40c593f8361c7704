"""Cleaning keeps what is text and discards what is only markup."""

import pytest

from calrec_recbole.data.raw_file import BadLineError
from calrec_recbole.data.texts import LONGEST, attribute_text, is_null_word, one_line, price_text


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("Tools &amp; Home Improvement", "Tools & Home Improvement"),
        ("Mother&#39;s Day &quot;Best&quot;", 'Mother\'s Day "Best"'),
        ("a\tb\r\n\n c\u00a0d\x00e", "a b c d e"),
        ("Pens&notes, AT&T, R&D", "Pens&notes, AT&T, R&D"),
        ("&amp;amp;", "&amp;"),
        ("🎸 Guitar", "🎸 Guitar"),
        ("half \ud83d pair", "half \ufffd pair"),
        ('  "quoted" ', '"quoted"'),
    ],
)
def test_one_line(raw, text):
    assert one_line(raw) == text


@pytest.mark.parametrize(
    "raw",
    [
        '<span class="a-size-medium a-color-secondary"',
        "<span></span>",
        '<img src="https://x/y.png" alt="Fashion"/>',
        "\n\n\n<script>var x = 1</script>",
        ".a-box-inner{background-color:#fff}#alohaBuyBoxWidget .selected{x:y}",
        "<!-- nothing -->",
    ],
)
def test_only_markup_is_missing(raw):
    assert attribute_text(raw) == ("", True, False)


@pytest.mark.parametrize(
    "raw",
    [
        "I <3 You Mug",
        "#1 Dad Mug {Red}",
        "Book <em>One</em>",
        'Industrial & Scientific" />',
        "{brackets}",
        "5 < 6 > 4",
        "!",
    ],
)
def test_text_stays_as_it_is(raw):
    assert attribute_text(raw) == (raw, False, False)


NAN, INFINITE = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("raw", "text", "price"),
    [
        (12.0, "12", "$12.00"),
        (3, "3", "$3.00"),
        (1984, "1984", "$1984.00"),
        (0, "0", "$0.00"),
        (-1, "-1", ""),
        (2.5, "2.5", "$2.50"),
        (NAN, "", ""),
        (INFINITE, "", ""),
        (-INFINITE, "", ""),
        ("$11.22", "$11.22", "$11.22"),
        ("11.22", "11.22", "11.22"),
        (None, "", ""),
        (True, "", ""),
        ([], "", ""),
    ],
)
def test_numbers_are_dollars_in_a_price_alone(raw, text, price):
    assert attribute_text(raw).text == text
    assert price_text(raw).text == price


@pytest.mark.parametrize("raw", [10**401, -(10**401), 1e308, 10**18])
def test_a_number_that_is_none_is_a_bad_line(raw):
    for read in (attribute_text, price_text):
        with pytest.raises(BadLineError, match="beyond 10\\^18"):
            read(raw)


@pytest.mark.parametrize(
    "raw", ["None", "nan", "NaN", "null", "NULL", " none ", "N/A", "NA", "<NA>", "-", "—", "&mdash;", "–"]
)
def test_words_for_nothing_are_missing(raw):
    assert (attribute_text(raw).text, price_text(raw).text) == ("", "")


@pytest.mark.parametrize("raw", ["Nancy", "None of the Above", "Na", "Null-A", "Unknown", "-5", "0"])
def test_words_that_only_look_like_it_stay(raw):
    assert not is_null_word(raw)
    assert attribute_text(raw).text == raw


def test_ten_thousand_characters_stay_and_absurd_ones_are_cut():
    assert attribute_text("word " * 2000).text == ("word " * 2000).strip()
    found = attribute_text("x" * (LONGEST + 1))
    assert (len(found.text), found.was_cut) == (LONGEST, True)
