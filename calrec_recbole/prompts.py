"""The template of section 3.2: an item's attributes and a user's history as plain text."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

__all__ = [
    "AMAZON",
    "CALREC",
    "FIRST_ITEM",
    "GPT4REC",
    "NEXT_ITEM",
    "PROMPTS",
    "UNKNOWN",
    "USER_PREFIX",
    "Attribute",
    "Prompt",
    "item_text",
    "limit_words",
    "parse_item_text",
    "user_prompt",
]

USER_PREFIX = "This is the summary of a user's purchase history."
FIRST_ITEM = "The first item bought is as follows."
NEXT_ITEM = "\n\nThe next item bought is as follows."
UNKNOWN = "Unknown"


class Attribute(NamedTuple):
    """One attribute of the template: its field in the data, its label in the text, its limit in words."""

    field: str
    label: str
    words: int


class Prompt(NamedTuple):
    """How a history is put into words: what stands before its first item, between two, and after the last.

    ``titles``: an item is its first attribute alone, without a label; otherwise its whole text.
    """

    opening: str
    separator: str
    closing: str
    titles: bool = False


CALREC = Prompt(f"{USER_PREFIX} {FIRST_ITEM}", NEXT_ITEM, NEXT_ITEM)
GPT4REC = Prompt(  # Table 6; arXiv 2304.03879: no item prefix, one closing suffix
    "Previously, the customer has bought:", ".", ". In the future, the customer wants to buy", titles=True
)
PROMPTS = {"calrec": CALREC, "gpt4rec": GPT4REC}

AMAZON = (  # paper 4: "title, category, brand, and price [...] 25, 15, 15, and 15 words"
    Attribute("title", "Title", 25),
    Attribute("category", "Category", 15),
    Attribute("brand", "Brand", 15),
    Attribute("price", "Price", 15),
)


def limit_words(description: str, words: int) -> str:
    """The first ``words`` white-space separated words, joined by single spaces; "Unknown" where there is none."""
    return " ".join(description.split()[:words]) or UNKNOWN


def item_text(attributes: Mapping[str, str], template: Sequence[Attribute] = AMAZON) -> str:
    """One item as text: "Title: ... Category: ... Brand: ... Price: ...".

    ``attributes`` maps fields (or labels) of ``template`` to descriptions; a missing or empty one reads "Unknown",
    other keys are ignored. Section 3.2.

    >>> item_text({"title": "Rosin Paper, Red", "brand": "Trimaco"})
    'Title: Rosin Paper, Red. Category: Unknown. Brand: Trimaco. Price: Unknown.'
    """
    return " ".join(
        f"{label}: {limit_words(attributes.get(field, '') or attributes.get(label, ''), words)}."
        for field, label, words in template
    )


def parse_item_text(text: str, template: Sequence[Attribute] = AMAZON) -> dict[str, str] | None:
    """The descriptions by field of a text written as the template, or ``None`` where ``text`` departs from it.

    A label inside a description ends it early: the first occurrence of the next label counts.
    """
    found: dict[str, str] = {}
    rest = text.strip()
    for position, (field, label, _) in enumerate(template):
        if not rest.startswith(f"{label}: ") or not rest.endswith("."):
            return None
        rest = rest[len(label) + 2 :]
        if position + 1 < len(template):
            description, separator, rest = rest.partition(f". {template[position + 1].label}: ")
            if not separator:
                return None
            rest = f"{template[position + 1].label}: {rest}"
        else:
            description = rest[:-1]
        found[field] = description
    return found


def user_prompt(item_texts: Sequence[str], prompt: Prompt = CALREC) -> str:
    """A history, oldest item first, as the prompt of section 3.2; it ends with the item prefix, asking for the next
    item. ``prompt`` may be another template.

    >>> user_prompt(["Tape", "Glue"], GPT4REC)
    'Previously, the customer has bought: Tape. Glue. In the future, the customer wants to buy'

    Raises ``ValueError`` for an empty history: the template has no form for it.
    """
    if not item_texts:
        raise ValueError("item_texts is empty: a prompt needs at least one item of history")
    history = f"{prompt.separator} ".join(item_texts)
    return f"{prompt.opening} {history}{prompt.closing}"
