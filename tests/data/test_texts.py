"""Cleaning keeps what is text and discards what is only markup."""

import pytest

from calrec_recbole.data.texts import LONGEST, attribute_text, one_line


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


@pytest.mark.parametrize(
    ("raw", "text"), [(12.0, "$12.00"), (3, "$3.00"), ("$11.22", "$11.22"), (None, ""), (True, ""), ([], "")]
)
def test_prices_and_other_kinds(raw, text):
    assert attribute_text(raw).text == text


def test_ten_thousand_characters_stay_and_absurd_ones_are_cut():
    assert attribute_text("word " * 2000).text == ("word " * 2000).strip()
    found = attribute_text("x" * (LONGEST + 1))
    assert (len(found.text), found.was_cut) == (LONGEST, True)
